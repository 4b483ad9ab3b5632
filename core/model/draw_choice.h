/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of some of another's draws: without the first ones of each chain (a burn-in chosen after
 * the sampling), or of the one of the highest posterior density.
 */
#ifndef DRAW_CHOICE_H
#define DRAW_CHOICE_H

#include "model/model.h"

/* What report items of a model whose draws are those of chains are called: a number for each chain,
 * and for each draw. */
#define DRAW_CHOICE_CHAINS        "chains.accept"
#define DRAW_CHOICE_LOG_POSTERIOR "chains.log_posterior"

struct draw_choice {
    int burn_in; /* draws that are left out of each chain */
    bool map;    /* the draw of the highest density alone */
};

static inline bool draw_choice_is_all(const struct draw_choice *part)
{
    return part->burn_in == 0 && !part->map;
}

/*
 * A published model with one reference, whose intervals are not calibrated. ERR_UNSUPPORTED: the
 * draws are not those of chains, or their densities are not known; ERR_INVALID: no draw is left;
 * ERR_NOMEM.
 */
enum err_code draw_choice_model(const struct model *whole, const struct draw_choice *part,
                                struct model **out, struct err *err) MUST_CHECK;

#endif
