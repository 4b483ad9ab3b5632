/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of any shape, as a person would like to read it. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>
#include <stdio.h>

/*
 * A value in one cell: "3", "0.25", "yes", "-" for null and absent; "?" when memory is short. Texts
 * are escaped for a terminal; what is escaped once more stays as it is.
 */
const char *describe_value(struct arena *arena, const json_t *value);
/* The same of a member of an object. */
const char *describe_member(struct arena *arena, const json_t *object, const char *key);

/*
 * An object line by line, names at the left, what lies deeper with the way to it:
 * "progress.fraction  0.4". Long lists of numbers show their ends and their length. ERR_NOMEM.
 */
enum err_code describe_object(const json_t *object, struct arena *arena, FILE *out,
                              struct err *err) MUST_CHECK;

#endif
