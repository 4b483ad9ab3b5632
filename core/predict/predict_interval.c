/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict_interval.h"

#include "math/moments.h"
#include "math/normal.h"

#include <math.h>

/* Multiplications that one score costs at one row: shifting it, and two selections. */
#define SCORE_WORK 12.0

struct predict_intervals {
    int *ranks;         /* [n_intervals x o] of the calibration's scores, if there is one */
    double *thresholds; /* [n_intervals x o] half widths; NULL with folds */
    bool in_std;        /* thresholds are multiples of the root of the total variance */
};

static bool is_conformal(const struct model *model)
{
    return model->conformal.method != CONFORMAL_NONE;
}

int predict_intervals_n_folds(const struct model *model)
{
    return is_conformal(model) && model->conformal.method != CONFORMAL_SPLIT
               ? model->conformal.n_folds
               : 0;
}

/* ranks [o] of a level, NULL: not wanted; those of all outputs are alike unless some have holes. */
static enum err_code find_ranks(const struct model *model, double level, int *ranks,
                                struct err *err)
{
    int rank = 0;
    for (int j = 0; is_conformal(model) && j < model->o; j++) {
        bool known = j > 0 && model->conformal.counts == NULL;
        if (!known && conformal_rank(&model->conformal, j, 1.0 - level, &rank, err) != ERR_OK) {
            return err->code;
        }
        if (ranks != NULL) {
            ranks[j] = rank;
        }
    }
    return ERR_OK;
}

enum err_code predict_intervals_check(const struct model *model, const struct predict_request *req,
                                      struct err *err)
{
    if (req->n_intervals < 1 || req->n_intervals > PREDICT_MAX_INTERVALS) {
        return err_set(err, ERR_INVALID, "%d levels of intervals, 1 to %d are needed",
                       req->n_intervals, PREDICT_MAX_INTERVALS);
    }
    for (int k = 0; k < req->n_intervals; k++) {
        double level = req->intervals[k];
        if (!(level > 0.0 && level < 1.0)) {
            return err_set(err, ERR_INVALID,
                           "intervals[%d] is %g, a level between 0 and 1 is needed", k, level);
        }
        if (find_ranks(model, level, NULL, err) != ERR_OK) {
            err_prefix(err, "intervals[%d] is %g", k, level);
            return err->code;
        }
    }
    if (predict_intervals_n_folds(model) > 0 && model->conformal.normalised &&
        model->noise_predicted) {
        return err_set(err, ERR_UNSUPPORTED,
                       "normalised intervals of folds that predict their noise are not supported");
    }
    return ERR_OK;
}

double predict_intervals_work(const struct model *model, const struct predict_request *req)
{
    double ends = predict_intervals_n_folds(model) > 0 ? (double)model->conformal.n : 1.0;
    return SCORE_WORK * ends * (double)req->n * (double)model->o * (double)req->n_intervals;
}

/* What a value in the user's unit of an output is multiplied with to be in the prediction's unit.
 */
static double unit_of(const struct model *model, int output)
{
    return ldexp(1.0, -model_exponent(model, output));
}

static enum err_code choose_thresholds(const struct predict_call *call, struct arena *arena,
                                       struct err *err)
{
    const struct conformal *c = &call->model->conformal;
    size_t o = (size_t)call->model->o;
    struct predict_intervals *in = call->intervals;
    bool split = is_conformal(call->model);
    double *scratch = split ? arena_alloc_array(arena, (size_t)c->n, sizeof *scratch) : NULL;
    in->in_std = !split || c->normalised;
    in->thresholds =
        arena_alloc_array(arena, (size_t)call->req->n_intervals * o, sizeof *in->thresholds);
    if (in->thresholds == NULL || (split && scratch == NULL)) {
        return err_set(err, ERR_NOMEM, "no memory for intervals");
    }
    for (int k = 0; k < call->req->n_intervals; k++) {
        double *thresholds = in->thresholds + (size_t)k * o;
        double half = normal_quantile(0.5 + 0.5 * call->req->intervals[k]);
        for (size_t j = 0; j < o; j++) {
            thresholds[j] = half;
        }
        if (split) {
            conformal_thresholds(c, (int)o, in->ranks + (size_t)k * o, scratch, thresholds);
        }
        for (size_t j = 0; split && !c->normalised && j < o; j++) {
            thresholds[j] *= unit_of(call->model, (int)j);
        }
    }
    return ERR_OK;
}

enum err_code predict_intervals_begin(struct predict_call *call, struct arena *arena,
                                      struct err *err)
{
    int n = call->req->n_intervals;
    size_t o = (size_t)call->model->o;
    struct predict_intervals *in = arena_zalloc_array(arena, 1, sizeof *in);
    int *ranks = arena_alloc_array(arena, (size_t)n * o, sizeof *ranks);
    if (in == NULL || ranks == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for intervals");
    }
    call->intervals = in;
    in->ranks = ranks;
    for (int k = 0; k < n; k++) {
        if (find_ranks(call->model, call->req->intervals[k], ranks + (size_t)k * o, err) !=
            ERR_OK) {
            return err->code;
        }
    }
    return predict_intervals_n_folds(call->model) > 0 ? ERR_OK
                                                      : choose_thresholds(call, arena, err);
}

enum err_code predict_intervals_end(struct predict_call *call, struct err *err)
{
    const struct predict_intervals *in = call->intervals;
    const struct predict_result *out = call->out;
    size_t all = (size_t)call->model->o;
    size_t o = (size_t)predict_n_outputs(call->model, call->req);
    size_t cells = (size_t)call->req->n * o;
    for (size_t at = 0; at < (size_t)call->req->n_intervals * cells; at++) {
        size_t c = at % cells;
        double *lower = out->intervals + at / cells * 2 * cells + c;
        double *upper = lower + cells;
        if (in->thresholds != NULL) {
            size_t output = (size_t)predict_output(call->req, (int)(c % o));
            double unit = in->in_std ? sqrt(out->total_variance[c]) : 1.0;
            double half = in->thresholds[at / cells * all + output] * unit;
            *lower = out->mean[c] - half;
            *upper = out->mean[c] + half;
        }
        if (!isfinite(*lower) || !isfinite(*upper)) {
            return err_set_at(err, ERR_NUMERIC, (int)(c / o), (int)(c % o),
                              "an interval at row %zu, output %zu is not finite", c / o, c % o);
        }
    }
    return ERR_OK;
}

/* ---- folds ---- */

bool predict_folds_init(struct predict_folds *folds, const struct predict_call *call, size_t rows,
                        struct arena *arena)
{
    const struct model *model = call->model;
    size_t n_folds = call->intervals != NULL ? (size_t)predict_intervals_n_folds(model) : 0;
    *folds = (struct predict_folds){.cells = rows * (size_t)model->o};
    if (n_folds == 0) {
        return true;
    }
    folds->n_draws = model->m / (int)n_folds;
    folds->mean = arena_alloc_array(arena, n_folds * folds->cells, sizeof *folds->mean);
    folds->m2 = arena_alloc_array(arena, n_folds * folds->cells, sizeof *folds->m2);
    folds->ends = arena_alloc_array(arena, 2 * (size_t)model->conformal.n, sizeof *folds->ends);
    return folds->mean != NULL && folds->m2 != NULL && folds->ends != NULL;
}

void predict_folds_add(struct predict_folds *folds, int draw, const double *f)
{
    size_t at = (size_t)(draw / folds->n_draws) * folds->cells;
    moments_add(draw % folds->n_draws + 1, folds->cells, f, folds->mean + at, folds->m2 + at);
}

void predict_folds_set(struct predict_folds *folds, int fold, int n_members, const double *f,
                       const double *var)
{
    double *mean = folds->mean + (size_t)fold * folds->cells;
    double *variance = folds->m2 + (size_t)fold * folds->cells;
    folds->closed = true;
    for (size_t c = 0; c < folds->cells; c++) {
        mean[c] = 0.0;
        for (int i = 0; i < n_members; i++) {
            mean[c] += f[(size_t)i * folds->cells + c] / (double)n_members;
        }
        variance[c] = 0.0;
        for (int i = 0; i < n_members; i++) {
            double gap = f[(size_t)i * folds->cells + c] - mean[c];
            variance[c] += (var[(size_t)i * folds->cells + c] + gap * gap) / (double)n_members;
        }
    }
}

/* folds->m2 becomes the root of each fold's total variance. */
static void finish_std(struct predict_folds *folds, const struct model *model)
{
    const struct conformal *c = &model->conformal;
    size_t o = (size_t)model->o;
    if (!folds->closed) {
        moments_finish(folds->n_draws, (size_t)c->n_folds * folds->cells, folds->m2);
    }
    for (size_t k = 0; k < (size_t)c->n_folds * folds->cells; k++) {
        double noise = c->fold_noise != NULL ? c->fold_noise[k / folds->cells * o + k % o] : 0.0;
        noise = ldexp(noise, -2 * model_exponent(model, (int)(k % o)));
        folds->m2[k] = sqrt(folds->m2[k] + noise);
    }
}

void predict_folds_finish(struct predict_folds *folds, const struct predict_call *call,
                          size_t first)
{
    const struct conformal *conformal = &call->model->conformal;
    size_t o = (size_t)call->model->o;
    size_t all = (size_t)call->req->n * o;
    if (conformal->normalised) {
        finish_std(folds, call->model);
    }
    for (size_t c = 0; c < folds->cells; c++) {
        struct conformal_point point = {.mean = folds->mean + c,
                                        .std = folds->m2 + c,
                                        .stride = folds->cells,
                                        .unit = unit_of(call->model, (int)(c % o))};
        int n = conformal_fold_ends(conformal, (int)o, (int)(c % o), &point, folds->ends);
        for (int k = 0; k < call->req->n_intervals; k++) {
            double interval[2];
            int rank = call->intervals->ranks[(size_t)k * o + c % o];
            conformal_fold_interval(n, rank, folds->ends, interval);
            double *lower = call->out->intervals + 2 * (size_t)k * all + first * o + c;
            lower[0] = interval[0];
            lower[all] = interval[1];
        }
    }
}
