/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rows in the user's units to a model: scale, split, solve, calibrate, score on the rows kept
 * out.
 */
#ifndef TRAIN_H
#define TRAIN_H

#include "base/names.h"
#include "model/model.h"
#include "solve/solver.h"

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

/* Release with train_spec_release; a copy borrows. */
struct train_spec {
    struct arch arch; /* inputs and outputs 0: taken from the data */
    enum solver_kind solver;
    struct solver_settings settings;
    enum noise_kind noise;
    int n_noise_sigmas;   /* noise given: 1 or o; else 0 */
    double *noise_sigmas; /* user's units (of a log output: of its logarithm); mem */
    struct train_prior prior;
    struct train_calibration calibration;
    enum scaler_kind input_scaling;
    enum scaler_kind output_scaling;
    double validation; /* share of the rows kept out (split.h), [0, 0.9] */
    int64_t seed;
    bool single; /* the model is served in float32 */
    enum train_start start;
};

/* Defaults that work on scaled real data. */
struct train_spec train_defaults(enum solver_kind solver);
void train_spec_release(struct train_spec *spec);

/* Checks everything that does not depend on the data. ERR_INVALID, ERR_LIMIT naming the setting. */
enum err_code train_validate(const struct train_spec *spec, struct err *err) MUST_CHECK;

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

struct train_run {
    const struct train_spec *spec;      /* resolved */
    struct data data;                   /* all rows, user's units, finite */
    struct space *space;                /* of these rows, kept with the model; NULL: none */
    const struct model *base;           /* published; a warm run begins from it; NULL when cold */
    const struct train_spec *base_spec; /* how that was trained, for warnings; NULL: not known */
    int n_threads;
    const char *settings_text; /* kept with the model, JSON; may be NULL */
    const struct cancel *cancel;
    const struct checkpoint *checkpoint; /* may be NULL */
    progress_fn *progress;
    void *progress_ctx;
};

/*
 * A published model with one reference. Same spec, rows, base and build: same model, whatever the
 * number of threads and interruptions. A warm run takes the base's scaling of inputs and outputs as
 * it is, for the parameters to mean the same; the spec's kinds of scaling do not matter then.
 * ERR_CANCELLED, ERR_INVALID (too few rows), ERR_NUMERIC, ERR_NOMEM; those of train_check_base.
 */
enum err_code train_run(const struct train_run *run, struct model **out,
                        struct err *err) MUST_CHECK;

#endif
