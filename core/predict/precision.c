/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/precision.h"

#include "base/mem.h"
#include "base/rng.h"
#include "predict/predict.h"

#include <math.h>

/* Points at which the precisions are compared, in the user's units. */
static void choose_points(const struct model *model, double *x)
{
    struct rng rng;
    rng_init(&rng, 0, RNG_TEST, 0);
    for (int i = 0; i < PRECISION_POINTS; i++) {
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
                                const struct predict_result *exact, int o,
                                struct model_float32_error *out)
{
    *out = (struct model_float32_error){.mean = 0.0};
    for (int j = 0; j < o; j++) {
        struct gap mean = {.low = INFINITY, .high = -INFINITY};
        struct gap std = {.low = INFINITY, .high = -INFINITY};
        for (int i = 0; i < PRECISION_POINTS; i++) {
            size_t at = (size_t)i * (size_t)o + (size_t)j;
            gap_add(&mean, single->mean[at], exact->mean[at]);
            gap_add(&std, single->std[at], exact->std[at]);
        }
        out->mean = fmax(out->mean, gap_relative(&mean, mean.low));
        out->std = fmax(out->std, gap_relative(&std, 0.0));
    }
}

static enum err_code measure_float32_error(struct model *model, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct plan exact_plan = {.packs = NULL};
    struct plan single_plan = model->plan;
    struct predict_result single;
    struct predict_result exact;
    double *x = arena_alloc_array(&arena, (size_t)PRECISION_POINTS * (size_t)model->d, sizeof *x);
    if (x == NULL) {
        err_set(err, ERR_NOMEM, "no memory to measure the precision");
        goto done;
    }
    choose_points(model, x);
    struct predict_request req = {
        .n = PRECISION_POINTS, .x = x, .want = PREDICT_MEAN | PREDICT_STD, .n_threads = 1};
    if (predict_run(model, &req, &arena, &single, err) != ERR_OK ||
        plan_init(&exact_plan, &model->net, model->m, model->draws, false, err) != ERR_OK) {
        goto done;
    }
    model->plan = exact_plan;
    if (predict_run(model, &req, &arena, &exact, err) == ERR_OK) {
        find_largest_errors(&single, &exact, model->o, &model->float32_error);
    }
    model->plan = single_plan;
done:
    plan_release(&exact_plan);
    arena_release(&arena);
    return err->code;
}

enum err_code precision_publish(struct model *model, struct err *err)
{
    if (model_publish(model, err) != ERR_OK || !model->single) {
        return err->code;
    }
    return measure_float32_error(model, err);
}
