/* SPDX-License-Identifier: Apache-2.0 */
/* The candidates of auto, as the server's diagnostics have them, as a table for people. */
#ifndef CHOICE_H
#define CHOICE_H

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>
#include <stdio.h>

/* Nothing is printed when `choice` is no object: the solver was named. ERR_NOMEM. */
enum err_code choice_print(const json_t *choice, struct arena *arena, FILE *out,
                           struct err *err) MUST_CHECK;

/* Which candidate's turn it is, in some words: "evidence_16x2_constant (2/9)"; empty: none. */
void choice_describe_current(const json_t *choice, char *out, size_t size);

#endif
