/* SPDX-License-Identifier: Apache-2.0 */
/* A training request: its defaults, what can be checked, and how the data completes it. */
#include "train/train.h"

#include "base/mem.h"
#include "base/names.h"
#include "train/train_priv.h"

#include <math.h>

/* Where there are fewer values than parameters, what goes by their square: 0.1 ms of 433 parameters
 * and 40 values, 1.4 ms of 1377. */
#define SQUARE_WORK 5.0
/* More starts help a fit less than iterations up to so many; tests/bench/RESULTS.md has figures. */
#define ENOUGH_ITERATIONS 150
/* Of the fits that find prior and noise where rows are few: some seconds. */
#define FEW_ROWS_OPERATIONS 6e10
#define FEW_ROWS_ITERATIONS 60

static const char *const start_names[] = {"cold", "warm"};

NAMES_DEFINE(train_start, enum train_start, start_names)

struct train_spec train_defaults(enum solver_kind solver)
{
    struct solver_request request = solver_request_defaults(solver);
    return (struct train_spec){
        .arch = request.arch,
        .solver = solver,
        .settings = solver_defaults(solver),
        .noise = solver_default_noise(solver),
        .prior = {.sigma = request.prior_sigma},
        .calibration = {.share = 0.2, .folds = 10},
        .input_scaling = SCALER_RANGE,
        .output_scaling = request.output_scaling,
        .validation = 0.1,
        .seed = 0,
    };
}

void train_spec_release(struct train_spec *spec)
{
    mem_free(spec->noise_sigmas);
    train_roles_release(&spec->roles);
    mem_free(spec->chains.starts);
    mem_free(spec->chains.covariance);
    spec->chains = (struct train_chains){.n = 0};
    spec->noise_sigmas = NULL;
    spec->n_noise_sigmas = 0;
    reduction_spec_release(&spec->reduction);
}

static enum err_code check_noise(const struct train_spec *spec, struct err *err)
{
    if (solver_check_noise(spec->solver, spec->noise, err) != ERR_OK ||
        solver_check_fit(&spec->settings, spec->noise, err) != ERR_OK) {
        return err->code;
    }
    bool of_rows = train_roles_have(&spec->roles, TRAIN_SIGMA);
    if (of_rows && spec->n_noise_sigmas > 0) {
        return err_set(err, ERR_INVALID, "noise has a sigma, and rows have noise of their own");
    }
    if (spec->noise == NOISE_GIVEN && spec->n_noise_sigmas < 1 && !of_rows) {
        return err_set(err, ERR_INVALID, "noise is given, but its sigma is missing");
    }
    if (spec->noise != NOISE_GIVEN && spec->n_noise_sigmas > 0) {
        return err_set(err, ERR_INVALID, "noise has a sigma, but its kind is %s, not given",
                       noise_kind_name(spec->noise));
    }
    for (int j = 0; j < spec->n_noise_sigmas; j++) {
        if (!(spec->noise_sigmas[j] > 0.0 && isfinite(spec->noise_sigmas[j]))) {
            return err_set(err, ERR_INVALID,
                           "noise sigma of output %d is %g, a number above 0 is needed", j,
                           spec->noise_sigmas[j]);
        }
    }
    if (spec->noise == NOISE_PREDICTED && spec->arch.final != FINAL_NONE) {
        return err_set(err, ERR_INVALID,
                       "predicted noise needs an architecture whose final is none");
    }
    if (spec->noise == NOISE_PREDICTED && !spec->arch.layer_post) {
        return err_set(err, ERR_INVALID, "predicted noise needs a post layer");
    }
    if (spec->noise == NOISE_PREDICTED && spec->output_scaling == SCALER_LOG) {
        return err_set(err, ERR_UNSUPPORTED,
                       "predicted noise of outputs that are scaled by log is not supported");
    }
    return ERR_OK;
}

static enum err_code check_roles(const struct train_spec *spec, struct err *err)
{
    const struct train_roles *roles = &spec->roles;
    const struct solver_asks asks = {.weights = train_roles_have(roles, TRAIN_WEIGHT),
                                     .sigmas = train_roles_have(roles, TRAIN_SIGMA),
                                     .derivatives = train_roles_have(roles, TRAIN_DERIVATIVE),
                                     .constraints = roles->n_constraints > 0,
                                     .logs = spec->settings.residual == RESIDUAL_LOG};
    if (train_roles_validate(roles, err) != ERR_OK) {
        return err->code;
    }
    if (spec->reduction.on && (roles->n_columns > 0 || roles->n_constraints > 0 || asks.logs)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "output_reduction: columns, constraints and residuals of logarithms are of "
                       "outputs, and the network learns coefficients");
    }
    if (asks.logs && spec->output_scaling == SCALER_LOG) {
        return err_set(err, ERR_UNSUPPORTED,
                       "residuals of logarithms and outputs that are scaled by their logarithm do "
                       "not go together");
    }
    return solver_check_asks(spec->solver, &spec->settings, spec->noise, &asks, err);
}

struct solver_given train_given(const struct train_chains *chains)
{
    return (struct solver_given){.n = chains->n,
                                 .n_starts = chains->n_starts,
                                 .starts = chains->starts,
                                 .covariance = chains->covariance};
}

static enum err_code check_chains(const struct train_spec *spec, struct err *err)
{
    if (spec->chains.n == 0) {
        return ERR_OK;
    }
    if (!solver_samples(spec->solver)) {
        return err_set(err, ERR_INVALID,
                       "chain_start is of amcmc, mala, hmc and nuts, and %s has none",
                       solver_name(spec->solver));
    }
    if (spec->settings.hyperparameters == HYPER_EVIDENCE) {
        return err_set(
            err, ERR_INVALID,
            "chain_start: with hyperparameters by evidence the chains begin at its networks; "
            "hyperparameters given take other starts and covariances");
    }
    if (spec->start == TRAIN_WARM) {
        return err_set(err, ERR_INVALID, "chain_start: a warm start begins at earlier chains");
    }
    return ERR_OK;
}

static enum err_code check_prior(const struct train_prior *prior, struct err *err)
{
    const double values[] = {prior->sigma, prior->pre, prior->post, prior->blocks};
    static const char *const names[] = {"sigma", "pre", "post", "blocks"};
    for (int i = 0; i < 4 && !prior->flat; i++) {
        if (!(values[i] >= 0.0 && values[i] <= 1e12) || (i == 0 && !(values[i] > 0.0))) {
            return err_set(err, ERR_INVALID,
                           "prior: %s is %g, a standard deviation of at most 1e12 is needed",
                           names[i], values[i]);
        }
    }
    return ERR_OK;
}

static enum err_code check_calibration(const struct train_calibration *c, enum noise_kind noise,
                                       struct err *err)
{
    if ((c->method == CONFORMAL_CV_PLUS || c->method == CONFORMAL_JACKKNIFE_PLUS) &&
        c->normalised && noise == NOISE_PREDICTED) {
        return err_set(
            err, ERR_UNSUPPORTED,
            "calibration: %s with normalised scores and predicted noise is not supported",
            conformal_method_name(c->method));
    }
    if (c->method == CONFORMAL_SPLIT && !(c->share > 0.0 && c->share <= 0.9)) {
        return err_set(err, ERR_INVALID,
                       "calibration: share is %g, a share of the rows in (0, 0.9] is needed",
                       c->share);
    }
    if (c->method == CONFORMAL_CV_PLUS && (c->folds < 2 || c->folds > 1000)) {
        return err_set(err, ERR_INVALID, "calibration: folds is %d, 2 to 1000 is needed", c->folds);
    }
    return ERR_OK;
}

static enum err_code check_reduction(const struct train_spec *spec, struct err *err)
{
    if (!spec->reduction.on) {
        return ERR_OK;
    }
    if (spec->output_scaling == SCALER_LOG) {
        return err_set(err, ERR_UNSUPPORTED,
                       "output_reduction: outputs cannot be scaled by log, since coefficients have "
                       "both signs");
    }
    if (spec->arch.final != FINAL_NONE) {
        return err_set(err, ERR_UNSUPPORTED,
                       "output_reduction needs an architecture whose final is none");
    }
    if (spec->calibration.method == CONFORMAL_CV_PLUS ||
        spec->calibration.method == CONFORMAL_JACKKNIFE_PLUS) {
        return err_set(err, ERR_UNSUPPORTED,
                       "calibration: %s with output_reduction is not supported, split is",
                       conformal_method_name(spec->calibration.method));
    }
    return reduction_spec_check(&spec->reduction, err);
}

enum err_code train_validate(const struct train_spec *spec, struct err *err)
{
    if (check_reduction(spec, err) != ERR_OK) {
        return err->code;
    }
    if (!(spec->validation >= 0.0 && spec->validation <= 0.9)) {
        return err_set(err, ERR_INVALID,
                       "split: validation is %g, a share of the rows in [0, 0.9] is needed",
                       spec->validation);
    }
    struct train_spec trial = *spec;
    int d = spec->arch.inputs > 0 ? spec->arch.inputs : 1;
    int o = spec->arch.outputs > 0 ? spec->arch.outputs : 1;
    /* Shapes that only the data can settle are assumed to fit the architecture. */
    if (spec->arch.inputs == 0 && !spec->arch.layer_pre) {
        d = spec->arch.width;
    }
    if (spec->arch.outputs == 0 && !spec->arch.layer_post) {
        o = spec->arch.width;
    }
    trial.arch.inputs = d;
    trial.arch.outputs = o;
    if (arch_validate(&trial.arch, err) != ERR_OK) {
        err_prefix(err, "architecture");
        return err->code;
    }
    if (check_roles(spec, err) != ERR_OK || check_chains(spec, err) != ERR_OK ||
        check_noise(spec, err) != ERR_OK || check_prior(&spec->prior, err) != ERR_OK ||
        check_calibration(&spec->calibration, spec->noise, err) != ERR_OK) {
        return err->code;
    }
    if (solver_check_network(spec->solver, &trial.arch, spec->prior.flat, err) != ERR_OK) {
        return err->code;
    }
    return solver_validate(spec->solver, &spec->settings, err);
}

double train_evidence_work(double n_params, double values)
{
    double k = n_params;
    return values < 2.0 / 3.0 * k ? 3.0 * values * values * k + SQUARE_WORK * k * k
                                  : values * k * k + k * k * k;
}

void train_limit_evidence(struct solver_settings *settings, double n_params, double values,
                          const struct train_evidence_limits *limits)
{
    double iterations = limits->operations / train_evidence_work(n_params, values);
    int starts = settings->members;
    while (starts / 2 >= limits->min_starts && iterations / starts < ENOUGH_ITERATIONS) {
        starts /= 2;
    }
    settings->members = starts;
    settings->epochs = (int)fmin(settings->epochs, fmax(floor(iterations / starts), limits->least));
}

void train_follow_rows(struct train_spec *spec, int64_t n_rows, int d, int o)
{
    struct solver_request request = solver_request_defaults(spec->solver);
    struct solver_settings settings = spec->settings;
    o = train_n_network_outputs(spec, o);
    bool warm = spec->start == TRAIN_WARM;
    if (!spec->plain || n_rows > TRAIN_FOLLOW_ROWS || n_rows * o > TRAIN_FOLLOW_VALUES ||
        !solver_few_rows(spec->solver, &request, &settings)) {
        return;
    }
    struct arch arch = warm ? spec->arch : request.arch;
    arch.inputs = d;
    arch.outputs = o;
    if (arch_n_params(&arch) > TRAIN_FOLLOW_PARAMS) {
        return;
    }
    spec->arch = warm ? spec->arch : request.arch;
    /* What the evidence says is prior and noise; how many networks there are is for the solver. */
    const struct train_evidence_limits limits = {.operations = FEW_ROWS_OPERATIONS,
                                                 .least = FEW_ROWS_ITERATIONS,
                                                 .min_starts = settings.members};
    train_limit_evidence(&settings, arch_n_params(&arch), (double)n_rows * o, &limits);
    spec->settings = settings;
    spec->noise = solver_default_noise(SOLVER_EVIDENCE);
    spec->prior.sigma = request.prior_sigma;
    spec->output_scaling = request.output_scaling;
}

static enum err_code check_size(const struct train_spec *spec, struct err *err)
{
    struct resnet net;
    if (resnet_init(&net, &spec->arch, err) != ERR_OK) {
        return err->code;
    }
    if (solver_check_size(spec->solver, &spec->settings, &net, spec->prior.flat, err) == ERR_OK &&
        spec->chains.n > 0) {
        const struct solver_given given = train_given(&spec->chains);
        int learned = spec->noise == NOISE_LEARNED ? net.n_out : 0;
        err_kept(solver_check_given(&given, net.n_params + learned, err));
    }
    resnet_release(&net);
    return err->code;
}

int train_n_network_outputs(const struct train_spec *spec, int o)
{
    int modes = spec->reduction.modes > 0 ? spec->reduction.modes : TRAIN_EXPECTED_MODES;
    return spec->reduction.on && modes < o ? modes : o;
}

enum err_code train_resolve(struct train_spec *spec, int d, int o, struct err *err)
{
    struct arch *a = &spec->arch;
    int n_rows_outputs = o;
    /* A network that predicts its noise has a second head. */
    int heads = spec->noise == NOISE_PREDICTED ? 2 : 1;
    if (spec->reduction.on) {
        if (reduction_spec_fit(&spec->reduction, o, err) != ERR_OK) {
            return err->code;
        }
        spec->reduction.p = o;
        a->outputs = 0; /* the rows that train decide */
        o = train_n_network_outputs(spec, o);
    } else if (o > ARCH_MAX_OUTPUTS) {
        return err_set(err, ERR_LIMIT,
                       "the rows have %d outputs, a network at most %d; with \"output_reduction\" "
                       "it learns coefficients of them",
                       o, ARCH_MAX_OUTPUTS);
    }
    if (a->inputs == 0) {
        a->inputs = d;
    }
    if (a->outputs == 0 || a->outputs == o) {
        a->outputs = heads * o;
    }
    if (arch_validate(a, err) != ERR_OK) {
        err_prefix(err, "architecture");
        return err->code;
    }
    if (a->inputs != d || arch_n_outputs(a) != heads * o) {
        return err_set(err, ERR_SHAPE,
                       "the architecture has %d inputs and %d outputs, the rows have %d and %d",
                       a->inputs, arch_n_outputs(a) / heads, d, o);
    }
    if (check_size(spec, err) != ERR_OK) {
        return err->code;
    }
    if (spec->n_noise_sigmas > 1 && spec->n_noise_sigmas != n_rows_outputs) {
        return err_set(err, ERR_SHAPE,
                       "noise: sigma has %d numbers, but the number of outputs is %d",
                       spec->n_noise_sigmas, n_rows_outputs);
    }
    return ERR_OK;
}

static void fill_range(double *values, int first, int n, double value)
{
    for (int k = 0; first >= 0 && k < n; k++) {
        values[first + k] = value;
    }
}

enum err_code train_prior_sigmas(const struct train_prior *prior, const struct resnet *net,
                                 double **out, struct err *err)
{
    const struct arch *a = &net->arch;
    const struct arch_offsets *off = &net->off;
    double pre = prior->pre > 0.0 ? prior->pre : prior->sigma;
    double post = prior->post > 0.0 ? prior->post : prior->sigma;
    double blocks = prior->blocks > 0.0 ? prior->blocks : prior->sigma;
    double by_inputs = prior->fan_in ? sqrt((double)a->inputs) : 1.0;
    double by_width = prior->fan_in ? sqrt((double)a->width) : 1.0;
    double *sigmas = mem_zalloc_array((size_t)net->n_params, sizeof *sigmas);
    if (sigmas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the prior");
    }
    fill_range(sigmas, off->weight_pre, a->width * a->inputs, pre / by_inputs);
    fill_range(sigmas, off->bias_pre, a->width, pre);
    fill_range(sigmas, off->weight_post, a->outputs * a->width, post / by_width);
    fill_range(sigmas, off->bias_post, a->outputs, post);
    fill_range(sigmas, off->ww, net->n_coef * a->width * a->width, blocks / by_width);
    fill_range(sigmas, off->bb, net->n_coef * a->width, blocks);
    *out = sigmas;
    return ERR_OK;
}
