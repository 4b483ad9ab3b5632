/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it is that computes here: this very executable, the vector unit that its kernels use, the
 * libraries of mathematics. Where the words are the same, the same input gives the same bits.
 */
#ifndef BUILD_H
#define BUILD_H

#include <stddef.h>

#define BUILD_CHARS 400

/* One line, cut off at size - 1 characters. */
void build_describe(char *out, size_t size);

#endif
