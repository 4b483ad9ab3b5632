/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some of the outputs of a model that computes them all: its answer is computed whole and the
 * outputs that were asked for are copied from it, so that an answer has the same bits with and
 * without a choice. Outputs that are decoded do not come here (predict_field.h).
 */
#include "predict/predict_priv.h"

#include <string.h>

struct predict_chosen {
    struct predict_request whole;
    struct predict_result out;
    struct predict_call call;
};

struct predict_request predict_chosen_whole(const struct predict_request *req)
{
    struct predict_request whole = *req;
    whole.n_outputs = 0;
    whole.outputs = NULL;
    return whole;
}

enum err_code predict_chosen_begin(struct predict_call *call, struct arena *arena, struct err *err)
{
    struct predict_chosen *chosen = arena_zalloc_array(arena, 1, sizeof *chosen);
    if (chosen == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a prediction");
    }
    chosen->whole = predict_chosen_whole(call->req);
    call->chosen = chosen;
    return predict_begin(&chosen->call, call->model, &chosen->whole, arena, &chosen->out, err);
}

enum err_code predict_chosen_tile(const struct predict_call *call, int tile, struct arena *scratch,
                                  struct err *err)
{
    return predict_tile(&call->chosen->call, tile, scratch, err);
}

/* to [outer x some x inner] <- the chosen ones of from [outer x all x inner]. */
struct axis {
    size_t outer, all, inner;
    const int *chosen;
    size_t some;
};

static void copy_axis(const struct axis *axis, const double *from, double *to)
{
    for (size_t i = 0; i < axis->outer; i++) {
        for (size_t j = 0; j < axis->some; j++) {
            memcpy(to, from + (i * axis->all + (size_t)axis->chosen[j]) * axis->inner,
                   axis->inner * sizeof *to);
            to += axis->inner;
        }
    }
}

/* A row's outputs by each other. */
static void copy_pairs(const struct axis *axis, const double *from, double *to)
{
    for (size_t i = 0; i < axis->outer; i++) {
        for (size_t a = 0; a < axis->some; a++) {
            const double *row = from + (i * axis->all + (size_t)axis->chosen[a]) * axis->all;
            for (size_t b = 0; b < axis->some; b++) {
                *to++ = row[axis->chosen[b]];
            }
        }
    }
}

static void copy_result(const struct predict_call *call, enum predict_index index)
{
    const struct predict_request *req = call->req;
    const double *from = call->chosen->out.at[index];
    double *to = call->out->at[index];
    size_t n = (size_t)req->n;
    struct axis axis = {.outer = n,
                        .all = (size_t)call->model->o,
                        .inner = 1,
                        .chosen = req->outputs,
                        .some = (size_t)req->n_outputs};
    struct predict_dims dims = predict_result_dims(index, call->model, req);
    switch (predict_kinds[index].shape) {
    case PREDICT_SHAPE_N_O:
        break;
    case PREDICT_SHAPE_LEVELS_N_O:
    case PREDICT_SHAPE_TOTAL_LEVELS_N_O:
    case PREDICT_SHAPE_SAMPLES_N_O:
    case PREDICT_SHAPE_ENDS_N_O:
        axis.outer = dims.size[0] * n;
        break;
    case PREDICT_SHAPE_O_N_N:
        axis.outer = 1;
        axis.inner = n * n;
        break;
    case PREDICT_SHAPE_PAIR_N_O_D:
        axis.outer = 2 * n;
        axis.inner = (size_t)call->model->d;
        break;
    case PREDICT_SHAPE_N_O_O:
        copy_pairs(&axis, from, to);
        return;
    case PREDICT_SHAPE_PAIR_N:
        memcpy(to, from, 2 * n * sizeof *to);
        return;
    }
    copy_axis(&axis, from, to);
}

enum err_code predict_chosen_end(struct predict_call *call, struct arena *arena, struct err *err)
{
    if (predict_end(&call->chosen->call, arena, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (call->out->at[i] != NULL) {
            copy_result(call, (enum predict_index)i);
        }
    }
    return ERR_OK;
}
