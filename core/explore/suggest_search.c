/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/search.h"
#include "explore/spread_slope.h"
#include "explore/suggest_priv.h"
#include "predict/predict.h"

#include <math.h>
#include <string.h>

#define STARTS             4
#define EVALUATIONS        60 /* of a search with gradients .. */
#define EVALUATIONS_BY_ONE 15 /* .. and without, for each real input */
#define MAX_EVALUATIONS    300

/* A search for one point of a batch. */
struct move {
    const struct suggest_task *task;
    bool exact;         /* with gradients */
    double unit;        /* the size of values, so that the search sees numbers near 1 */
    struct arena arena; /* of one evaluation; cleared by the next */
    struct arena kept;  /* of all that follows */
    struct spread raw;  /* of the point that was evaluated last; in `arena` */
    struct spread here; /* the same, conditioned as task->sight is */
    double *dots;       /* [seen->n] its products with the observations */
    double *shift;      /* [OUTLOOK_FUTURES] of its mean */
    double *square;     /* [2 x o x o] */
    double feasible;
    double score;
    struct spread_slope slope;
    struct spread_slope feasible_slope;
    struct criterion_slope by;
    double *by_dots;     /* [seen->n] */
    double *of_score;    /* [d] */
    double *of_feasible; /* [d] */
};

static struct scored here_of(const struct move *move)
{
    const double *shift = move->task->outlook.n > 0 ? move->shift : NULL;
    return (struct scored){&move->here, 0, shift, move->square};
}

/* Finds the spread at x, and conditions it. */
static enum err_code look_at(struct move *move, const double *x, struct err *err)
{
    const struct suggest_task *task = move->task;
    size_t o = (size_t)task->spread.o;
    const struct spread_points points = {.n = 1,
                                         .x = x,
                                         .n_outputs = task->spec->n_outputs,
                                         .outputs = task->spec->outputs,
                                         .n_threads = 1,
                                         .cancel = task->spec->cancel};
    if (cancel_is_requested(task->spec->cancel)) {
        return err_set(err, ERR_CANCELLED, "the search was cancelled");
    }
    arena_clear(&move->arena);
    if (spread_make(task->model, &points, &move->arena, &move->raw, err) != ERR_OK) {
        return err->code;
    }
    double *a = move->here.a;
    move->here = move->raw;
    move->here.a = a;
    memcpy(a, move->raw.a, o * move->raw.width * sizeof *a);
    spread_condition(&move->here, task->seen, o == 1 ? move->dots : NULL);
    if (task->outlook.n > 0) {
        outlook_shift(&task->outlook, task->seen, move->dots, move->shift);
    }
    return ERR_OK;
}

static enum err_code find_feasible(struct move *move, const double *x, struct err *err)
{
    struct predict_result result;
    const struct predict_request req = {.n = 1, .x = x, .want = PREDICT_FEASIBLE, .n_threads = 1};
    move->feasible = NAN;
    if (move->task->model->feasible != NULL &&
        predict_run(move->task->model, &req, &move->arena, &result, err) == ERR_OK) {
        move->feasible = result.feasible[0];
    }
    return err->code;
}

static enum err_code find_here(struct move *move, const double *x, struct err *err)
{
    if (look_at(move, x, err) == ERR_OK && find_feasible(move, x, err) == ERR_OK) {
        const struct scored at = here_of(move);
        move->score = criterion_score(&move->task->rule, &at);
    }
    return err->code;
}

/* The same, with the derivatives of the score and of the probability. */
static enum err_code find_slopes(struct move *move, const double *x, struct err *err)
{
    const struct suggest_task *task = move->task;
    size_t width = task->spread.width;
    if (look_at(move, x, err) != ERR_OK) {
        return err->code;
    }
    const struct scored at = here_of(move);
    const double *by_dots = NULL;
    move->score = criterion_score_slope(&task->rule, &at, &move->by);
    if (task->outlook.n > 0) {
        outlook_shift_back(&task->outlook, task->seen, move->by.by_shift, move->by_dots);
        by_dots = move->by_dots;
    }
    for (int q = 0; q < task->spread.o; q++) {
        spread_condition_back(task->seen, width, by_dots, move->by.by_row + (size_t)q * width);
    }
    const struct spread_adjoint adjoint = {task->spread.o, task->spec->outputs, move->by.by_mean,
                                           move->by.by_row};
    move->feasible = NAN;
    if (spread_slope_find(&move->slope, x, &adjoint, move->of_score, err) == ERR_OK &&
        task->model->feasible != NULL) {
        err_kept(spread_slope_feasible(&move->feasible_slope, x, &move->feasible, move->of_feasible,
                                       err));
    }
    return err->code;
}

static enum err_code move_value(void *ctx, const double *x, double *values, double *gradients,
                                struct err *err)
{
    struct move *move = ctx;
    const struct suggest_task *task = move->task;
    if ((gradients != NULL ? find_slopes(move, x, err) : find_here(move, x, err)) != ERR_OK) {
        return err->code;
    }
    bool certain = isnan(move->feasible);
    double height = move->score - task->base;
    values[0] = -suggest_value(task, move->score, move->feasible, 1.0) / move->unit;
    for (int j = 0; gradients != NULL && j < task->model->d; j++) {
        double slope = certain ? move->of_score[j]
                               : move->feasible * move->of_score[j] + height * move->of_feasible[j];
        gradients[j] = -slope / move->unit;
    }
    return ERR_OK;
}

static bool has_gradients(const struct suggest_task *task)
{
    bool noise = task->model->noise_predicted && criterion_needs_noise(task->spec->criterion);
    return !noise && !model_has_categories(task->model);
}

static enum err_code move_init(struct move *move, struct err *err)
{
    const struct suggest_task *task = move->task;
    size_t o = (size_t)task->spread.o;
    size_t d = (size_t)task->model->d;
    size_t n = (size_t)task->seen->room;
    size_t rows = o * task->spread.width;
    double *numbers = arena_alloc_array(
        &move->kept, 2 * rows + 2 * n + 2 * OUTLOOK_FUTURES + 2 * o * o + 2 * d + o,
        sizeof *numbers);
    if (numbers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    move->here.a = numbers;
    move->by.by_row = numbers + rows;
    move->dots = move->by.by_row + rows;
    move->by_dots = move->dots + n;
    move->shift = move->by_dots + n;
    move->by.by_shift = move->shift + OUTLOOK_FUTURES;
    move->square = move->by.by_shift + OUTLOOK_FUTURES;
    move->of_score = move->square + 2 * o * o;
    move->of_feasible = move->of_score + d;
    move->by.by_mean = move->of_feasible + d;
    move->exact = has_gradients(task);
    if (move->exact && spread_slope_init(&move->slope, task->model, &move->kept, err) == ERR_OK &&
        task->model->feasible != NULL) {
        err_kept(spread_slope_init(&move->feasible_slope, task->model->feasible, &move->kept, err));
    }
    return err->code;
}

static void move_release(struct move *move)
{
    spread_slope_release(&move->slope);
    spread_slope_release(&move->feasible_slope);
    arena_release(&move->kept);
    arena_release(&move->arena);
}

/* Puts the rows of a point into a pool, in the place of candidate i. */
static void put_rows(struct spread *pool, const struct spread *point, int i)
{
    size_t o = (size_t)pool->o;
    memcpy(spread_row(pool, i, 0), point->a, o * pool->width * sizeof *point->a);
}

/* Puts the point that was found last into the pool, in the place of candidate i. */
static void take_place(struct suggest_task *task, struct move *move, const double *x, int i)
{
    size_t o = (size_t)task->spread.o;
    size_t d = (size_t)task->model->d;
    memcpy(task->x + (size_t)i * d, x, d * sizeof *x);
    memcpy(task->spread.mean + (size_t)i * o, move->raw.mean, o * sizeof *x);
    memcpy(task->spread.noise + (size_t)i * o, move->raw.noise, o * sizeof *x);
    put_rows(task->sight, &move->here, i);
    if (task->sight != &task->spread) {
        spread_condition(&move->raw, &task->history, NULL);
        put_rows(&task->spread, &move->raw, i);
    }
    if (task->outlook.n > 0) {
        memcpy(task->outlook.shift + (size_t)i * OUTLOOK_FUTURES, move->shift,
               OUTLOOK_FUTURES * sizeof *x);
    }
}

struct best_move {
    double value;
    int candidate; /* the start; -1: none is better than the candidates */
    double *x;     /* [d] */
};

static enum err_code search_from(const struct suggest_task *task, struct move *move,
                                 const struct search *search, int start, struct best_move *best,
                                 struct err *err)
{
    size_t d = (size_t)task->model->d;
    double value;
    double *x = arena_alloc_array(&move->kept, d, sizeof *x);
    if (x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    memcpy(x, task->x + (size_t)start * d, d * sizeof *x);
    if (search_run(search, x, &value, &move->kept, err) != ERR_OK) {
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
    int by_one = EVALUATIONS_BY_ONE * (1 + task->region->n_free);
    int blind = by_one < MAX_EVALUATIONS ? by_one : MAX_EVALUATIONS;
    return (struct search){.region = task->region,
                           .fn = move_value,
                           .ctx = move,
                           .has_gradients = move->exact,
                           .max_evaluations = move->exact ? EVALUATIONS : blind};
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

/* Searches from the best candidates that are not close to each other. */
static enum err_code search_all(struct suggest_task *task, struct move *move, int start,
                                struct best_move *best, struct err *err)
{
    struct search search = make_search(task, move);
    bool *out = arena_zalloc_array(&move->kept, (size_t)task->spec->n_candidates, sizeof *out);
    double *u = arena_alloc_array(&move->kept, 2 * (size_t)task->model->d, sizeof *u);
    if (out == NULL || u == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    for (int k = 0; k < STARTS && start >= 0 && err->code == ERR_OK; k++) {
        if (search_from(task, move, &search, start, best, err) == ERR_OK) {
            leave_out(task, start, u, out);
            start = suggest_best(task, out);
        }
    }
    return err->code;
}

enum err_code suggest_improve(struct suggest_task *task, int *found, double *feasible,
                              struct err *err)
{
    struct move move = {.task = task, .arena = ARENA_INIT, .kept = ARENA_INIT};
    double top = suggest_value(task, task->scores[*found], *feasible, 1.0);
    struct best_move best = {.candidate = -1};
    move.unit = top > 0.0 ? top : 1.0;
    best.value = -top / move.unit;
    if (move_init(&move, err) == ERR_OK && search_all(task, &move, *found, &best, err) == ERR_OK &&
        best.candidate >= 0 && find_here(&move, best.x, err) == ERR_OK) {
        take_place(task, &move, best.x, best.candidate);
        *found = best.candidate;
        *feasible = move.feasible;
    }
    move_release(&move);
    return err->code;
}
