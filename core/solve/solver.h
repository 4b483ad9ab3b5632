/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Solvers for the uncertainty of the parameters: from scaled rows to a posterior.
 *
 *   ensemble    deep ensemble: networks from random starts, each on floor(dfrac n) random rows,
 *               minimising the mean squared error (QUiNN's NN_Ens), or the likelihood when the
 *               noise is learned or predicted
 *   rms         randomised MAP sampling: each member minimises the negative log posterior with an
 *               anchor of its own, drawn from the prior
 *   swag        a Gaussian from the moments of an SGD trajectory
 *   mc_dropout  one network trained with units left out; each draw leaves out its own
 *   laplace     a Gaussian of the curvature at the posterior's mode
 *   vi          variational inference with independent Gaussians (Bayes by Backprop)
 *   amcmc, mala, hmc, nuts   Markov chains on the posterior (core/sample/sampler)
 *   bll         Bayesian last layer: exact Gaussian on the post layer over a trained feature map
 *   pbp         probabilistic backpropagation
 *   duq         delta-UQ: the network sees (anchor, x - anchor); draws are anchors
 *
 * Each file core/uq_*.c says what it does and where it differs from QUiNN.
 */
#ifndef SOLVER_H
#define SOLVER_H

#include "fit/fit.h"
#include "math/gauss.h"
#include "base/report.h"

enum uq_kind {
#define UQ(code, name, ops) UQ_##code,
#include "solve/solver.def"
#undef UQ
};

#define UQ_BIT(code) (1u << UQ_##code)

/* Fields of uq_settings.def, whose comments say what they mean. */
struct uq_settings {
#define SETTING_INT(field, least, most, value, solvers)  int field;
#define SETTING_REAL(field, least, most, value, solvers) double field;
#define SETTING_FLAG(field, value, solvers)              bool field;
#define SETTING_CHOICE(field, names, value, solvers)     int field;
#include "solve/solver_settings.def"
#undef SETTING_INT
#undef SETTING_REAL
#undef SETTING_FLAG
#undef SETTING_CHOICE
    struct optim_settings optim;
};

/* laplace: hessian; laplace and bll: predictive. */
enum { LAPLACE_GAUSS_NEWTON, LAPLACE_FULL, LAPLACE_DIAGONAL };
enum { PREDICTIVE_LINEARISED, PREDICTIVE_SAMPLED };

/* One line of uq_settings.def, for whoever reads or writes settings by name. */
enum uq_setting_type { UQ_SETTING_INT, UQ_SETTING_REAL, UQ_SETTING_FLAG, UQ_SETTING_CHOICE };
struct uq_setting {
    const char *name;
    enum uq_setting_type type;
    size_t offset; /* in struct uq_settings */
    double least, most;
    const char *choices; /* "a|b|c" */
    unsigned solvers;    /* UQ_BITs */
};
const struct uq_setting *uq_setting_list(int *n);

/* Does a solver look at a setting? */
static inline bool uq_setting_used(const struct uq_setting *setting, enum uq_kind kind)
{
    return (setting->solvers >> kind & 1u) != 0;
}

/* Name of the index-th of choices in name (room for 32); false when there are fewer. */
bool uq_choice_name(const char *choices, int index, char *name);
/* Index of a name among choices; -1: unknown. */
int uq_choice_find(const char *choices, const char *name);

struct uq_settings uq_defaults(enum uq_kind kind);
enum err_code uq_validate(enum uq_kind kind, const struct uq_settings *settings,
                          struct err *err) MUST_CHECK;
const char *uq_name(enum uq_kind kind);
bool uq_find(const char *name, enum uq_kind *kind);

/* Does it sample by Markov chains? */
bool uq_samples(enum uq_kind kind);

/* What a solver assumes of noise and prior, in scaled units. */
struct uq_beliefs {
    enum noise_kind noise;
    const double *noise_sigmas; /* [o] when given or estimated before; else NULL */
    const double *prior_sigmas; /* [K] standard deviations of the prior, 0: flat */
    bool flat;                  /* no prior at all */
};

/* How noise enters a solver when the request says nothing. */
enum noise_kind uq_default_noise(enum uq_kind kind);

/* Does the solver need an estimate of the noise before it starts, when the noise is estimated? Else
 * it minimises the squared error, and its result says nothing of noise. */
bool uq_needs_sigma(enum uq_kind kind);

/* ERR_UNSUPPORTED with a reason when a solver cannot have this kind of noise. */
enum err_code uq_check_noise(enum uq_kind kind, enum noise_kind noise, struct err *err) MUST_CHECK;

/* What a solver needs of the network and of the prior. ERR_INVALID, ERR_UNSUPPORTED naming it. */
enum err_code uq_check_network(enum uq_kind kind, const struct arch *arch, bool flat,
                               struct err *err) MUST_CHECK;

/*
 * An earlier posterior of the same network, which solvers go on from (core/solve/solver_start.c).
 * Borrowed. The draws fall into groups of equally many, one after the other: a group is of one
 * chain, one Gaussian or one network. They are one group where nothing is known of any.
 */
struct uq_start {
    bool known; /* by which solver? Models from elsewhere do not say */
    enum uq_kind solver;
    const struct resnet *net;
    int m;
    const double *draws; /* [m x K] */
    const struct gauss_mixture *gaussian;
    int n_groups;
    bool chains;            /* groups are chains: draws in the order of the steps */
    const double *networks; /* [n_groups x K] mc_dropout: with all units; NULL: not known */
    const double *log_s;    /* [o] log of the noise, scaled units; NULL: not known */
    const struct report *report;
};

/* ERR_UNSUPPORTED with the reason when a solver cannot begin there. */
enum err_code uq_check_start(enum uq_kind kind, const struct uq_start *start,
                             struct err *err) MUST_CHECK;

struct uq_problem {
    const struct resnet *net; /* the model's network; n_out is 2 o when the noise is predicted */
    struct data train;        /* scaled; train.o targets */
    struct data validation;   /* scaled; n may be 0 */
    struct uq_beliefs beliefs;
    const struct uq_start *start; /* NULL: at random */
    uint64_t seed;
    int n_threads;
    const struct cancel *cancel;
    const struct checkpoint *checkpoint; /* may be NULL */
    progress_fn *progress;               /* called from several threads, one at a time */
    void *progress_ctx;
};

/* A posterior: draws, or Gaussians from which draws are made. */
struct uq_result {
    int m;                         /* draws; with Gaussians: to be made, n_members * n_draws */
    double *draws;                 /* [m x K]; NULL with Gaussians; mem */
    struct gauss_mixture gaussian; /* n_members 0: draws */
    double *noise_sigma; /* [o] scaled units, what the solver found or assumed; NULL: it has no
                            word on it, kept rows decide; mem */
    struct report report;
};

/* A zeroed result may be released. */
void uq_result_release(struct uq_result *result);

/* Draws the posterior will have. */
int uq_n_draws(enum uq_kind kind, const struct uq_settings *settings);

/*
 * Runs a solver. The result depends on problem, settings and seed, not on n_threads, nor on how
 * often it was interrupted and resumed. On failure the result is released. ERR_CANCELLED,
 * ERR_NUMERIC, ERR_INVALID, ERR_UNSUPPORTED, ERR_NOMEM.
 */
enum err_code uq_run(enum uq_kind kind, const struct uq_problem *problem,
                     const struct uq_settings *settings, struct uq_result *result,
                     struct err *err) MUST_CHECK;

#endif
