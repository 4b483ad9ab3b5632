/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluations of a function that a step has made so far. With them an interrupted step returns
 * to where it was, without evaluating again.
 *
 * A step of a chain or of L-BFGS may need a thousand passes over all rows, each of which takes a
 * second with a million rows. Everything else in it is quick, and follows from the state at its
 * start. So a checkpoint within a step consists of that state and of what the function has returned
 * since. After an interruption the step starts again, is given these values in their order, and
 * evaluates the function only when there are no more of them.
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

/* Memory for one step. Evaluations that it does not hold are repeated after an interruption. */
#define REPLAY_MAX_BYTES ((size_t)64 << 20)

struct replay {
    size_t n;     /* numbers of a gradient; 0: the function has none */
    size_t count; /* evaluations kept */
    size_t next;  /* the one to be told next */
    size_t max;   /* evaluations that may be kept */
    size_t room;
    double *values; /* [room x (1 + n)]; mem */
};

/* A zeroed one may be released. */
void replay_init(struct replay *replay, int n);
void replay_release(struct replay *replay);

/* A new step begins: forgets the evaluations of the last one. */
void replay_restart(struct replay *replay);

/* The next evaluation that was kept, or false; grad: [n], NULL when n is 0. */
bool replay_tell(struct replay *replay, double *value, double *grad);

/* Keeps an evaluation. When memory is short, neither it nor a later one of the step is kept. */
void replay_keep(struct replay *replay, double value, const double *grad);

void replay_save(const struct replay *replay, struct bytes_writer *writer);

/*
 * Reads what replay_save has written, for the same n; replay_tell then returns all of it again. The
 * reader has the errors of reading. ERR_NOMEM.
 */
enum err_code replay_load(struct replay *replay, struct bytes_reader *reader,
                          struct err *err) MUST_CHECK;

#endif
