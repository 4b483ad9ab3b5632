/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/precision.h"

#include "base/mem.h"
#include "base/mem_budget.h"
#include "base/rng.h"
#include "predict/predict.h"

#include <math.h>

/* At how many points the precisions of a model are compared. */
static int count_points(const struct model *model)
{
    double weights = (double)model->m * (double)model->net.pack_size;
    double points = PRECISION_WEIGHTS / weights;
    return points >= PRECISION_POINTS      ? PRECISION_POINTS
           : points > PRECISION_MIN_POINTS ? (int)points
                                           : PRECISION_MIN_POINTS;
}

/* n points at which the precisions are compared, in the user's units. */
static void choose_points(const struct model *model, int n, double *x)
{
    struct rng rng;
    rng_init(&rng, 0, RNG_TEST, 0);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < model->d; j++) {
            double u = rng_uniform(&rng);
            double *at = &x[(size_t)i * (size_t)model->d + (size_t)j];
            if (model->space != NULL && model->space->inputs[j].type == SPACE_CATEGORY) {
                *at = floor(u * model->space->inputs[j].n_values);
                continue;
            }
            if (model->training_range != NULL) {
                double low = model->training_range[2 * j];
                *at = low + u * (model->training_range[2 * j + 1] - low);
            } else {
                *at = 2.0 * u - 1.0;
                scaler_invert(&model->in[j], 1, 1, at);
            }
        }
    }
}

/* How two series of numbers differ. */
struct gap {
    double difference; /* largest |a - b| */
    double low, high;  /* of b */
};

static void gap_add(struct gap *gap, double a, double b)
{
    gap->difference = fmax(gap->difference, fabs(a - b));
    gap->low = fmin(gap->low, b);
    gap->high = fmax(gap->high, b);
}

/* The largest difference relative to what b reaches above `from`. */
static double gap_relative(const struct gap *gap, double from)
{
    double scale = gap->high - from;
    return scale > 0.0 ? gap->difference / scale : 0.0;
}

static void find_largest_errors(const struct predict_result *single,
                                const struct predict_result *exact, int n, int o,
                                struct model_float32_error *out)
{
    *out = (struct model_float32_error){.mean = 0.0};
    for (int j = 0; j < o; j++) {
        struct gap mean = {.low = INFINITY, .high = -INFINITY};
        struct gap std = {.low = INFINITY, .high = -INFINITY};
        for (int i = 0; i < n; i++) {
            size_t at = (size_t)i * (size_t)o + (size_t)j;
            gap_add(&mean, single->mean[at], exact->mean[at]);
            gap_add(&std, single->std[at], exact->std[at]);
        }
        out->mean = fmax(out->mean, gap_relative(&mean, mean.low));
        out->std = fmax(out->std, gap_relative(&std, 0.0));
    }
}

/*
 * The largest difference of a mean or a standard deviation, as a share of the standard deviation at
 * the same point; infinity where that is 0 and something differs.
 */
static double find_share(const struct predict_result *rounded, const struct predict_result *exact,
                         size_t count)
{
    double share = 0.0;
    for (size_t c = 0; c < count; c++) {
        double difference =
            fmax(fabs(rounded->mean[c] - exact->mean[c]), fabs(rounded->std[c] - exact->std[c]));
        if (difference > 0.0) {
            share = fmax(share, exact->std[c] > 0.0 ? difference / exact->std[c] : INFINITY);
        }
    }
    return share;
}

/* Predicts with the plan in place of the model's own; of a field, its coefficients. */
static enum err_code predict_by(const struct model *model, const struct plan *plan,
                                const struct predict_request *req, struct arena *arena,
                                struct predict_result *out, struct err *err)
{
    struct model own = *model;
    if (model->reduction != NULL) {
        model_view_coefficients(model, &own);
    }
    own.plan = *plan;
    return predict_run(&own, req, arena, out, err);
}

/* Compares two plans of the model: its float32_error, and *share by find_share. */
static enum err_code compare_plans(struct model *model, const struct plan *rounded,
                                   const struct plan *exact, double *share, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct predict_result of_rounded;
    struct predict_result of_exact;
    int n = count_points(model);
    double *x = arena_alloc_array(&arena, (size_t)n * (size_t)model->d, sizeof *x);
    if (x == NULL) {
        err_set(err, ERR_NOMEM, "no memory to measure the precision");
        goto done;
    }
    choose_points(model, n, x);
    const struct predict_request req = {
        .n = n, .x = x, .want = PREDICT_MEAN | PREDICT_STD, .n_threads = 1};
    if (predict_by(model, rounded, &req, &arena, &of_rounded, err) == ERR_OK &&
        predict_by(model, exact, &req, &arena, &of_exact, err) == ERR_OK) {
        int o = model->reduction != NULL ? model->reduction->k : model->o;
        find_largest_errors(&of_rounded, &of_exact, n, o, &model->float32_error);
        *share = find_share(&of_rounded, &of_exact, (size_t)n * (size_t)o);
    }
done:
    arena_release(&arena);
    return err->code;
}

static enum err_code measure_float32_error(struct model *model, struct err *err)
{
    struct plan exact = {.packs = NULL};
    double share;
    if (plan_init(&exact, &model->net, model->m, model->draws, PRECISION_FLOAT64, err) == ERR_OK) {
        err_kept(compare_plans(model, &model->plan, &exact, &share, err));
    }
    plan_release(&exact);
    return err->code;
}

/* Is one row bound by the reading of weights, and does its answer depend on the plan at all? */
static bool may_be_mixed(const struct model *model)
{
    size_t bytes = (size_t)model->m * model->net.pack_size * sizeof(double);
    bool linear = model->gaussian.n_members > 0 && model->gaussian.linearised;
    return model->plan.lanes == NULL && !linear && model->m > 1 && bytes >= PRECISION_MIXED_BYTES;
}

/*
 * The model is served in float64 so far. Anything that goes wrong, such as a lack of memory for
 * both plans, leaves it so.
 */
static void choose_precision(struct model *model)
{
    struct err ignored = ERR_INIT;
    struct plan mixed = {.packs = NULL};
    const struct plan exact = model->plan;
    double share = INFINITY;
    if (!may_be_mixed(model)) {
        return;
    }
    enum mem_kind kind = mem_kind_use(MEM_MODELS);
    bool measured = plan_init(&mixed, &model->net, model->m, model->draws, PRECISION_MIXED,
                              &ignored) == ERR_OK &&
                    compare_plans(model, &mixed, &exact, &share, &ignored) == ERR_OK;
    mem_kind_use(kind);
    if (measured && share <= PRECISION_MAX_SHARE) {
        model->plan = mixed;
        model->precision = PRECISION_MIXED;
        mixed = exact;
    } else {
        model->float32_error = (struct model_float32_error){.mean = 0.0};
    }
    plan_release(&mixed);
}

enum err_code precision_publish(struct model *model, struct err *err)
{
    bool automatic = model->precision == PRECISION_AUTO;
    if (model_publish(model, err) != ERR_OK) {
        return err->code;
    }
    if (automatic) {
        choose_precision(model);
        return ERR_OK;
    }
    return model->precision != PRECISION_FLOAT64 ? measure_float32_error(model, err) : ERR_OK;
}
