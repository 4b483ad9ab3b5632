/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One network at a maximum of the evidence: its parameters theta by Levenberg-Marquardt, one prior
 * precision alpha_g for each group of them and one noise precision beta_j = 1 / s_j^2 for each
 * output by the fixed point of the evidence [1, 2]. With H = sum_j beta_j J_j' J_j + diag(alpha),
 *
 *   gamma_g = K_g - alpha_g tr (H^-1)_gg              parameters of the group that rows determine
 *   alpha_g <- gamma_g / |theta_g|^2
 *   beta_j  <- (n_j - beta_j tr H^-1 J_j' J_j) / |e_j|^2       over the n_j rows with output j
 *
 *   log evidence = 1/2 sum_g K_g log alpha_g + 1/2 sum_j n_j log(beta_j / 2 pi) - E - 1/2 log |H|
 *
 * which is exact for networks that are linear in their parameters. Updates follow every step once a
 * few steps are done, and go half of the way in the logarithm. Where the network is not linear they
 * do not count that H depends on theta: the evidence may rise to a peak and fall again. When it
 * rises no more, alpha and beta stay as they were at the peak, and theta goes from there to the
 * minimum of E for them.
 *
 * [1] D. J. C. MacKay, A practical Bayesian framework for backpropagation networks, Neural
 *     Computation 4, 1992.
 * [2] F. D. Foresee, M. T. Hagan, Gauss-Newton approximation to Bayesian learning, ICNN 1997.
 * [3] R. M. Neal, Bayesian Learning for Neural Networks, 1996: a precision for each input.
 */
#ifndef EVIDENCE_FIT_H
#define EVIDENCE_FIT_H

#include "base/bytes.h"
#include "fit/levenberg.h"
#include "network/param_groups.h"

/* Bounds of the precisions, of inputs that are scaled to about 1: beyond them a group is as good as
 * absent, or free. */
#define EVIDENCE_MIN_PRECISION 1e-6
#define EVIDENCE_MAX_PRECISION 1e8

/* Where precisions begin without a prior. */
#define EVIDENCE_PRECISION 1e-2

/* The noise, as a share of the output's standard deviation. Rows without noise that the network
 * follows would otherwise drive beta up without bound; at the lower bound they are reported as
 * deterministic. */
#define EVIDENCE_MIN_NOISE 1e-6
#define EVIDENCE_MAX_NOISE 10.0

struct evidence_fit_problem {
    struct levenberg_problem levenberg;
    const struct param_groups *groups;
    const double *counts; /* [o] n_j */
    const double *spread; /* [o] standard deviation of each output's values, > 0 */
    bool noise_given;     /* beta stays */
    int max_iterations;
    int patience; /* iterations in which the evidence may rise by less than EVIDENCE_GAIN in all; 0:
                     never stop early */
};

/* Of the log evidence for each value of the outputs: what a noise that is smaller by five percent
 * brings. */
#define EVIDENCE_GAIN 0.05

struct evidence_fit {
    struct levenberg lm; /* params, sigmas, damping and squares are the state */
    double *alpha;       /* [groups] */
    int iteration;       /* done */
    int settled;         /* of them since alpha and beta stay; -1: they do not yet */
    bool over;           /* there is nothing left to do */
    double log_evidence; /* at the last iteration; after evidence_fit_finish at the end */
    double *gamma;       /* [groups]: of the same moment */

    /* The rest is of evidence_fit.c. */
    const struct evidence_fit_problem *problem;
    double best;        /* log evidence, when it last rose by EVIDENCE_GAIN */
    int stale;          /* iterations since then */
    double peak;        /* the highest log evidence */
    double *at_peak;    /* [K + groups + o] theta, alpha and s there */
    double *determined; /* [K] */
    double *by_output;  /* [o] */
    double *squares;    /* [K] scratch */
    double *norms;      /* [groups] |theta_g|^2 */
    double *memory;     /* mem */
};

/* Keeps the problem; must not move. The caller sets lm.params, lm.sigmas and alpha. Release in any
 * case. ERR_NOMEM. */
enum err_code evidence_fit_init(struct evidence_fit *fit,
                                const struct evidence_fit_problem *problem,
                                struct err *err) MUST_CHECK;
void evidence_fit_release(struct evidence_fit *fit);

/* alpha and the noise that would make theta likely, where nothing better is known: for a start from
 * another fit. ERR_CANCELLED. */
enum err_code evidence_fit_guess(struct evidence_fit *fit, struct err *err) MUST_CHECK;

/* One step and update, until fit->over. ERR_NUMERIC, ERR_CANCELLED, ERR_NOMEM. */
enum err_code evidence_fit_iterate(struct evidence_fit *fit, struct err *err) MUST_CHECK;

/* The most iterations that there may be: updates, and then theta alone. */
int evidence_fit_max_iterations(const struct evidence_fit_problem *problem);

/* Evidence and gamma at the state; lm has its posterior then. ERR_NUMERIC, ERR_CANCELLED,
 * ERR_NOMEM.
 */
enum err_code evidence_fit_finish(struct evidence_fit *fit, struct err *err) MUST_CHECK;

/* The state as bytes; reading sets the reader's error. */
void evidence_fit_save(const struct evidence_fit *fit, struct bytes_writer *writer);
void evidence_fit_load(struct evidence_fit *fit, struct bytes_reader *reader);

#endif
