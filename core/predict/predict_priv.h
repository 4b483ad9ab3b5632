/* SPDX-License-Identifier: Apache-2.0 */
/* What predict.c shares with predict_tile.c, which computes from draws, and with predict_linear.c,
 * which computes in closed form. */
#ifndef PREDICT_PRIV_H
#define PREDICT_PRIV_H

#include "predict/predict.h"

/* Is the model predicted through the derivatives at the means of its Gaussians? */
static inline bool predict_is_linear(const struct model *model)
{
    return model->gaussian.n_members > 0 && model->gaussian.linearised;
}

/* Part two of out->jacobian [n x o x d], of the standard deviation; part one is of the mean. */
static inline double *predict_jacobian_std(const struct predict_call *call)
{
    return call->out->jacobian +
           (size_t)call->req->n * (size_t)call->model->o * (size_t)call->model->d;
}

/* Rows of a tile. */
struct predict_span {
    size_t first;
    size_t rows;
};

/*
 * How n rows are divided. From draws, tiles have PLAN_TILE_ROWS rows, but for the last two of an
 * even number: these are of one size. The last rows are divided so that the number is even, so two
 * threads have equal shares. In closed form tiles have predict_linear_rows rows.
 */
int predict_n_tiles(const struct model *model, int n);
struct predict_span predict_tile_span(const struct predict_call *call, int tile);

/* Scratch of a tile; *ok becomes false when memory is short. */
static inline double *predict_scratch(struct arena *arena, size_t count, bool *ok)
{
    double *block = arena_alloc_array(arena, count, sizeof *block);
    *ok = *ok && block != NULL;
    return block;
}

/* The results that a call makes: those that are wanted, and those that others follow from. */
static inline unsigned predict_needed(const struct predict_request *req)
{
    unsigned needed = req->want | PREDICT_MEAN | PREDICT_VARIANCE;
    if (req->samples_alone) {
        return PREDICT_SAMPLES;
    }
    return req->want & PREDICT_INTERVALS ? needed | PREDICT_TOTAL_VARIANCE : needed;
}

/* What a predicted standard deviation of an output is multiplied with to be in the user's unit.
 * Scalers are linear here: model_publish refuses logarithmic ones with predicted noise. */
static inline double predict_noise_scale(const struct predict_call *call, size_t output)
{
    const struct scaler *s = &call->scalers[output];
    return s->kind != SCALER_NONE ? s->scale : 1.0;
}

/* order [m] <- the draws in the order in which a seed chooses samples. */
void predict_order_draws(int m, uint64_t seed, int *order);

/* Is the product of up to four factors at most PREDICT_MAX_VALUES? */
bool predict_fits(size_t a, size_t b, size_t c, size_t d);

/*
 * Sums over `count` draws of the scaled noise variance in call->noise become their mean in the
 * user's units. Does nothing when no noise was asked for.
 */
void predict_noise_finish(const struct predict_call *call, size_t first, size_t rows, int count);

/* ---- some outputs of a model that computes all (predict_chosen.c) ---- */

/* Has the request a slice that must be copied? */
static inline bool predict_is_chosen(const struct model *model, const struct predict_request *req)
{
    return req->n_outputs > 0 && model->reduction == NULL && req->derivative == NULL;
}

/* The same request of all outputs. */
struct predict_request predict_chosen_whole(const struct predict_request *req);

/* Sets call->chosen; the results have been allocated. Errors of predict_begin. */
enum err_code predict_chosen_begin(struct predict_call *call, struct arena *arena,
                                   struct err *err) MUST_CHECK;
enum err_code predict_chosen_tile(const struct predict_call *call, int tile, struct arena *scratch,
                                  struct err *err) MUST_CHECK;
enum err_code predict_chosen_end(struct predict_call *call, struct arena *arena,
                                 struct err *err) MUST_CHECK;

/* ---- from draws ---- */

/* Is what a tile keeps of every draw within the limit? */
bool predict_tile_fits(const struct model *model, const struct predict_request *req);

enum err_code predict_draws_tile(const struct predict_call *call, int tile, struct arena *scratch,
                                 struct err *err) MUST_CHECK;

/* ---- in closed form ---- */

/*
 * Rows of a tile: three vectors of the widest unit, the columns of a register block of its kernels.
 * A row costs as much as thousands of rows of one draw, so tiles are small: other calls have their
 * turn in between, and a request of a hundred rows has work for several threads.
 */
#define PREDICT_LINEAR_TILE        24
#define PREDICT_LINEAR_TILE_SINGLE 48 /* of products in float: as many vectors */

static inline int predict_linear_rows(const struct model *model)
{
    return model->plan.precision == PRECISION_FLOAT32 ? PREDICT_LINEAR_TILE_SINGLE
                                                      : PREDICT_LINEAR_TILE;
}

/* Refuses what only this way of predicting cannot answer: ERR_INVALID, ERR_LIMIT. */
enum err_code predict_linear_check(const struct model *model, const struct predict_request *req,
                                   struct err *err) MUST_CHECK;

/* Numbers that the covariance between n rows keeps in call->values. */
size_t predict_linear_values(const struct model *model, int n);

/* Multiplications for one row, roughly. */
double predict_linear_work(const struct model *model, unsigned want);

/* Once, when the result has been allocated: normal quantiles of the levels. ERR_NOMEM. */
enum err_code predict_linear_begin(struct predict_call *call, struct arena *arena,
                                   struct err *err) MUST_CHECK;

enum err_code predict_linear_tile(const struct predict_call *call, int tile, struct arena *scratch,
                                  struct err *err) MUST_CHECK;

/* Makes out->covariance_rows; overwrites call->values. */
void predict_linear_row_covariance(const struct predict_call *call);

#endif
