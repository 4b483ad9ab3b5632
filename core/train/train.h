/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rows in the user's units to a model: scale, split, solve, calibrate, score on the rows kept
 * out.
 */
#ifndef TRAIN_H
#define TRAIN_H

#include "base/names.h"
#include "model/model.h"
#include "model/reduction_spec.h"
#include "solve/solver.h"
#include "train/train_roles.h"

enum train_start {
    TRAIN_COLD, /* at random */
    TRAIN_WARM  /* from the posterior of a model of the same network */
};
const char *train_start_name(enum train_start start);
struct names train_start_known(void);

/* Prior of the parameters, in scaled units: normal around 0. */
struct train_prior {
    bool flat;    /* none: QUiNN's parity */
    double sigma; /* standard deviation */
    /* Of single blocks, where it differs; 0: sigma. Weights and biases of pre and post layer; of
     * the residual blocks' coefficients. */
    double pre, post, blocks;
    bool fan_in; /* weights: divided by sqrt(fan-in) */
};

struct train_calibration {
    enum conformal_method method;
    double share;    /* split: of the rows, (0, 0.9] */
    int folds;       /* cv+: at least 2 */
    bool normalised; /* scores over the predicted standard deviation */
};

/* Where chains begin and how they move (solver_given); arrays are mem. */
struct train_chains {
    int n;              /* parameters */
    int n_starts;       /* 0: none are given */
    double *starts;     /* [n_starts x n] */
    double *covariance; /* [n x n]; NULL: none */
};

#define TRAIN_MAX_STARTS 256
/* Numbers of both, which the version keeps with its settings, in a text of MODEL_MAX_TEXT_BYTES. */
#define TRAIN_MAX_GIVEN 36000

/* Release with train_spec_release; a copy borrows. */
struct train_spec {
    struct arch arch; /* inputs and outputs 0: taken from the data */
    enum solver_kind solver;
    struct solver_settings settings;
    enum noise_kind noise;
    int n_noise_sigmas;       /* noise given: 1 or o; else 0 */
    double *noise_sigmas;     /* user's units (of a log output: of its logarithm); mem */
    struct train_roles roles; /* columns that are no targets, constraints; those of columns have
                                 been taken when a run begins, whose data have what they say */
    struct train_chains chains;
    struct train_prior prior;
    struct train_calibration calibration;
    enum scaler_kind input_scaling;
    enum scaler_kind output_scaling; /* of coefficients, where outputs are reduced */
    struct reduction_spec reduction; /* of outputs that are fields (train_field.h) */
    double validation;               /* share of the rows kept out (split.h), [0, 0.9] */
    int64_t seed;
    enum precision precision; /* that the model is served in */
    enum train_start start;
    /* Nothing was asked of the network, its fit, noise, prior and scaling, so that the rows may
     * decide (train_follow_rows). */
    bool plain;
};

/* Defaults that work on scaled real data. */
struct train_spec train_defaults(enum solver_kind solver);
void train_spec_release(struct train_spec *spec);

/* Checks everything that does not depend on the data. ERR_INVALID, ERR_LIMIT naming the setting. */
enum err_code train_validate(const struct train_spec *spec, struct err *err) MUST_CHECK;

/* Rows, and their values of outputs, that are few to train_follow_rows; and the most parameters of
 * the network that it chooses. */
#define TRAIN_FOLLOW_ROWS   1000
#define TRAIN_FOLLOW_VALUES 4000
#define TRAIN_FOLLOW_PARAMS 2500

/* Of a plain request: the defaults for n_rows rows of d inputs of the network and o outputs, where
 * they are few and the solver has such. A warm run keeps its architecture. */
void train_follow_rows(struct train_spec *spec, int64_t n_rows, int d, int o);

/* Operations of an iteration of a fit by the evidence, roughly: of a network with so many
 * parameters, to so many values of outputs. */
double train_evidence_work(double n_params, double values);

/*
 * Sets the iterations of a fit by the evidence, for all its starts to do about so many operations:
 * as many as the settings say where these are few, and not below `least`. min_starts: down to so
 * many starts may be left out for those that are left to have more iterations.
 */
struct train_evidence_limits {
    double operations;
    int least;
    int min_starts;
};
void train_limit_evidence(struct solver_settings *settings, double n_params, double values,
                          const struct train_evidence_limits *limits);

/* Coefficients of a reduction by its share of the variance, until the rows say how many there are.
 */
#define TRAIN_EXPECTED_MODES 32

/* Outputs of the network for o outputs of the rows; of a reduction, as many as are expected. */
int train_n_network_outputs(const struct train_spec *spec, int o);

/* Completes the architecture for d inputs of the network (space_width) and o outputs and checks it
 * against them. */
enum err_code train_resolve(struct train_spec *spec, int d, int o, struct err *err) MUST_CHECK;

/*
 * Can a warm run of a resolved spec, on rows of a space, start from this model? ERR_INVALID,
 * ERR_UNSUPPORTED naming what differs: architecture, number of parameters, categories, predicted
 * noise, a posterior that the solver cannot start from. ERR_NOMEM. space: NULL: none.
 */
enum err_code train_check_base(const struct train_spec *spec, const struct space *space,
                               const struct model *base, struct err *err) MUST_CHECK;

/* The share of the rows not kept out that split conformal prediction takes; 0: none (split.h). */
double train_calibration_share(const struct train_spec *spec);

/* Standard deviation of each of the network's K parameters under a prior; *out by mem. ERR_NOMEM.
 */
enum err_code train_prior_sigmas(const struct train_prior *prior, const struct resnet *net,
                                 double **out, struct err *err) MUST_CHECK;

struct train_cross;

struct train_run {
    const struct train_spec *spec; /* resolved */
    struct data data; /* all rows, user's units; x is finite, y finite or, where a row misses an
                         output, NaN; `present` and mean_weight are found, not taken from here.
                         Where rows have weights, noise and derivatives of their own, and kept
                         ones, these count (fit/data.h); noise of rows is "given" */
    const unsigned char
        *failed;              /* [data.n] 1: the run failed; NULL: those without any output did */
    struct space *space;      /* of these rows, kept with the model; NULL: none */
    const struct model *base; /* published; a warm run begins from it; NULL when cold */
    const struct train_spec *base_spec; /* how that was trained, for warnings; NULL: not known */
    int n_threads;
    const char *settings_text; /* kept with the model, JSON; may be NULL */
    /* [o] standard deviations of the noise, found by a cross-validation: what is taken for the
     * noise of a model that would have it measured on kept rows, where none are kept. NULL: not
     * known. */
    const double *cross_noise;
    const struct train_cross *cross; /* where no rows are kept the model's scores are of these
                                        predictions; NULL: it has none then */
    struct report *report; /* moves to the model, whose own report follows it; NULL: none */
    const struct cancel *cancel;
    const struct checkpoint *checkpoint; /* may be NULL */
    progress_fn *progress;
    void *progress_ctx;
};

/*
 * When predictions of kept rows are poor ("poor_fit"): their root mean squared error is above this
 * share of the rows' root mean squared distance from the mean of the rows that train; at 1 that
 * mean would have predicted as well. With fewer kept rows than TRAIN_POOR_ROWS the distance is that
 * of the rows that train, if it is larger; fewer than TRAIN_JUDGED_ROWS tell nothing.
 */
#define TRAIN_POOR_SHARE  0.9
#define TRAIN_POOR_ROWS   5
#define TRAIN_JUDGED_ROWS 2
/* Positive outputs that span so many decades are better learned by their logarithm ("try_log"). */
#define TRAIN_LOG_DECADES 3.0

/* P(run succeeds): with fewer runs of either end than FEASIBLE_MIN a logistic regression and draws
 * of it, else an ensemble of networks. */
#define FEASIBLE_MIN     10
#define FEASIBLE_DRAWS   64
#define FEASIBLE_MEMBERS 8
#define FEASIBLE_BATCH   64 /* rows of a minibatch */

/* Rows that train are few below this number, and where a plane through them would be exact. */
#define TRAIN_FEW_ROWS 10

/* A value whose logarithm is to be taken and is not positive. */
struct train_bad_log {
    bool output;
    int column;  /* of the inputs, or of the outputs */
    int64_t row; /* -1: one of many */
    double value;
};
/* ERR_INVALID for it, and for an output that none of the rows has. space: has the names; may be
 * NULL. */
enum err_code train_refuse_log(const struct space *space, const struct train_bad_log *bad,
                               struct err *err);
/* ERR_INVALID for a column from range[0] to range[1] with this fault (fit/scaler.h). */
enum err_code train_refuse_spread(const struct space *space, bool output, int column,
                                  const double range[2], const char *fault, struct err *err);
enum err_code train_refuse_absent(const struct space *space, int64_t n_rows, int output,
                                  struct err *err);

/*
 * What can be refused of a run's rows before the training begins, with err->row and err->column
 * where there is a place: fewer than two rows, a value whose logarithm is to be taken and is not
 * positive (of the spec's scaling, or of the base's when the run is warm), an output that no row
 * has. ERR_INVALID.
 */
enum err_code train_check_rows(const struct train_run *run, struct err *err) MUST_CHECK;

/*
 * A published model with one reference. Same spec, rows, base and build: same model, whatever the
 * number of threads and interruptions. A warm run takes the base's scaling of inputs and outputs as
 * it is, for the parameters to mean the same; the spec's kinds of scaling do not matter then.
 *
 * Where some of the rows that train are of runs that failed and some are not, the model also learns
 * P(run succeeds) of the inputs (train_feasible.c), and the report says how well ("feasible.auc").
 *
 * A row that misses some outputs tells what the others are. A row that misses all of them (a run
 * that failed) has a role in the split as any other, and no further part in training and scores.
 * A column that is constant in the rows that train is predicted as that constant, or ignored when
 * it is an input. The report says so ("constant_output", "constant_input"), and it says when rows
 * are few ("few_rows"), members diverged ("diverged"), logarithms would help ("try_log"), and
 * predictions of the kept rows are poor ("poor_fit", with "fit.explained": of each output 1 minus
 * the squared error by the squared distance from the mean).
 *
 * ERR_CANCELLED, ERR_INVALID (those of train_check_rows, too few rows for the parts, a constant of
 * the base that no longer is one), ERR_NUMERIC, ERR_NOMEM; those of train_check_base.
 */
enum err_code train_run(const struct train_run *run, struct model **out,
                        struct err *err) MUST_CHECK;

#endif
