/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulations to run after a calibration: where its posterior is and the surrogate is unsure. The
 * candidates are draws of the posterior at the experiments; the criterion is how much less the mean
 * variance of the surrogate over all of them is once the candidate has been simulated [1], in units
 * of the noise: with C the covariance of the surrogate between outputs at candidates, weighted by
 * 1 / (s_a s_b),
 *
 *   gain(c) = trace C_rc (C_cc + nugget)^-1 C_cr,   summed over all candidates r.
 *
 * Points are chosen one after another; each conditions C on its simulation, so that the next one
 * looks elsewhere. What the simulation will give is not needed.
 *
 * [1] D. Cohn, Neural network exploration using optimal experiment design, 1996.
 */
#ifndef CALIBRATE_DESIGN_H
#define CALIBRATE_DESIGN_H

#include "analyse/calibrate.h"

#define CALIBRATE_MAX_NEXT 200

struct calibrate_design {
    int n;                 /* points; 0 of a surrogate of one draw, which knows no error */
    double *x;             /* [n x d] */
    double *std;           /* [n x o] of the surrogate at a point, before any was simulated */
    double variance;       /* mean over posterior and outputs, in units of the noise, before .. */
    double variance_after; /* .. and once all points have been simulated */
};

/*
 * The n points of a calibration that has ended: `draws` is its result. In the arena. n is at most
 * CALIBRATE_MAX_NEXT. ERR_NUMERIC, ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code calibrate_design_find(const struct calibrate_run *run,
                                    const struct calibrate_result *draws, int n,
                                    struct arena *arena, struct calibrate_design *out,
                                    struct err *err) MUST_CHECK;

#endif
