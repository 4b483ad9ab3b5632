/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which derivatives there are, and those of posteriors in closed form: a variance there contains
 * first derivatives by the parameters, and predict_linear.c computes its first ones by the inputs.
 * Second ones would need third derivatives of the network, and are refused. All others are sums
 * over networks (derivative_networks.c).
 */
#include "predict/derivative.h"

#include "predict/derivative_priv.h"
#include "predict/predict_priv.h"

#include <string.h>

/* Passes over the weights of a network, forward and back, of the two passes together. */
#define GRADIENT_PASSES 5.0
#define JACOBIAN_PASSES 3.0
#define HESSIAN_PASSES  11.0

#define FIRST_OF_CLOSED_FORM                                                                       \
    (1U << DERIVATIVE_OF_MEAN | 1U << DERIVATIVE_OF_VARIANCE | 1U << DERIVATIVE_OF_STD)
#define FROM_DRAWS                                                                                 \
    (FIRST_OF_CLOSED_FORM | 1U << DERIVATIVE_OF_QUANTILES | 1U << DERIVATIVE_OF_SAMPLE)

bool derivative_is_known(const struct model *model, enum derivative_of of,
                         enum derivative_kind kind)
{
    unsigned known = FROM_DRAWS;
    if (predict_is_linear(model)) {
        known = kind == DERIVATIVE_HESSIAN ? 1U << DERIVATIVE_OF_MEAN : FIRST_OF_CLOSED_FORM;
    }
    return !model_has_categories(model) && model->reduction == NULL && (known >> of & 1U) != 0;
}

unsigned derivative_want(enum derivative_of of)
{
    static const unsigned want[] = {PREDICT_MEAN, PREDICT_VARIANCE, PREDICT_STD, PREDICT_QUANTILES,
                                    PREDICT_SAMPLES};
    return want[of];
}

size_t derivative_n_values(const struct model *model, const struct predict_request *req)
{
    size_t each = req->derivative->of == DERIVATIVE_OF_QUANTILES ? (size_t)req->n_levels : 1;
    return each * (size_t)model->o;
}

/* Does c depend on the values of all networks, or are all their derivatives asked for? */
static bool needs_values(const struct derivative *what)
{
    return what->kind == DERIVATIVE_JACOBIAN ||
           (what->of != DERIVATIVE_OF_MEAN && what->of != DERIVATIVE_OF_SAMPLE);
}

/* What predict_linear.c computes. */
static bool is_of_closed_form(const struct model *model, const struct derivative *what)
{
    return predict_is_linear(model) && what->of != DERIVATIVE_OF_MEAN;
}

enum err_code derivative_check(const struct model *model, const struct predict_request *req,
                               struct err *err)
{
    static const char *const kinds[] = {"gradient", "Jacobian", "second derivative"};
    static const char *const names[] = {"mean", "variance", "std", "quantiles", "samples"};
    const struct derivative *what = req->derivative;
    if (!derivative_is_known(model, what->of, what->kind)) {
        return err_set(err, ERR_UNSUPPORTED, "the %s of %s is not known for this model, %s",
                       kinds[what->kind], names[what->of],
                       model_has_categories(model) ? "which has categories among its inputs"
                                                   : "whose predictions are in closed form");
    }
    if (!predict_fits((size_t)model->m, (size_t)model->o, 2, 1)) {
        return err_set(err, ERR_LIMIT, "more than %zu numbers would have to be held",
                       PREDICT_MAX_VALUES);
    }
    return ERR_OK;
}

double derivative_work(const struct model *model, const struct predict_request *req)
{
    const struct derivative *what = req->derivative;
    double passes = what->kind == DERIVATIVE_GRADIENT   ? GRADIENT_PASSES
                    : what->kind == DERIVATIVE_JACOBIAN ? JACOBIAN_PASSES
                                                        : HESSIAN_PASSES;
    if (is_of_closed_form(model, what)) {
        return predict_linear_work(model, PREDICT_JACOBIAN);
    }
    int n = predict_is_linear(model) ? model->gaussian.n_members : model->m;
    return passes * (double)n * (double)model->net.pack_size;
}

/* ---- memory ---- */

static void prepare_inputs(struct derivation *work)
{
    const struct model *model = work->model;
    for (int b = 0; b < model->d; b++) {
        double x = work->req->x[b];
        work->slope[b] = scaler_slope(&model->in[b], x);
        work->curve[b] = model->in[b].kind == SCALER_LOG ? -work->slope[b] / x : 0.0;
        if (work->dz != NULL) {
            work->dz[b] = work->slope[b] * work->what->vec[b];
        }
    }
    for (int a = 0; a < model->o; a++) {
        work->out[a] = scaler_in_units(&model->out[a], model_exponent(model, a));
    }
    for (size_t k = 0; work->sens != NULL && k < work->n_values; k++) {
        work->sens[k] = work->what->sens[k] * derivative_unit(work, k);
    }
}

/* For gradients by the plan. */
static void init_by_plan(struct derivation *work, struct arena *arena, bool *ok)
{
    const struct model *model = work->model;
    size_t group = (size_t)plan_gradient_group(&model->plan);
    work->group = (int)group;
    work->scratch = predict_scratch(arena, plan_gradient_scratch(&model->plan, (int)group), ok);
    work->by_y = arena_zalloc_array(arena, group * (size_t)model->net.n_out, sizeof(double));
    work->by_z = predict_scratch(arena, group * (size_t)model->d, ok);
    work->values = predict_scratch(arena, group * (size_t)model->o, ok);
    *ok = *ok && work->by_y != NULL;
}

static enum err_code work_init(struct derivation *work, struct arena *arena, struct err *err)
{
    const struct model *model = work->model;
    size_t d = (size_t)model->d;
    size_t o = (size_t)model->o;
    size_t n_out = (size_t)model->net.n_out;
    size_t cells = (size_t)work->m * o;
    bool along = work->what->vec != NULL;
    bool ok = true;
    double *inputs = predict_scratch(arena, 6 * d, &ok);
    double *outputs = predict_scratch(arena, 4 * n_out, &ok);
    double *weights = predict_scratch(arena, 6 * o, &ok);
    work->out = arena_alloc_array(arena, o, sizeof *work->out);
    work->between = arena_zalloc_array(arena, work->n_values, sizeof *work->between);
    if (work->what->sens != NULL) {
        work->sens = predict_scratch(arena, work->n_values, &ok);
    }
    if (needs_values(work->what)) {
        work->f = predict_scratch(arena, cells, &ok);
        work->df = along ? predict_scratch(arena, cells, &ok) : NULL;
    }
    if (!along && !predict_is_linear(model)) {
        init_by_plan(work, arena, &ok);
    }
    work->tape = work->group == 0 ? resnet_tape_new(&model->net, 1) : NULL;
    work->tangent = along ? resnet_tangent_new(&model->net, 1) : NULL;
    if (!ok || work->out == NULL || work->between == NULL ||
        (work->group == 0 && work->tape == NULL) || (along && work->tangent == NULL)) {
        return err_set(err, ERR_NOMEM, "no memory for a derivative");
    }
    work->z = inputs;
    work->slope = inputs + d;
    work->curve = inputs + 2 * d;
    work->dz = along ? inputs + 3 * d : NULL;
    work->g = inputs + 4 * d;
    work->dg = inputs + 5 * d;
    work->y = outputs;
    work->dy = outputs + n_out;
    work->w = outputs + 2 * n_out;
    work->dw = outputs + 3 * n_out;
    work->c = weights;
    work->dc = weights + o;
    work->mean = weights + 2 * o;
    work->dmean = weights + 3 * o;
    work->std = weights + 4 * o;
    work->dstd = weights + 5 * o;
    memset(outputs, 0, 4 * n_out * sizeof *outputs); /* also of heads that predict noise */
    memset(weights, 0, 6 * o * sizeof *weights);
    prepare_inputs(work);
    return ERR_OK;
}

/* ---- in closed form ---- */

/* First derivatives of the standard deviation are a result, from which those of the variance
 * follow. */
static enum err_code compute_closed_form(const struct derivation *work, struct arena *scratch,
                                         struct err *err)
{
    const struct derivative *what = work->what;
    struct predict_request req = {
        .n = 1, .x = work->req->x, .want = PREDICT_JACOBIAN | PREDICT_STD, .n_threads = 1};
    struct predict_result result;
    size_t d = (size_t)work->model->d;
    size_t o = (size_t)work->model->o;
    if (predict_run(work->model, &req, scratch, &result, err) != ERR_OK) {
        return err->code;
    }
    const double *jac = result.jacobian + o * d;
    for (size_t a = 0; a < o; a++) {
        double by = what->of == DERIVATIVE_OF_VARIANCE ? 2.0 * result.std[a] : 1.0;
        for (size_t b = 0; b < d; b++) {
            double slope = by * jac[a * d + b];
            if (what->kind == DERIVATIVE_JACOBIAN) {
                what->out[a] += slope * what->vec[b];
            } else {
                what->out[b] += slope * what->sens[a];
            }
        }
    }
    return ERR_OK;
}

static enum err_code check_finite(const struct derivation *work, struct err *err)
{
    bool by_value = work->what->kind == DERIVATIVE_JACOBIAN;
    size_t n = by_value ? work->n_values : (size_t)work->model->d;
    for (size_t k = 0; k < n; k++) {
        if (!isfinite(work->what->out[k])) {
            return err_set(err, ERR_NUMERIC, "the derivative by %s %zu is not finite",
                           by_value ? "the direction, of value" : "input", k);
        }
    }
    return ERR_OK;
}

enum err_code derivative_compute(const struct model *model, const struct predict_request *req,
                                 struct arena *scratch, struct err *err)
{
    struct derivation work = {.model = model,
                              .req = req,
                              .what = req->derivative,
                              .m = predict_is_linear(model) ? model->gaussian.n_members : model->m,
                              .n_values = derivative_n_values(model, req)};
    size_t n_out = work.what->kind == DERIVATIVE_JACOBIAN ? work.n_values : (size_t)model->d;
    const struct scaler_rows inputs = {
        .n = 1, .k = model->d, .v = req->x, .names = model->input_names};
    memset(work.what->out, 0, n_out * sizeof *work.what->out);
    if (is_of_closed_form(model, work.what)) {
        err_kept(compute_closed_form(&work, scratch, err));
    } else if (work_init(&work, scratch, err) == ERR_OK &&
               model_scale_inputs(model, &inputs, work.z, err) == ERR_OK) {
        err_kept(derivative_sum_networks(&work, scratch, err));
    }
    resnet_tape_free(work.tape);
    resnet_tangent_free(work.tangent);
    return err->code == ERR_OK ? check_finite(&work, err) : err->code;
}
