/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory a training will need, from its request alone: before a byte of it is allocated, a
 * request that the machine cannot fulfil is refused. The estimate is of the right size, no more:
 * tests hold it between the measured peak and a few times that.
 */
#ifndef TRAIN_MEMORY_H
#define TRAIN_MEMORY_H

#include "train/train.h"

struct train_size {
    double n_bytes;  /* at the peak */
    double n_least;  /* bytes of the rows and of the posterior's draws, below which nothing goes */
    double n_params; /* of a network */
    double n_draws;  /* of the posterior, of all folds together */
};

/* What there is to train on. */
struct train_load {
    int64_t n_rows;
    bool holes;  /* rows miss outputs */
    bool failed; /* runs failed, so that P(run succeeds) is learnt too */
};

/* spec: resolved by train_resolve; n_threads: that will train. ERR_NOMEM. */
enum err_code train_memory(const struct train_spec *spec, const struct train_load *load,
                           int n_threads, struct train_size *out, struct err *err) MUST_CHECK;

/* ERR_TOO_LARGE, with the numbers, when the training would need more than max_bytes (0: no
 * limit). */
enum err_code train_memory_check(const struct train_spec *spec, const struct train_load *load,
                                 int n_threads, int64_t max_bytes, struct err *err) MUST_CHECK;

/* ERR_TOO_LARGE when rows and draws alone are more than a limit of the request's own allows (0: no
 * limit). The estimate may be too large by a few times, and a request that might fit is tried. */
enum err_code train_memory_check_limit(const struct train_spec *spec, const struct train_load *load,
                                       int64_t limit_bytes, struct err *err) MUST_CHECK;

#endif
