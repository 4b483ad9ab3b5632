/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The integral of a density from draws of it, by bridge sampling [1, 2] with a normal distribution
 * of the draws' mean and covariance: the first half of the draws fits that distribution, the second
 * half is compared with as many draws of it.
 *
 * [1] X.-L. Meng, W. H. Wong, Simulating ratios of normalizing constants via a simple identity,
 *     Statistica Sinica 6, 1996.
 * [2] Q. F. Gronau et al., A tutorial on bridge sampling, Journal of Mathematical Psychology 81,
 * 2017.
 */
#ifndef CALIBRATE_BRIDGE_H
#define CALIBRATE_BRIDGE_H

#include "base/err.h"
#include "sample/target.h"

#include <stdint.h>

struct bridge {
    const struct target *target;
    int n;              /* draws */
    const double *q;    /* [n x target->n] */
    const double *logp; /* [n] */
    uint64_t seed;
    uint32_t stream; /* of random numbers */
};

/* *out <- the logarithm of the integral; NaN when the draws span fewer dimensions. ERR_NOMEM. */
enum err_code bridge_log_evidence(const struct bridge *bridge, double *out,
                                  struct err *err) MUST_CHECK;

#endif
