/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference cases: JSON files with an "architecture", "parameters" and arrays of numbers. The
 * project's own are in tests/data; others are in the folder that the environment variable
 * SURROGATED_ORACLES names, when it exists.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <jansson.h>
#include <stdbool.h>

#include "network/arch.h"

/*
 * The document in a file of the other folder, or NULL when there is none; and one of the project's
 * own. A file that does not parse fails the test.
 */
json_t *oracle_load(const char *name);
json_t *golden_load(const char *name);

/* Has QUiNN's index rule unless the case says otherwise. */
struct arch oracle_arch(const json_t *json);

/* All numbers of a nested array, in order, for free(); *n, which may be NULL: how many. */
double *oracle_numbers(const json_t *array, int *n);

/* max |a - b| / max |b|; the test fails when a number is not finite. */
double oracle_error(const double *a, const double *b, int n);

#endif
