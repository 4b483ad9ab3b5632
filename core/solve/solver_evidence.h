/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of evidence has found, and its report. */
#ifndef SOLVER_EVIDENCE_H
#define SOLVER_EVIDENCE_H

#include "solve/evidence_fit.h"
#include "solve/solver_priv.h"

struct solver_evidence {
    struct solver_tasks tasks;
    const struct solver_settings *settings;
    struct gauss_mixture *mixture;
    struct param_groups groups;
    double *counts, *spread; /* [o] of the rows' outputs */
    /* Of each start: */
    double *params;     /* [members x K] */
    double *alpha;      /* [members x groups] */
    double *sigmas;     /* [members x o] */
    double *evidence;   /* [members] NaN: the fit diverged */
    double *iterations; /* [members] */
    double *loss;       /* [members] mean squared error at the last iteration */
    struct err *failures;
    /* Of the posterior: */
    int n_kept;
    int *kept;     /* [members] starts, the best first */
    double *gamma; /* [n_kept x groups] */
    double *memory;
};

/* Sets the result's noise_sigma and report, once the posterior is made. ERR_NOMEM. */
enum err_code solver_evidence_report(const struct solver_evidence *self,
                                     struct solver_result *result, struct err *err) MUST_CHECK;

#endif
