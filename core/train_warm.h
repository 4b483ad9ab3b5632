/* SPDX-License-Identifier: Apache-2.0 */
/* A model as the start of a solver: how its draws are grouped, what can be found again in them. */
#ifndef TRAIN_WARM_H
#define TRAIN_WARM_H

#include "model.h"
#include "uq.h"

/* A zeroed one may be released. */
struct train_warm {
    struct uq_start start; /* borrows from the model and from the next two */
    double *networks;      /* mem, as is the next */
    double *log_s;
};

/* Keeps the model, which must be published. ERR_NOMEM. */
enum err_code train_warm_init(struct train_warm *warm, const struct model *base,
                              struct err *err) MUST_CHECK;
void train_warm_release(struct train_warm *warm);

#endif
