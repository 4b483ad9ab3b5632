/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assumed-density filtering of a network's parameters: independent Gaussians, one row after the
 * other. Formulas: pbp.c.
 */
#ifndef PBP_H
#define PBP_H

#include "base/bytes.h"
#include "base/rng.h"
#include "fit/data.h"
#include "network/pbp_moments.h"

/* Posteriors of one member; all arrays lie in one block. */
struct pbp {
    const struct resnet *net;
    int n_params, n_outputs;
    double *m, *v;   /* [K] means and variances of the parameters */
    double *scale;   /* [K] s_k: the prior is N(0, s_k^2 / lambda) */
    double *prior_m; /* [K] natural parameters of the prior's factors, for w_k / s_k: */
    double *prior_v; /*     mean times precision, precision, */
    double *prior_a; /*     and those of its Gamma factor on lambda */
    double *prior_b;
    double *lambda;  /* [2] shape and rate of lambda's posterior */
    double *noise_a; /* [o] shape and rate of the noise precisions' posteriors */
    double *noise_b;
    const double *sigmas; /* [o] known standard deviations of the noise; NULL: inferred; borrowed */
    long skipped;         /* parameter updates left out: their variance would not be positive */
    double *gm, *gv;      /* [K] */
    double *mean, *variance, *d_mean, *d_variance; /* [o] */
    double *room;                                  /* mem */
    struct pbp_moments *moments;
};

/* What filtering begins with. */
struct pbp_problem {
    const struct resnet *net; /* needs final none; kept */
    const struct data *train; /* for the targets' variances */
    const double *sigmas; /* [o] known standard deviations of the noise; NULL: inferred; borrowed */
    double init_factor;   /* of the means' random start (pbp.c) */
};

/* The state before the first row; rng: the random start. A zeroed one may be released.
 * ERR_NOMEM. */
enum err_code pbp_init(struct pbp *self, const struct pbp_problem *problem, struct rng *rng,
                       struct err *err) MUST_CHECK;
/*
 * Replaces the start by the Gaussian that an earlier run of the filter ended with: means and
 * standard deviations [K], the mean of lambda, and log standard deviations of the noise [o] (NULL:
 * not known).
 */
void pbp_go_on(struct pbp *self, const double *mean, const double *std, double lambda,
               const double *log_s);
void pbp_release(struct pbp *self);

/* log Z of a row: the log predictive density of its targets y [o] before it is seen. A target that
 * is NaN is missing, here and below. */
double pbp_log_z(struct pbp *self, const double *x, const double *y);

/* Updates the posterior with a row. Returns log Z before the update; when that is not finite,
 * nothing has changed. Does not allocate. */
double pbp_add_row(struct pbp *self, const double *x, const double *y);

/* One expectation propagation step for each prior factor, as once an epoch. */
void pbp_refresh_prior(struct pbp *self);

/* Variance of output j's noise: E[1 / precision], or the known one. */
double pbp_noise_variance(const struct pbp *self, int j);

/* The whole state as bytes, and back; a damaged state leaves the reader failed. */
void pbp_save(const struct pbp *self, struct bytes_writer *w);
void pbp_load(struct pbp *self, struct bytes_reader *r);

#endif
