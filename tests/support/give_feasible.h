/* SPDX-License-Identifier: Apache-2.0 */
/* A probability of success for a model that was not trained. */
#ifndef GIVE_FEASIBLE_H
#define GIVE_FEASIBLE_H

#include <check.h>
#include <string.h>

#include "base/rng.h"
#include "model/model.h"

/* Three random networks of the model's inputs, scaled as the model's. */
static inline void give_feasible(struct model *model)
{
    struct err err = ERR_INIT;
    struct model *logit = NULL;
    struct arch arch = arch_default(model->d, 1);
    struct rng rng;
    arch.width = 3;
    arch.layers = 1;
    ck_assert_int_eq(model_new(&arch, 3, &logit, &err), ERR_OK);
    memcpy(logit->in, model->in, (size_t)model->d * sizeof *logit->in);
    rng_init(&rng, 41, RNG_TEST, 0);
    for (int k = 0; k < 3 * logit->net.n_params; k++) {
        logit->draws[k] = 0.5 * rng_normal(&rng);
    }
    ck_assert_int_eq(model_publish(logit, &err), ERR_OK);
    model->feasible = logit;
}

#endif
