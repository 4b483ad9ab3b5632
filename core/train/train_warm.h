/* SPDX-License-Identifier: Apache-2.0 */
/* A model as the start of a solver: how its draws are grouped, and what they determine. */
#ifndef TRAIN_WARM_H
#define TRAIN_WARM_H

#include "train/train.h"

/* A zeroed one may be released. */
struct train_warm {
    const struct solver_start *start; /* NULL: there is none; else parts */
    struct solver_start parts;        /* borrow from the model and from the next two */
    double *networks;                 /* mem, as is the next */
    double *log_s;
};

/* Keeps the model, which must be published. The struct must not move. ERR_NOMEM. */
enum err_code train_warm_init(struct train_warm *warm, const struct model *base,
                              struct err *err) MUST_CHECK;

/* The start of a run: none when it is cold. ERR_INVALID without a base; those of
 * train_check_base. */
enum err_code train_warm_begin(struct train_warm *warm, const struct train_run *run,
                               struct err *err) MUST_CHECK;

/* Warnings of a warm run whose base may have seen rows that are kept out: "warm_folds", "warm_seed"
 * and "warm_split". */
enum err_code train_warm_warn(const struct train_run *run, int n_folds, struct report *report,
                              struct err *err) MUST_CHECK;

void train_warm_release(struct train_warm *warm);

#endif
