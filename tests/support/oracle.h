/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference cases: JSON files with an "architecture", "parameters" and arrays of numbers, either
 * the project's own (tests/data) or those of the folder named by SURROGATED_ORACLES when it is
 * there.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <jansson.h>
#include <stdbool.h>

#include "network/arch.h"

/* The file's document, or NULL when it is absent; a file that does not parse fails the test. */
json_t *oracle_load(const char *name);
json_t *golden_load(const char *name);

/* QUiNN's index rule unless the case says otherwise. */
struct arch oracle_arch(const json_t *json);

/* All numbers of a nested array in order; *n: how many. Freed with the test's process. */
double *oracle_numbers(const json_t *array, int *n);

/* max |a - b| / max |b|; fails when anything is not finite. */
double oracle_error(const double *a, const double *b, int n);

#endif
