/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Solvers for the uncertainty of the parameters: from scaled rows to a posterior.
 *
 * core/solve/solver.def lists them. Each solver_*.c says what its solver does and where that
 * differs from QUiNN, and its struct solver_ops (solver_priv.h) holds all that is known of it.
 */
#ifndef SOLVER_H
#define SOLVER_H

#include "base/names.h"
#include "base/report.h"
#include "fit/fit.h"
#include "fit/scaler.h"
#include "math/gauss.h"

enum solver_kind {
#define SOLVER(code, name, ops) SOLVER_##code,
#include "solve/solver.def"
#undef SOLVER
};

#define SOLVER_BIT(code) (1u << SOLVER_##code)

/* Fields of solver_settings.def, whose comments say what they mean. */
struct solver_settings {
#define SETTING_INT(field, min, max, value, solvers)  int field;
#define SETTING_REAL(field, min, max, value, solvers) double field;
#define SETTING_FLAG(field, value, solvers)           bool field;
#define SETTING_CHOICE(field, names, value, solvers)  int field;
#include "solve/solver_settings.def"
#undef SETTING_INT
#undef SETTING_REAL
#undef SETTING_FLAG
#undef SETTING_CHOICE
    struct optim_settings optim;
};

/* laplace: hessian; laplace and bll: predictive. */
enum { LAPLACE_GAUSS_NEWTON, LAPLACE_FULL, LAPLACE_DIAGONAL };
enum { HYPER_GIVEN, HYPER_EVIDENCE }; /* hyperparameters */
enum { PREDICTIVE_LINEARISED, PREDICTIVE_SAMPLED };
enum { RESIDUAL_DIFFERENCE, RESIDUAL_LOG }; /* residual */

/* One line of solver_settings.def, for code that reads or writes settings by name. */
enum solver_setting_type {
    SOLVER_SETTING_INT,
    SOLVER_SETTING_REAL,
    SOLVER_SETTING_FLAG,
    SOLVER_SETTING_CHOICE
};
struct solver_setting {
    const char *name;
    enum solver_setting_type type;
    size_t offset; /* in struct solver_settings */
    double min, max;
    const char *choices; /* "a|b|c" */
    unsigned solvers;    /* SOLVER_BITs */
};
const struct solver_setting *solver_setting_list(int *n);

/* Does a solver use a setting? */
static inline bool solver_setting_used(const struct solver_setting *setting, enum solver_kind kind)
{
    return (setting->solvers >> kind & 1u) != 0;
}

/* Name of the index-th of choices in name (room for 32); false when there are fewer. */
bool solver_choice_name(const char *choices, int index, char *name);

struct solver_settings solver_defaults(enum solver_kind kind);
enum err_code solver_validate(enum solver_kind kind, const struct solver_settings *settings,
                              struct err *err) MUST_CHECK;
const char *solver_name(enum solver_kind kind);
struct names solver_known(void);

/* The defaults of a training request, besides its settings, in which solvers differ. */
struct solver_request {
    struct arch arch; /* inputs and outputs 0: taken from the rows */
    double prior_sigma;
    enum scaler_kind output_scaling;
};
struct solver_request solver_request_defaults(enum solver_kind kind);

/*
 * The same, and the settings, for few rows, of which a gradient descent with a fixed prior learns
 * far less than they tell: hyperparameters by evidence, and a network that they can be found for.
 * False, and nothing changes, when the solver has none.
 */
bool solver_few_rows(enum solver_kind kind, struct solver_request *request,
                     struct solver_settings *settings);

/* Does it sample by Markov chains? */
bool solver_samples(enum solver_kind kind);

/* What a solver assumes of noise and prior, in scaled units. */
struct solver_beliefs {
    enum noise_kind noise;
    const double *noise_sigmas; /* [o] when given or estimated before; else NULL */
    const double *prior_sigmas; /* [K] standard deviations of the prior, 0: flat */
    bool flat;                  /* no prior at all */
};

/* The kind of noise when the request names none. */
enum noise_kind solver_default_noise(enum solver_kind kind);

/* Does the solver need the value of estimated noise before it starts? Otherwise it minimises the
 * squared error, and its result has no noise. */
bool solver_needs_sigma(enum solver_kind kind);

/* ERR_UNSUPPORTED when a solver does not support this kind of noise. */
enum err_code solver_check_noise(enum solver_kind kind, enum noise_kind noise,
                                 struct err *err) MUST_CHECK;

/* ERR_UNSUPPORTED when this kind of noise does not go with hyperparameters by evidence, or with
 * the optimizer. */
enum err_code solver_check_fit(const struct solver_settings *settings, enum noise_kind noise,
                               struct err *err) MUST_CHECK;

/* What a fit is asked for beyond the squares of residuals: what rows carry (fit/data.h) and terms
 * of the loss (losses/loss_terms.h). */
struct solver_asks {
    bool weights, sigmas, derivatives; /* of rows */
    bool constraints, logs;            /* of the loss */
};

/* ERR_UNSUPPORTED naming what a solver cannot take, and the solvers that can; or the optimizer,
 * hyperparameters or noise that it does not go with. */
enum err_code solver_check_asks(enum solver_kind kind, const struct solver_settings *settings,
                                enum noise_kind noise, const struct solver_asks *asks,
                                struct err *err) MUST_CHECK;

/* Checks what a solver needs of the network and of the prior; flat: there is no prior.
 * ERR_INVALID, ERR_UNSUPPORTED naming what is missing. */
enum err_code solver_check_network(enum solver_kind kind, const struct arch *arch, bool flat,
                                   struct err *err) MUST_CHECK;

/* The same for the sizes of the network, which the rows decide. ERR_LIMIT, ERR_INVALID saying how
 * large it may be. */
enum err_code solver_check_size(enum solver_kind kind, const struct solver_settings *settings,
                                const struct resnet *net, bool flat, struct err *err) MUST_CHECK;

/*
 * An earlier posterior of the same network, from which solvers can start
 * (core/solve/solver_start.c). Borrowed. The draws fall into consecutive groups of equal size: the
 * draws of one chain, one Gaussian or one network. Where no groups are known, all draws are one
 * group.
 */
struct solver_start {
    bool known; /* which solver made it; not of models made elsewhere */
    enum solver_kind solver;
    const struct resnet *net;
    int m;
    const double *draws; /* [m x K] */
    const struct gauss_mixture *gaussian;
    int n_groups;
    bool chains;            /* groups are chains: draws in the order of the steps */
    const double *networks; /* [n_groups x K] the fits that the draws were made from, where the
                               draws are not fits themselves; NULL: not known */
    const double *log_s;    /* [o] log of the noise, scaled units; NULL: not known */
    const struct report *report;
};

/* Sets n_groups and chains from the report, which counts the groups of one fold. */
void solver_start_find_groups(struct solver_start *start, int n_folds);

/*
 * Once the groups are found: sets networks, where the draws are not fits but determine them;
 * *networks (mem) then holds them, and is left alone otherwise. ERR_NOMEM.
 */
enum err_code solver_start_find_networks(struct solver_start *start, double **networks,
                                         struct err *err) MUST_CHECK;

/* ERR_UNSUPPORTED with the reason when a solver cannot begin there. */
enum err_code solver_check_start(enum solver_kind kind, const struct solver_start *start,
                                 struct err *err) MUST_CHECK;

/* Where chains begin and how they move, as their user knows it: parameters in scaled units, the
 * network's K and learned log s_j behind them. Borrowed. */
struct solver_given {
    int n;                /* parameters of a chain */
    int n_starts;         /* chain i begins at start i modulo so many; 0: none are given */
    const double *starts; /* [n_starts x n] */
    const double
        *covariance; /* [n x n] of the first proposals (amcmc), or of the posterior; NULL */
};

/* ERR_INVALID: another number of parameters, a covariance that is not positive definite; ERR_NOMEM.
 */
enum err_code solver_check_given(const struct solver_given *given, int n_params,
                                 struct err *err) MUST_CHECK;

struct solver_problem {
    const struct resnet *net; /* the model's network; n_out is 2 o when the noise is predicted */
    struct data train;        /* scaled; train.o targets, each of which some row must have */
    struct data validation;   /* scaled; n may be 0 */
    struct solver_beliefs beliefs;
    const struct loss_terms *terms;   /* of the loss; NULL: none */
    const struct solver_start *start; /* NULL: at random */
    const struct solver_given *given; /* of chains; NULL: nothing is */
    uint64_t seed;
    int n_threads;
    bool all_members; /* a member that diverges is an error; else the others are the result */
    const struct cancel *cancel;
    const struct checkpoint *checkpoint; /* may be NULL */
    progress_fn *progress;               /* called from several threads, one at a time */
    void *progress_ctx;
};

/* A posterior: draws, or Gaussians from which draws are made. */
struct solver_result {
    int m;                         /* draws, fewer than solver_n_draws where members diverged;
                                      with Gaussians: to be made, n_members * n_draws */
    double *draws;                 /* [m x K]; NULL with Gaussians; mem */
    struct gauss_mixture gaussian; /* n_members 0: draws */
    double *noise_sigma; /* [o] scaled units, what the solver found or assumed; NULL: it is
                            measured on validation rows later; mem */
    struct report report;
};

/* A zeroed result may be released. */
void solver_result_release(struct solver_result *result);

/* The number of draws that the posterior will have. */
int solver_n_draws(enum solver_kind kind, const struct solver_settings *settings);

/* Networks that are fitted, or chains that are run, on up to so many threads. */
int solver_n_networks(enum solver_kind kind, const struct solver_settings *settings);

/* Numbers that a run holds besides fits and draws: matrices of curvature, covariances. */
double solver_values(enum solver_kind kind, const struct solver_settings *settings,
                     const struct resnet *net, int n_threads);

/* Numbers that each thread holds for each row that trains, beside the row itself: features. */
double solver_row_values(enum solver_kind kind, const struct resnet *net);

/*
 * Fits one network from the problem's start, as a solver's member 0 would: params [K], and learned
 * log s_j behind them. ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM.
 */
enum err_code solver_fit_network(const struct solver_problem *problem,
                                 const struct solver_settings *settings, double *params,
                                 struct err *err) MUST_CHECK;

/*
 * Runs a solver. The result depends on problem, settings and seed, not on n_threads, nor on how
 * often it was interrupted and resumed. On failure the result is released. ERR_CANCELLED,
 * ERR_NUMERIC, ERR_INVALID, ERR_UNSUPPORTED, ERR_NOMEM.
 */
enum err_code solver_run(enum solver_kind kind, const struct solver_problem *problem,
                         const struct solver_settings *settings, struct solver_result *result,
                         struct err *err) MUST_CHECK;

#endif
