/* SPDX-License-Identifier: Apache-2.0 */
/* One solver, and what several of them share. */
#ifndef SOLVER_PRIV_H
#define SOLVER_PRIV_H

#include "base/ranks.h"
#include "solve/solver.h"

#include <pthread.h>

/* What the draws of a posterior come from, and so how many of them the settings ask for. */
enum solver_draws {
    DRAWS_ARE_MEMBERS, /* `members` */
    DRAWS_OF_MEMBERS,  /* `draws` of each of `members` */
    DRAWS_OF_KEPT,     /* `draws` of each of at most `keep` of `members` */
    DRAWS_OF_CHAINS    /* `draws` of each of `chains` */
};

/* All that is known of a solver. Nothing else in the program knows one by its name. */
struct solver_ops {
    /* Settings, noise, network and start have been checked, and result->m is set. */
    enum err_code (*run)(const struct solver_problem *problem,
                         const struct solver_settings *settings, struct solver_result *result,
                         struct err *err);
    enum solver_draws draws;

    /* Settings. */
    bool one_member; /* is the default */
    /* Sets the settings whose default differs from solver_settings.def; NULL: none does. */
    void (*set_defaults)(struct solver_settings *settings);
    /* Sets what differs in the rest of a request; NULL: nothing does. */
    void (*set_request)(struct solver_request *request);
    /* ERR_INVALID where settings within their limits make no sense; NULL: they always do. */
    enum err_code (*validate)(const struct solver_settings *settings, struct err *err);
    bool random_loss; /* its loss draws random numbers, so L-BFGS cannot minimise it */

    bool weighs; /* its loss takes rows with weights, and noise of their own */
    bool terms;  /* and terms of loss_terms.h */

    bool poor_for_few; /* of few smooth rows it learns far less than they tell (solver_advice.c) */

    /* Noise. */
    unsigned noises;       /* the kinds it supports: NOISE_BITs */
    enum noise_kind noise; /* the default */
    bool squared_error;    /* with estimated noise it minimises the squared error */

    /* Network and prior. */
    bool needs_prior; /* not a flat one */
    bool needs_pre;   /* layer_pre */
    bool needs_outer_bias;
    bool needs_post;     /* layer_post */
    bool needs_no_final; /* final none */

    /* ERR_LIMIT, ERR_INVALID: the solver cannot take a network of this size with these settings,
     * for instance since its matrices would be too large; NULL: it takes any. */
    enum err_code (*check_size)(const struct solver_settings *settings, const struct resnet *net,
                                bool flat, struct err *err);

    /* Memory: numbers beyond the fits and the draws, such as matrices; NULL: none to speak of. */
    double (*values)(const struct solver_settings *settings, const struct resnet *net,
                     int n_threads);
    double (*row_values)(const struct resnet *net); /* for each row that trains, of each thread */

    /* A start of its own: what it needs beyond draws, ERR_UNSUPPORTED; NULL: nothing. */
    enum err_code (*check_start)(const struct solver_start *start, struct err *err);

    /* Its posterior as the start of any solver: */
    const char *groups; /* the item of its report with one number for each group of draws; NULL:
                           nothing is known of groups */
    /* Recovers the fitted network [K] from the n draws [n x K] of one group; false when they do not
     * determine it. NULL: its draws are fits themselves. */
    bool (*find_network)(const struct solver_start *start, int n, const double *draws,
                         double *network);
    /* Says why a fit cannot start where find_network failed. */
    const char *no_network;
};

#define NOISE_BIT(code) (1u << NOISE_##code)
#define NOISES_CONSTANT (NOISE_BIT(GIVEN) | NOISE_BIT(ESTIMATED) | NOISE_BIT(LEARNED))
#define NOISES_ALL      (NOISES_CONSTANT | NOISE_BIT(PREDICTED))

#define SOLVER(code, name, ops) extern const struct solver_ops ops;
#include "solve/solver.def"
#undef SOLVER

const struct solver_ops *solver_ops_of(enum solver_kind kind);

/* ---- tasks: members or chains side by side, each reporting its own share ---- */

struct solver_tasks {
    const struct solver_problem *problem;
    int n;
    pthread_mutex_t lock;
    double *fraction; /* [n] guarded by lock: done of each task */
    double sum;       /* guarded by lock */
};

/* A zeroed one may be released. ERR_NOMEM. */
enum err_code solver_tasks_init(struct solver_tasks *tasks, const struct solver_problem *problem,
                                int n, struct err *err) MUST_CHECK;
void solver_tasks_release(struct solver_tasks *tasks);

/*
 * A progress_fn (ctx: the tasks) for the parts of task progress->member, whose own fraction becomes
 * a share of the whole. Does nothing when the problem has no progress function.
 */
void solver_tasks_progress(void *tasks, const struct progress *progress);

/* The end of a task that fitted one network and then did more. */
void solver_tasks_tell_end(struct solver_tasks *tasks, int member, const struct fit_result *fit);

/* ---- fits of one network ---- */

/*
 * The objective that the beliefs make: likelihood, and prior unless flat; the mean squared error
 * when the noise is to be estimated and has not been yet.
 */
struct objective solver_objective(const struct solver_problem *problem);

struct fit_settings solver_fit_settings(const struct solver_settings *settings);

/* A fit as a part of a solver's work. */
struct solver_part {
    struct solver_tasks *tasks;
    const struct solver_settings *settings;
    int member;      /* the task whose progress it is */
    int task;        /* where the checkpoint keeps its state */
    double from, to; /* its share of the member's work, [0, 1] */
};

/* All of the work of a member. */
struct solver_part solver_part_of(struct solver_tasks *tasks,
                                  const struct solver_settings *settings, int member);

/* The same for solvers that run the fit with rows or settings of their own. */
struct fit_problem solver_fit_problem(const struct solver_part *part, const struct loss *loss);

/*
 * Where a member starts: the network's K, at solver_start_fit or else at random, of its stream
 * (seed, RNG_INIT, member); and behind them log s_j (solver_start_log_s). params: [n_params].
 */
void solver_start(const struct solver_problem *problem, const struct solver_settings *settings,
                  int member, int n_params, double *params);

/* Minimises a loss from params [loss.n_params] on the problem's rows; rng: minibatches. */
enum err_code solver_fit(const struct solver_part *part, const struct loss *loss, struct rng *rng,
                         double *params, struct fit_result *result, struct err *err) MUST_CHECK;

/*
 * Fits an objective from the member's own start (solver_start): params [objective_n_params], the
 * network's K and learned log s_j; streams (seed, RNG_INIT and RNG_BATCH, member).
 */
enum err_code solver_fit_objective(const struct solver_part *part,
                                   const struct objective *objective, double *params,
                                   struct fit_result *result, struct err *err) MUST_CHECK;

/* Fits the objective that the beliefs make: the usual first half of a solver. */
enum err_code solver_fit_map(const struct solver_part *part, double *params,
                             struct fit_result *result, struct err *err) MUST_CHECK;

/* Report of fits: best_loss, best_epoch and epochs of each, under "members.". */
enum err_code solver_report_fits(struct report *report, int n, const struct fit_result *fits,
                                 struct err *err) MUST_CHECK;

/* ---- starts from an earlier posterior (solver_start.c) ---- */

/* Where member k of `of` fits begins: [K], the start's. */
const double *solver_start_fit(const struct solver_start *start, int k, int of);

/*
 * The draw where chain k of `of` begins: the last draw of the earlier chain k. When there were
 * fewer chains than now, several begin at draws spread over the length of the same earlier chain.
 * Without chains the beginnings are spread over all draws.
 */
int solver_start_draw(const struct solver_start *start, int k, int of);

/* The draws that show the posterior's spread around one of them: its group, or all draws when
 * groups have one draw each. */
struct solver_start_range {
    int first, n;
};
struct solver_start_range solver_start_range(const struct solver_start *start, int draw);

/* Where learned log s_j start: OBJECTIVE_LOG_S_MEAN, or the earlier posterior's. */
double solver_start_log_s(const struct solver_problem *problem, int j);

/* ERR_UNSUPPORTED unless the start was made by the same solver, which needs more than draws. */
enum err_code solver_start_needs(const struct solver_start *start, enum solver_kind solver,
                                 struct err *err) MUST_CHECK;

/* ---- members: fits of the same loss side by side (solver_members.c) ---- */

struct solver_members {
    struct solver_tasks tasks;
    const struct solver_settings *settings;
    int n_params;            /* of one member's loss */
    double *params;          /* [members x n_params]; mem */
    struct fit_result *fits; /* [members]; mem */
};

/* settings->members of them, as tasks of the problem. A zeroed one may be released. ERR_NOMEM. */
enum err_code solver_members_init(struct solver_members *members,
                                  const struct solver_problem *problem,
                                  const struct solver_settings *settings, int n_params,
                                  struct err *err) MUST_CHECK;
void solver_members_release(struct solver_members *members);

/* Room for the m draws of a result. ERR_NOMEM. */
enum err_code solver_draws_new(struct solver_result *result, const struct resnet *net,
                               struct err *err) MUST_CHECK;

/* One Gaussian for each of settings->members, of zeros, as a result that draws `draws` of each.
 * ERR_NOMEM. */
enum err_code solver_gaussians_new(struct solver_result *result,
                                   const struct solver_problem *problem,
                                   const struct solver_settings *settings,
                                   const struct gauss_shape *shape, struct err *err) MUST_CHECK;

/*
 * Runs fn for every member, on the problem's threads; ctx: of fn. Members whose fit diverges
 * (ERR_NUMERIC) are taken out of members and result, and the report warns of them ("diverged");
 * the draws, or Gaussians, of the others move up. When all diverge, or the members are a part of a
 * whole that needs equally many of each part (problem->all_members), that is the run's error.
 */
enum err_code solver_members_run(struct solver_members *members, par_fn *fn, void *ctx,
                                 struct solver_result *result, struct err *err) MUST_CHECK;

/* The members' networks become the draws of a result. */
void solver_members_as_draws(const struct solver_members *members, struct solver_result *result);

/* Parameters of one member, [n_params]. */
double *solver_members_params(const struct solver_members *members, int member);

/*
 * Fits a member's parameters from where they are; its minibatches are of the stream
 * (seed, RNG_BATCH, member). rows: NULL: the problem's.
 */
enum err_code solver_members_fit(struct solver_members *members, int member,
                                 const struct loss *loss, const struct data *rows,
                                 struct err *err) MUST_CHECK;

/*
 * What fitted members report besides their draws: noise_sigma, from the o learned log s_j that
 * begin at parameter log_s of each, or from the beliefs; and the report of their fits. ERR_NOMEM.
 */
enum err_code solver_members_tell(const struct solver_members *members, int log_s,
                                  struct solver_result *result, struct err *err) MUST_CHECK;

/* ERR_NUMERIC naming the member when a fitted Gaussian is not finite. */
enum err_code solver_check_gaussian(const struct gauss_mixture *mixture, int n_params,
                                    struct err *err) MUST_CHECK;

/* A member's own rows: all of them, or a random share gathered into x and y. */
struct solver_rows {
    struct data data;
    struct data_room room; /* empty: all of them */
};

/* floor(dfrac n) of the problem's rows, of the stream (seed, RNG_SPLIT, member + 1). ERR_INVALID
 * when none of them has some output; ERR_NOMEM. Release in any case. */
enum err_code solver_rows_choose(struct solver_rows *rows, const struct solver_problem *problem,
                                 double dfrac, int member, struct err *err) MUST_CHECK;
void solver_rows_release(struct solver_rows *rows);

/*
 * Compares the gradient of the loss that the beliefs make, at member 0's start and at most
 * SOLVER_CHECKED_ROWS rows, with differences (losses/gradient_check.h); the report has the largest
 * error ("gradient_check"). ERR_NUMERIC when it is too large, ERR_NOMEM, ERR_CANCELLED.
 */
#define SOLVER_CHECKED_ROWS 256
enum err_code solver_check_gradient(const struct solver_problem *problem,
                                    const struct solver_settings *settings, struct report *report,
                                    struct err *err) MUST_CHECK;

/* ---- advice (solver_advice.c) ---- */

/* Warns ("better_solver") when another solver would serve these rows better. ERR_NOMEM. */
enum err_code solver_advise(enum solver_kind kind, const struct solver_problem *problem,
                            struct solver_result *result, struct err *err) MUST_CHECK;

/* ---- noise of a result ---- */

/*
 * noise_sigma of a result from the learned log s_j of m parameter vectors [m x stride] behind their
 * first K: the root of the mean variance. ERR_NOMEM.
 */
enum err_code solver_noise_of_draws(const struct solver_problem *problem, int m,
                                    const double *vectors, size_t stride,
                                    struct solver_result *result, struct err *err) MUST_CHECK;

/* The given or estimated noise_sigmas of the beliefs as the result's. ERR_NOMEM. */
enum err_code solver_noise_of_beliefs(const struct solver_problem *problem,
                                      struct solver_result *result, struct err *err) MUST_CHECK;

#endif
