/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One spread (spread.h) holds candidates, reference points and pending points, so that all of them
 * are conditioned together. Scores are computed by several threads, each of its own candidates, and
 * the best is taken in their order; a search runs in one thread. So the choice does not depend on
 * the number of threads.
 */
#include "explore/suggest.h"

#include "base/par.h"
#include "base/rng.h"
#include "explore/criterion.h"
#include "explore/design.h"
#include "explore/suggest_priv.h"
#include "predict/predict.h"

#include <math.h>
#include <string.h>

#define SCORE_BLOCK   64 /* candidates of a task */
#define FUTURE_WORK   30 /* multiplications that a score in one future is worth */
#define CORNERS_SHARE 4  /* at most one candidate in so many is a corner */

/* ---- what is asked ---- */

static enum err_code check_spec(const struct model *model, const struct suggest_spec *spec,
                                struct err *err)
{
    if (criterion_is_of_one(spec->criterion) && spec->n_outputs != 1) {
        return err_set(err, ERR_INVALID, "%s looks at one output, name it",
                       criterion_name(spec->criterion));
    }
    if (criterion_needs_threshold(spec->criterion) && isnan(spec->threshold)) {
        return err_set(err, ERR_INVALID, "%s needs a threshold", criterion_name(spec->criterion));
    }
    if (spec->criterion == CRITERION_D_OPTIMAL && !model_knows_noise(model)) {
        return err_set(err, ERR_INVALID,
                       "d_optimal needs the noise, which the model does not know");
    }
    if (spec->n_outputs < 1 || spec->n_outputs > SUGGEST_MAX_OUTPUTS) {
        return err_set(err, ERR_LIMIT, "%d outputs are named, 1 to %d are possible",
                       spec->n_outputs, SUGGEST_MAX_OUTPUTS);
    }
    if (spec->n < 1 || spec->n > SUGGEST_MAX_POINTS) {
        return err_set(err, ERR_LIMIT, "n must be from 1 to %d", SUGGEST_MAX_POINTS);
    }
    if (spec->n_candidates < spec->n || spec->n_candidates > SUGGEST_MAX_CANDIDATES) {
        return err_set(err, spec->n_candidates < spec->n ? ERR_INVALID : ERR_LIMIT,
                       "there are %d candidates for %d points; from n to %d are possible",
                       spec->n_candidates, spec->n, SUGGEST_MAX_CANDIDATES);
    }
    if (spec->n_pending > SUGGEST_MAX_PENDING || spec->n_references > SUGGEST_MAX_REFERENCES) {
        return err_set(err, ERR_LIMIT, "at most %d points can be pending, and %d be references",
                       SUGGEST_MAX_PENDING, SUGGEST_MAX_REFERENCES);
    }
    return ERR_OK;
}

static enum err_code check_work(const struct suggest_task *task, struct err *err)
{
    const struct suggest_spec *spec = task->spec;
    double o = spec->n_outputs;
    double width = (double)spread_width(task->model);
    double condition = 2.0 * task->n_pool * o * o * width * (spec->n + spec->n_pending);
    double score = (double)spec->n_candidates * width * o * o * spec->n;
    if (spec->criterion == CRITERION_INTEGRATED_VARIANCE) {
        score *= 1.0 + spec->n_references;
    }
    if (criterion_needs_outlook(spec->criterion)) {
        condition *= 2.0;
        score += (double)spec->n_candidates * OUTLOOK_FUTURES * FUTURE_WORK * spec->n;
    }
    if (condition + score > SUGGEST_MAX_WORK) {
        return err_set(err, ERR_LIMIT,
                       "%d points from %d candidates of a model with %.0f draws take too long; ask "
                       "for fewer points, candidates, references or outputs",
                       spec->n, spec->n_candidates, width);
    }
    return ERR_OK;
}

/* ---- the pool ---- */

static enum err_code fill_design(const struct suggest_task *task, int n, uint64_t seed, double *x,
                                 struct err *err)
{
    struct design design;
    const struct design_spec spec = {.kind = DESIGN_SOBOL,
                                     .n = n,
                                     .scrambled = true,
                                     .seed = seed,
                                     .cancel = task->spec->cancel};
    if (design_make(task->region, &spec, task->arena, &design, err) == ERR_OK) {
        memcpy(x, design.x, (size_t)n * (size_t)task->model->d * sizeof *x);
    }
    return err->code;
}

/* The last of the candidates become the corners, where these are few. */
static enum err_code put_corners(const struct suggest_task *task, struct err *err)
{
    size_t d = (size_t)task->model->d;
    double *u = arena_alloc_array(task->arena, d, sizeof *u);
    double *x = arena_alloc_array(task->arena, d * REGION_MAX_CORNERS, sizeof *x);
    if (u == NULL || x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates");
    }
    int n = region_corners(task->region, u, x);
    if (n <= task->spec->n_candidates / CORNERS_SHARE) {
        memcpy(task->x + (size_t)(task->spec->n_candidates - n) * d, x, (size_t)n * d * sizeof *x);
    }
    return ERR_OK;
}

static enum err_code fill_pool(struct suggest_task *task, struct err *err)
{
    const struct suggest_spec *spec = task->spec;
    size_t d = (size_t)task->model->d;
    bool refers = spec->criterion == CRITERION_INTEGRATED_VARIANCE;
    task->n_refs = refers ? spec->n_references : 0;
    task->n_pool = spec->n_candidates + task->n_refs + spec->n_pending;
    if (check_work(task, err) != ERR_OK) {
        return err->code;
    }
    task->x = arena_alloc_array(task->arena, (size_t)task->n_pool * d, sizeof *task->x);
    if (task->x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates");
    }
    double *refs = task->x + (size_t)spec->n_candidates * d;
    double *pending = refs + (size_t)task->n_refs * d;
    if (spec->n_pending > 0) {
        memcpy(pending, spec->pending, (size_t)spec->n_pending * d * sizeof *pending);
    }
    if (task->n_refs > 0 && fill_design(task, task->n_refs, spec->seed + 1, refs, err) != ERR_OK) {
        return err->code;
    }
    if (spec->candidates != NULL) {
        memcpy(task->x, spec->candidates, (size_t)spec->n_candidates * d * sizeof *task->x);
        return ERR_OK;
    }
    return fill_design(task, spec->n_candidates, spec->seed, task->x, err) == ERR_OK
               ? put_corners(task, err)
               : err->code;
}

static enum err_code find_feasible(struct suggest_task *task, struct err *err)
{
    struct predict_result result;
    const struct predict_request req = {.n = task->spec->n_candidates,
                                        .x = task->x,
                                        .want = PREDICT_FEASIBLE,
                                        .n_threads = task->spec->n_threads,
                                        .cancel = task->spec->cancel};
    if (task->model->feasible != NULL &&
        predict_run(task->model, &req, task->arena, &result, err) == ERR_OK) {
        task->feasible = result.feasible;
    }
    return err->code;
}

static double better_of(const struct suggest_spec *spec, double a, double b)
{
    bool a_wins = isnan(b) || (spec->maximise ? a > b : a < b);
    return a_wins ? a : b;
}

/* *best <- the best value that is known; NaN: the criterion needs none. */
static enum err_code find_best(const struct suggest_task *task, double *best, struct err *err)
{
    const struct suggest_spec *spec = task->spec;
    struct predict_result result;
    const struct predict_request req = {.n = spec->n_known,
                                        .x = spec->known,
                                        .want = PREDICT_MEAN,
                                        .n_threads = spec->n_threads,
                                        .cancel = spec->cancel};
    *best = NAN;
    if (spec->criterion != CRITERION_EXPECTED_IMPROVEMENT) {
        return ERR_OK;
    }
    *best = spec->best;
    if (isnan(*best) && spec->n_known > 0) {
        if (predict_run(task->model, &req, task->arena, &result, err) != ERR_OK) {
            return err->code;
        }
        for (int i = 0; i < spec->n_known; i++) {
            size_t at = (size_t)i * (size_t)task->model->o + (size_t)spec->outputs[0];
            *best = better_of(spec, result.mean[at], *best);
        }
    }
    for (int i = 0; isnan(spec->best) && spec->n_known == 0 && i < spec->n_candidates; i++) {
        *best = better_of(spec, task->spread.mean[i], *best);
    }
    return ERR_OK;
}

static enum err_code copy_without_noise(struct suggest_task *task, struct err *err)
{
    size_t rows = (size_t)task->spread.n * (size_t)task->spread.o;
    size_t numbers = rows * task->spread.width;
    struct spread *copy = &task->without_noise;
    if (2 * numbers > SPREAD_MAX_NUMBERS) {
        return err_set(err, ERR_LIMIT,
                       "the covariance of %d points takes more than %zu numbers; use fewer "
                       "candidates",
                       task->spread.n, SPREAD_MAX_NUMBERS);
    }
    *copy = task->spread;
    copy->a = arena_alloc_array(task->arena, numbers, sizeof *copy->a);
    copy->noise = arena_zalloc_array(task->arena, rows, sizeof *copy->noise);
    if (copy->a == NULL || copy->noise == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates");
    }
    memcpy(copy->a, task->spread.a, numbers * sizeof *copy->a);
    task->sight = copy;
    task->seen = &task->history_without_noise;
    return spread_history_init(task->seen, copy->width, task->spec->n + task->spec->n_pending,
                               task->arena, err);
}

static enum err_code make_outlook(struct suggest_task *task, struct err *err)
{
    const struct suggest_spec *spec = task->spec;
    double best;
    bool ahead = criterion_needs_outlook(spec->criterion) && spec->n + spec->n_pending > 1;
    bool noise =
        spec->criterion == CRITERION_EXPECTED_IMPROVEMENT && model_knows_noise(task->model);
    task->sight = &task->spread;
    task->seen = &task->history;
    if (find_best(task, &best, err) != ERR_OK ||
        (ahead && noise && copy_without_noise(task, err) != ERR_OK)) {
        return err->code;
    }
    return outlook_init(&task->outlook, task->n_pool, ahead ? spec->n + spec->n_pending : 0,
                        spec->seed, best, task->arena, err);
}

static enum err_code make_rule(struct suggest_task *task, struct err *err)
{
    const struct suggest_spec *spec = task->spec;
    size_t width = task->spread.width;
    double *scales = arena_alloc_array(task->arena, (size_t)spec->n_outputs, sizeof *scales);
    double *weights = arena_alloc_array(task->arena, width, sizeof *weights);
    task->weights = weights;
    if (scales == NULL || weights == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates");
    }
    for (int q = 0; q < spec->n_outputs; q++) {
        const struct scaler *out = &task->model->out[spec->outputs[q]];
        bool linear = out->kind != SCALER_NONE && out->kind != SCALER_LOG && out->scale > 0.0;
        scales[q] = linear ? out->scale : 1.0;
    }
    task->rule = (struct scoring_rule){.spec = spec,
                                       .scales = scales,
                                       .outlook = &task->outlook,
                                       .refs = &task->spread,
                                       .first_ref = spec->n_candidates,
                                       .n_refs = task->n_refs,
                                       .column_scale = sqrt(fmax(1.0, task->model->m - 1.0))};
    return make_outlook(task, err);
}

/* ---- scores ---- */

/* What is compared: of a score that may be negative, the height above the smallest one. */
double suggest_value(const struct suggest_task *task, double score, double feasible, double cost)
{
    double value = score - task->base;
    if (!isnan(feasible)) {
        value *= feasible;
    }
    return value / cost;
}

static double feasible_of(const struct suggest_task *task, int i)
{
    return task->feasible != NULL ? task->feasible[i] : NAN;
}

static double cost_of(const struct suggest_task *task, int i)
{
    return task->spec->costs != NULL ? task->spec->costs[i] : 1.0;
}

const double *suggest_shift(const struct suggest_task *task, int point)
{
    return task->outlook.n > 0 ? task->outlook.shift + (size_t)point * OUTLOOK_FUTURES : NULL;
}

static double score_of(const struct suggest_task *task, int i)
{
    double square[2 * SUGGEST_MAX_OUTPUTS * SUGGEST_MAX_OUTPUTS];
    const struct scored at = {task->sight, i, suggest_shift(task, i), square};
    return criterion_score(&task->rule, &at);
}

static enum err_code score_block(void *ctx, int worker, int block, struct err *err)
{
    const struct suggest_task *task = ctx;
    int first = block * SCORE_BLOCK;
    int end = first + SCORE_BLOCK < task->spec->n_candidates ? first + SCORE_BLOCK
                                                             : task->spec->n_candidates;
    if (cancel_is_requested(task->spec->cancel)) {
        return err_set(err, ERR_CANCELLED, "the search was cancelled");
    }
    for (int i = first; i < end; i++) {
        task->scores[i] = score_of(task, i);
        if (!isfinite(task->scores[i])) {
            return err_set(err, ERR_NUMERIC, "the score of candidate %d is not finite", i);
        }
    }
    return ERR_OK;
}

/* Scores all candidates; the best one that is not used; ERR_NUMERIC. */
static enum err_code score_all(struct suggest_task *task, struct err *err)
{
    int n_blocks = (task->spec->n_candidates + SCORE_BLOCK - 1) / SCORE_BLOCK;
    if (par_run(task->spec->n_threads, n_blocks, score_block, task, err) != ERR_OK) {
        return err->code;
    }
    task->base = 0.0;
    for (int i = 0; criterion_is_signed(task->spec->criterion) && i < task->spec->n_candidates;
         i++) {
        task->base = i == 0 || task->scores[i] < task->base ? task->scores[i] : task->base;
    }
    return ERR_OK;
}

int suggest_best(const struct suggest_task *task, const bool *out)
{
    int found = -1;
    double best = 0.0;
    for (int i = 0; i < task->spec->n_candidates; i++) {
        double value = suggest_value(task, task->scores[i], feasible_of(task, i), cost_of(task, i));
        if (!task->used[i] && (out == NULL || !out[i]) && (found < 0 || value > best)) {
            found = i;
            best = value;
        }
    }
    return found;
}

/* The draw of the posterior that decides about point k. */
static void choose_draw(struct suggest_task *task, int k)
{
    struct rng rng;
    rng_init(&rng, task->spec->seed, RNG_EXPLORE, (uint32_t)k);
    if (task->spread.drawn) {
        task->rule.weights = NULL;
        task->rule.draw = (int)rng_below(&rng, task->spread.width);
        return;
    }
    for (size_t c = 0; c < task->spread.width; c++) {
        task->weights[c] = rng_normal(&rng);
    }
    task->rule.weights = task->weights;
}

/* ---- the batch ---- */

static double mean_variance(const struct suggest_task *task)
{
    int first = task->n_refs > 0 ? task->spec->n_candidates : 0;
    int n = task->n_refs > 0 ? task->n_refs : task->spec->n_candidates;
    double sum = 0.0;
    for (int i = first; i < first + n; i++) {
        for (int q = 0; q < task->spread.o; q++) {
            double scale = task->rule.scales[q] * task->rule.scales[q];
            sum += spread_covariance(&task->spread, i, q, i, q) / scale;
        }
    }
    return sum / n;
}

static enum err_code write_suggestion(const struct suggest_task *task, int i, double feasible,
                                      struct suggestion *to, struct err *err)
{
    size_t d = (size_t)task->model->d;
    int o = task->spread.o;
    double *numbers = arena_alloc_array(task->arena, d + 2 * (size_t)o, sizeof *numbers);
    if (numbers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the suggestions");
    }
    memcpy(numbers, task->x + (size_t)i * d, d * sizeof *numbers);
    for (int q = 0; q < o; q++) {
        numbers[d + (size_t)q] = task->spread.mean[(size_t)i * (size_t)o + (size_t)q];
        numbers[d + (size_t)o + (size_t)q] = sqrt(spread_covariance(&task->spread, i, q, i, q));
    }
    *to = (struct suggestion){.candidate = task->spec->candidates != NULL ? i : -1,
                              .x = numbers,
                              .score = score_of(task, i),
                              .feasible = feasible,
                              .cost = cost_of(task, i),
                              .mean = numbers + d,
                              .std = numbers + d + o};
    return ERR_OK;
}

/* Conditions on a point of the pool. */
static void observe_point(struct suggest_task *task, int point)
{
    if (task->outlook.room > 0) {
        outlook_observe(&task->outlook, task->sight, point, task->seen, task->spec->maximise);
    }
    if (task->outlook.room == 0 || task->sight != &task->spread) {
        spread_observe(&task->spread, point, &task->history, NULL);
    }
}

/* The best value, averaged over what pending points may give. */
static double mean_best(const struct suggest_task *task)
{
    double sum = 0.0;
    int n = outlook_n_futures(&task->outlook);
    for (int s = 0; s < n; s++) {
        sum += task->outlook.best[s] / n;
    }
    return sum;
}

static enum err_code choose_next(struct suggest_task *task, int k, struct suggestion *to,
                                 struct err *err)
{
    bool drawn = task->spec->criterion == CRITERION_THOMPSON;
    if (drawn) {
        choose_draw(task, k);
    }
    if (score_all(task, err) != ERR_OK) {
        return err->code;
    }
    int found = suggest_best(task, NULL);
    double feasible = feasible_of(task, found);
    if (task->spec->candidates == NULL && task->spec->search &&
        suggest_improve(task, &found, &feasible, err) != ERR_OK) {
        return err->code;
    }
    if (write_suggestion(task, found, feasible, to, err) == ERR_OK) {
        task->used[found] = true;
        if (!drawn) {
            observe_point(task, found);
        }
    }
    return err->code;
}

static enum err_code make_task(struct suggest_task *task, struct err *err)
{
    const struct suggest_spec *spec = task->spec;
    size_t n = (size_t)spec->n_candidates;
    if (fill_pool(task, err) != ERR_OK) {
        return err->code;
    }
    const struct spread_points points = {.n = task->n_pool,
                                         .x = task->x,
                                         .n_outputs = spec->n_outputs,
                                         .outputs = spec->outputs,
                                         .n_threads = spec->n_threads,
                                         .cancel = spec->cancel};
    task->scores = arena_alloc_array(task->arena, n, sizeof *task->scores);
    task->used = arena_zalloc_array(task->arena, n, sizeof *task->used);
    if (task->scores == NULL || task->used == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates");
    }
    if (spread_make(task->model, &points, task->arena, &task->spread, err) != ERR_OK ||
        spread_history_init(&task->history, task->spread.width,
                            (spec->n + spec->n_pending) * spec->n_outputs, task->arena,
                            err) != ERR_OK ||
        make_rule(task, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < spec->n_pending && spec->criterion != CRITERION_THOMPSON; i++) {
        observe_point(task, task->n_pool - spec->n_pending + i);
    }
    return find_feasible(task, err);
}

enum err_code suggest_run(const struct model *model, const struct region *region,
                          const struct suggest_spec *spec, struct arena *arena,
                          struct suggestions *out, struct err *err)
{
    struct suggest_task task = {.model = model, .region = region, .spec = spec, .arena = arena};
    struct suggestions made = {.n = spec->n};
    if (check_spec(model, spec, err) != ERR_OK || make_task(&task, err) != ERR_OK) {
        return err->code;
    }
    made.list = arena_alloc_array(arena, (size_t)spec->n, sizeof *made.list);
    if (made.list == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the suggestions");
    }
    made.best = mean_best(&task);
    made.variance = mean_variance(&task);
    for (int k = 0; k < spec->n; k++) {
        if (choose_next(&task, k, &made.list[k], err) != ERR_OK) {
            return err->code;
        }
    }
    made.variance_after = mean_variance(&task);
    *out = made;
    return ERR_OK;
}
