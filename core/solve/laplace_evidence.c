/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/laplace_evidence.h"

#include "solve/solver_evidence.h"

#include <math.h>

/* factor <- the root of covariance_scale times it. */
static void scale_covariances(struct gauss_mixture *mixture, double covariance_scale)
{
    for (int i = 0; i < mixture->n_members; i++) {
        struct gauss *g = &mixture->members[i];
        size_t n = (size_t)g->n * (size_t)g->rank;
        /* The covariance is that of (covariance_scale H)^-1. */
        for (size_t k = 0; k < n; k++) {
            g->factor[k] /= sqrt(covariance_scale);
        }
    }
}

enum err_code laplace_by_evidence(const struct solver_problem *problem,
                                  const struct solver_settings *settings,
                                  struct solver_result *result, struct err *err)
{
    const struct evidence_plan plan = {.settings = settings,
                                       .n = settings->members > EVIDENCE_STARTS ? settings->members
                                                                                : EVIDENCE_STARTS,
                                       .keep = settings->members,
                                       .gap = settings->evidence_gap};
    if (solver_evidence_mixture(problem, &plan, result, err) == ERR_OK) {
        if (settings->covariance_scale != 1.0) {
            scale_covariances(&result->gaussian, settings->covariance_scale);
        }
        result->gaussian.linearised = settings->predictive == PREDICTIVE_LINEARISED;
    }
    return err->code;
}
