/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of any shape as text for people. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>
#include <stdio.h>

/*
 * A member of an object in one cell: "3", "0.25", "yes"; "-" if it is null or absent, "?" if memory
 * is short. Texts are escaped for a terminal; escaping them again changes nothing.
 */
const char *describe_member(struct arena *arena, const json_t *object, const char *key);

/*
 * An object line by line, with the path to each value at the left: "progress.fraction  0.4". Of
 * long lists both ends and the length are shown. ERR_NOMEM.
 */
enum err_code describe_object(const json_t *object, struct arena *arena, FILE *out,
                              struct err *err) MUST_CHECK;

/*
 * What is wrong with a version, on stderr: "surrogated: version 3: 8 rows train .. (few_rows)". A
 * line for each of `warnings` that has a text; the others are about rows.
 */
void describe_warnings(struct arena *arena, const char *version, const json_t *warnings);

/* Their codes in one cell: "few_rows, poor_fit"; "" when there are none, "?" if memory is short. */
const char *describe_codes(struct arena *arena, const json_t *warnings);

#endif
