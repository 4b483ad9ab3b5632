/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that are something else than their sender thinks. */
#ifndef MISTAKEN_H
#define MISTAKEN_H

#include <stddef.h>

/*
 * What a body that should be text looks like instead, with the way to send it, as "is gzip; ..": a
 * compressed file, a spreadsheet, data of another program, UTF-16, a form, HTML, or anything
 * binary. NULL: none of these. A constant string.
 */
const char *mistaken_for(const char *bytes, size_t len);

/* What a text table looks like instead: one of the above, or JSON. */
const char *mistaken_table(const char *bytes, size_t len);

#endif
