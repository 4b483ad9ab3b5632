/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluations of a function that a step has made so far, so that an interrupted step is taken
 * again to where it was without making them again.
 *
 * A step of a chain or of L-BFGS may need a thousand passes over all rows, each of which takes a
 * second where there are a million. All else that it does is quick and follows from the state at
 * its beginning. So the checkpoint within a step is that state and what the function gave since:
 * the step begins again, is told these values in their order, and goes on alone when there are no
 * more.
 *
 *     if (!replay_tell(&replay, &value, grad)) {
 *         value = f(x, grad);
 *         replay_keep(&replay, value, grad);
 *     }
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>

/* What is kept at most of a step. Evaluations beyond it are made again after an interruption. */
#define REPLAY_MAX_BYTES ((size_t)64 << 20)

struct replay {
    size_t n;     /* numbers of a gradient; 0: there is none */
    size_t count; /* evaluations kept */
    size_t next;  /* the one that is told next */
    size_t max;
    size_t room;
    double *values; /* [room x (1 + n)]; mem */
};

/* A zeroed one may be released. */
void replay_init(struct replay *replay, int n);
void replay_release(struct replay *replay);

/* A step begins: what was kept belongs to the last one. */
void replay_restart(struct replay *replay);

/* The next evaluation, if it was kept; grad: [n], NULL when n is 0. */
bool replay_tell(struct replay *replay, double *value, double *grad);

/* Appends one that was made. Where memory is short it is not kept, nor any after it. */
void replay_keep(struct replay *replay, double value, const double *grad);

void replay_save(const struct replay *replay, struct bytes_writer *writer);

/* From what replay_save left of the same n: all of it is to be told. Errors of reading stay in the
 * reader. ERR_NOMEM. */
enum err_code replay_load(struct replay *replay, struct bytes_reader *reader,
                          struct err *err) MUST_CHECK;

#endif
