/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the runs of some rows ended, and the outputs that they miss. A client says so by "status" in
 * JSON or by a column `status` in a table, or by leaving all outputs of a row out.
 */
#ifndef RUN_STATUS_H
#define RUN_STATUS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/names.h"

#include <jansson.h>
#include <stdint.h>

#define RUN_STATUS_KEY "status" /* in JSON, and the name of the column */

/* "ok", "failed": 1 stands for a run that failed. */
struct names run_status_known(void);

/*
 * The member "status" of a body as [n], in the arena; *failed NULL: there is none. ERR_INVALID
 * naming the row and the word that was probably meant; ERR_SHAPE: not n words; ERR_NOMEM.
 */
enum err_code run_status_read(const json_t *body, int n, struct arena *arena,
                              unsigned char **failed, struct err *err) MUST_CHECK;

/* Outputs of n rows, where they lie: those of row i from y + i * stride on. */
struct run_outputs {
    double *y;
    size_t stride;
    int n, o;
};

/* Takes the outputs of runs that failed away; failed [n]. Returns how many there were. */
int64_t run_outputs_discard(const struct run_outputs *outputs, const unsigned char *failed);

/* What is missing becomes the same NaN everywhere. */
void run_outputs_settle(const struct run_outputs *outputs);

/* The first row whose run is not said to have failed, and which has no output; -1: none. */
int run_outputs_find_empty(const struct run_outputs *outputs, const unsigned char *failed);

/* [n] in the arena: the rows without any output; NULL: no memory. */
unsigned char *run_outputs_failed(const struct run_outputs *outputs, struct arena *arena);

#define RUN_STATUS_EMPTY                                                                           \
    "is \"ok\", but all of its outputs are missing: a run without any output is \"failed\""

#endif
