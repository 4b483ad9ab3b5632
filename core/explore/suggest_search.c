/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/search.h"
#include "explore/suggest_priv.h"
#include "predict/derivative.h"
#include "predict/predict.h"

#include <math.h>
#include <string.h>

#define STARTS             4  /* with gradients; half of them without */
#define EVALUATIONS        60 /* of a search with gradients .. */
#define EVALUATIONS_BY_ONE 15 /* .. and without, for each real input */
#define MAX_EVALUATIONS    300

/* A search for one point of a batch. */
struct move {
    const struct suggest_task *task;
    double unit;        /* the size of values, so that the search sees numbers near 1 */
    struct arena arena; /* of one evaluation; cleared by the next */
    struct spread here; /* of the point that was evaluated last; in the arena */
    double feasible;
    double score;
};

static enum err_code find_here(struct move *move, const double *x, struct err *err)
{
    const struct suggest_task *task = move->task;
    struct predict_result result;
    const struct spread_points points = {.n = 1,
                                         .x = x,
                                         .n_outputs = task->spec->n_outputs,
                                         .outputs = task->spec->outputs,
                                         .n_threads = 1,
                                         .cancel = task->spec->cancel};
    const struct predict_request req = {.n = 1, .x = x, .want = PREDICT_FEASIBLE, .n_threads = 1};
    double square[SUGGEST_MAX_OUTPUTS * SUGGEST_MAX_OUTPUTS];
    arena_clear(&move->arena);
    move->feasible = NAN;
    if (spread_make(task->model, &points, &move->arena, &move->here, err) != ERR_OK) {
        return err->code;
    }
    spread_condition(&move->here, &task->history);
    if (task->model->feasible != NULL) {
        if (predict_run(task->model, &req, &move->arena, &result, err) != ERR_OK) {
            return err->code;
        }
        move->feasible = result.feasible[0];
    }
    move->score = criterion_score(&task->rule, &move->here, 0, square);
    return ERR_OK;
}

static enum err_code move_value(void *ctx, const double *x, double *values, double *gradients,
                                struct err *err)
{
    struct move *move = ctx;
    if (find_here(move, x, err) == ERR_OK) {
        values[0] = -suggest_value(move->task, move->score, move->feasible, 1.0) / move->unit;
    }
    return err->code;
}

/* The same with its gradient, by the exact ones of mean and standard deviation. */
static enum err_code move_slope(void *ctx, const double *x, double *values, double *gradients,
                                struct err *err)
{
    struct move *move = ctx;
    const struct model *model = move->task->model;
    struct predict_result result;
    const struct predict_request req = {
        .n = 1, .x = x, .want = PREDICT_JACOBIAN | PREDICT_STD, .n_threads = 1};
    size_t output = (size_t)move->task->spec->outputs[0];
    size_t d = (size_t)model->d;
    double by_mean;
    double by_std;
    arena_clear(&move->arena);
    if (predict_run(model, &req, &move->arena, &result, err) != ERR_OK) {
        return err->code;
    }
    const double *of_mean = result.jacobian + output * d;
    const double *of_std = result.jacobian + ((size_t)model->o + output) * d;
    double score = criterion_slopes(&move->task->rule, result.mean[output], result.std[output],
                                    &by_mean, &by_std);
    values[0] = -suggest_value(move->task, score, NAN, 1.0) / move->unit;
    for (size_t j = 0; j < d; j++) {
        gradients[j] = -(by_mean * of_mean[j] + by_std * of_std[j]) / move->unit;
    }
    return ERR_OK;
}

/* Puts the point of `here` into the pool, in the place of candidate i. */
static void take_place(struct suggest_task *task, const struct move *move, const double *x, int i)
{
    size_t o = (size_t)task->spread.o;
    size_t d = (size_t)task->model->d;
    memcpy(task->x + (size_t)i * d, x, d * sizeof *x);
    memcpy(task->spread.mean + (size_t)i * o, move->here.mean, o * sizeof *x);
    memcpy(task->spread.noise + (size_t)i * o, move->here.noise, o * sizeof *x);
    memcpy(spread_row(&task->spread, i, 0), move->here.a, o * task->spread.width * sizeof *x);
}

struct best_move {
    double value;
    int candidate; /* the start; -1: none is better than the candidates */
    double *x;     /* [d] */
};

static enum err_code search_from(struct suggest_task *task, struct move *move,
                                 const struct search *search, int start, struct best_move *best,
                                 struct err *err)
{
    size_t d = (size_t)task->model->d;
    double value;
    double *x = arena_alloc_array(task->arena, d, sizeof *x);
    if (x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    memcpy(x, task->x + (size_t)start * d, d * sizeof *x);
    if (search_run(search, x, &value, task->arena, err) != ERR_OK) {
        return err->code;
    }
    /* A point outside of the constraints may have been left by rounding. */
    if (value < best->value && region_holds(task->region, x)) {
        best->value = value;
        best->candidate = start;
        best->x = x;
    }
    return ERR_OK;
}

static struct search make_search(const struct suggest_task *task, struct move *move)
{
    bool exact = task->history.n == 0 && task->feasible == NULL &&
                 criterion_has_slopes(task->spec) && !model_has_categories(task->model);
    int by_one = EVALUATIONS_BY_ONE * (1 + task->region->n_free);
    return (struct search){.region = task->region,
                           .fn = exact ? move_slope : move_value,
                           .ctx = move,
                           .has_gradients = exact,
                           .max_evaluations =
                               exact ? EVALUATIONS
                                     : (by_one < MAX_EVALUATIONS ? by_one : MAX_EVALUATIONS)};
}

/* Leaves out the candidates near a start. u: scratch [2 x n_free]. */
static void leave_out(const struct suggest_task *task, int start, double *u, bool *out)
{
    size_t d = (size_t)task->model->d;
    double *v = u + task->region->n_free;
    region_unit(task->region, task->x + (size_t)start * d, u);
    for (int i = 0; i < task->spec->n_candidates; i++) {
        region_unit(task->region, task->x + (size_t)i * d, v);
        out[i] = out[i] || i == start || region_is_near(task->region, u, v);
    }
}

enum err_code suggest_improve(struct suggest_task *task, int *found, double *feasible,
                              struct err *err)
{
    struct move move = {.task = task, .arena = ARENA_INIT};
    struct search search = make_search(task, &move);
    double top = suggest_value(task, task->scores[*found], *feasible, 1.0);
    struct best_move best = {.candidate = -1};
    bool *out = arena_zalloc_array(task->arena, (size_t)task->spec->n_candidates, sizeof *out);
    double *u = arena_alloc_array(task->arena, 2 * (size_t)task->model->d, sizeof *u);
    if (out == NULL || u == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    move.unit = top > 0.0 ? top : 1.0;
    best.value = -top / move.unit;
    int start = *found;
    for (int k = 0; k < STARTS && start >= 0 && err->code == ERR_OK; k++) {
        if (search_from(task, &move, &search, start, &best, err) == ERR_OK) {
            leave_out(task, start, u, out);
            start = suggest_best(task, out);
        }
    }
    if (err->code == ERR_OK && best.candidate >= 0 && find_here(&move, best.x, err) == ERR_OK) {
        take_place(task, &move, best.x, best.candidate);
        *found = best.candidate;
        *feasible = move.feasible;
    }
    arena_release(&move.arena);
    return err->code;
}
