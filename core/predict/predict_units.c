/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict_units.h"

#include <math.h>

#define MAX_SQUARE 480 /* exponents of outputs whose squares are numbers with all their digits */
#define LOG10_2    0.30102999566398119521

/* Results in the output's unit squared, or in the product of two. */
#define SQUARES                                                                                    \
    (PREDICT_VARIANCE | PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE |                          \
     PREDICT_COVARIANCE_OUTPUTS | PREDICT_COVARIANCE_ROWS)

/* The variance of a constant is 0 in any unit, unless it has noise. */
static bool never_varies(const struct model *model, int output)
{
    bool noise =
        model->noise_predicted || (model->noise_sigma != NULL && model->noise_sigma[output] > 0.0);
    return scaler_is_constant(&model->out[output]) && !noise;
}

/* The first output whose square is no number; -1: there is none. */
static int find_without_square(const struct model *model)
{
    for (int j = 0; model->exponents != NULL && j < model->o; j++) {
        if (never_varies(model, j)) {
            continue;
        }
        if (model->exponents[j] > MAX_SQUARE || model->exponents[j] < -MAX_SQUARE) {
            return j;
        }
    }
    return -1;
}

bool predict_units_have_squares(const struct model *model)
{
    return find_without_square(model) < 0;
}

enum err_code predict_units_check(const struct model *model, const struct predict_request *req,
                                  struct err *err)
{
    if (!(req->want & SQUARES) || req->in_units) {
        return ERR_OK;
    }
    int j = find_without_square(model);
    if (j < 0) {
        return ERR_OK;
    }
    const char *name = model->output_names != NULL ? model->output_names[j] : NULL;
    return err_set(err, ERR_INVALID,
                   "output %d%s%.40s%s is of the order of 1e%.0f, whose square is no number of "
                   "double precision: ask for std, quantiles or intervals in place of variances, "
                   "or train on another unit",
                   j, name != NULL ? ", \"" : "", name != NULL ? name : "",
                   name != NULL ? "\"," : "", round(model->exponents[j] * LOG10_2));
}

enum err_code predict_units_begin(struct predict_call *call, struct arena *arena, struct err *err)
{
    const struct model *model = call->model;
    call->scalers = model->out;
    if (model->exponents == NULL) {
        return ERR_OK;
    }
    struct scaler *scalers = arena_alloc_array(arena, (size_t)model->o, sizeof *scalers);
    if (scalers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a prediction");
    }
    for (int j = 0; j < model->o; j++) {
        scalers[j] = scaler_in_units(&model->out[j], model->exponents[j]);
    }
    call->scalers = scalers;
    return ERR_OK;
}

/* An array with the outputs of an element `inner` numbers apart; `between`: and with the outputs
 * that those are multiplied with, next to each other. */
struct layout {
    size_t count, inner;
    bool between;
    int power;
};

static void find_layout(const struct predict_call *call, enum predict_index index,
                        struct layout *out)
{
    const struct model *model = call->model;
    size_t n = (size_t)call->req->n;
    struct predict_dims dims = predict_result_dims(index, model, call->req);
    *out = (struct layout){.count = 1, .inner = 1, .power = (SQUARES >> index & 1) ? 2 : 1};
    for (int k = 0; k < dims.rank; k++) {
        out->count *= dims.size[k];
    }
    switch (predict_kinds[index].shape) {
    case PREDICT_SHAPE_N_O:
    case PREDICT_SHAPE_LEVELS_N_O:
    case PREDICT_SHAPE_TOTAL_LEVELS_N_O:
    case PREDICT_SHAPE_SAMPLES_N_O:
    case PREDICT_SHAPE_ENDS_N_O:
        break;
    case PREDICT_SHAPE_N_O_O:
        out->inner = (size_t)model->o;
        out->between = true;
        break;
    case PREDICT_SHAPE_O_N_N:
        out->inner = n * n;
        break;
    case PREDICT_SHAPE_PAIR_N_O_D:
        out->inner = (size_t)model->d;
        break;
    case PREDICT_SHAPE_PAIR_N: /* has no output's unit */
        out->count = 0;
        break;
    }
}

static enum err_code convert(const struct predict_call *call, enum predict_index index,
                             struct err *err)
{
    const struct model *model = call->model;
    size_t o = (size_t)model->o;
    double *values = call->out->at[index];
    bool wanted = (call->req->want >> index & 1) != 0;
    struct layout layout;
    find_layout(call, index, &layout);
    for (size_t c = 0; c < layout.count; c++) {
        size_t j = c / layout.inner % o;
        int exponent = layout.between ? model->exponents[j] + model->exponents[c % o]
                                      : layout.power * model->exponents[j];
        values[c] = ldexp(values[c], exponent);
        if (wanted && !isfinite(values[c])) {
            return err_set(err, ERR_NUMERIC, "%s of output %zu is beyond the largest number",
                           predict_kinds[index].name, j);
        }
    }
    return ERR_OK;
}

enum err_code predict_units_end(const struct predict_call *call, struct err *err)
{
    if (call->model->exponents == NULL) {
        return ERR_OK;
    }
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        bool stays = call->req->in_units && i != PREDICT_INDEX_INTERVALS;
        if (call->out->at[i] != NULL && !stays &&
            convert(call, (enum predict_index)i, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}
