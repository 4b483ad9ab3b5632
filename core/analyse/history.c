/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replicates are the tasks, and each leaves an array of numbers (history_priv.h), which are joined
 * in the order of the replicates.
 */
#include "analyse/history.h"

#include "analyse/analyse.h"
#include "analyse/history_priv.h"
#include "analyse/replicates.h"
#include "base/mem.h"
#include "base/par.h"

#include <math.h>
#include <string.h>

#define NONE_SEEN 3.0 /* -ln 0.05, rounded up */
#define SPARE     8   /* points that are kept for each that is asked for */
#define MIN_ROOM  16  /* of a replicate */

/* ---- checks ---- */

static enum err_code check_noise(const struct history_run *run, struct err *err)
{
    const struct history_spec *spec = run->spec;
    int o = run->waves->o;
    for (int a = 0; a < o; a++) {
        double noise = spec->covariance != NULL ? spec->covariance[a * o + a]
                       : spec->sigma != NULL    ? spec->sigma[a]
                                                : 0.0;
        double tau = spec->discrepancy != NULL ? spec->discrepancy[a] : 0.0;
        if (!(noise > 0.0) || !isfinite(noise) || !(tau >= 0.0) || !isfinite(tau)) {
            return err_set(err, ERR_INVALID,
                           "a history match needs the noise of each output, above 0: \"sigma\" or "
                           "\"covariance\"");
        }
    }
    return ERR_OK;
}

static enum err_code check_numbers(const struct history_run *run, struct err *err)
{
    const struct history_spec *spec = run->spec;
    double cells = (double)spec->n_experiments * run->waves->o;
    if (spec->replicates < ANALYSE_MIN_REPLICATES || spec->replicates > ANALYSE_MAX_REPLICATES ||
        spec->n < 1 || spec->n > ANALYSE_MAX_POINTS) {
        return err_set(err, ERR_INVALID, "replicates %d to %d and points 1 to %d are possible",
                       ANALYSE_MIN_REPLICATES, ANALYSE_MAX_REPLICATES, ANALYSE_MAX_POINTS);
    }
    if (spec->grid < 0 || spec->grid > HISTORY_MAX_GRID || spec->n_next < 0 ||
        spec->n_next > HISTORY_MAX_NEXT || run->n_waves > HISTORY_MAX_WAVES) {
        return err_set(err, ERR_INVALID, "grid up to %d, next up to %d and %d waves are possible",
                       HISTORY_MAX_GRID, HISTORY_MAX_NEXT, HISTORY_MAX_WAVES);
    }
    if (!(spec->cutoff > 0.0) || !isfinite(spec->cutoff)) {
        return err_set(err, ERR_INVALID, "cutoff must be a number above 0");
    }
    if (spec->n_experiments < 1 || cells > CALIBRATE_MAX_NUMBERS) {
        return err_set(err, spec->n_experiments < 1 ? ERR_INVALID : ERR_LIMIT,
                       "%d experiments of %d outputs, 1 to %d numbers are allowed",
                       spec->n_experiments, run->waves->o, CALIBRATE_MAX_NUMBERS);
    }
    if (spec->order < 1 || spec->order > HISTORY_MAX_ORDER || spec->order > cells) {
        return err_set(err, ERR_INVALID,
                       "order is %d; 1 to %d are possible, and no more than observed numbers",
                       spec->order, HISTORY_MAX_ORDER);
    }
    return check_noise(run, err);
}

static bool is_set_everywhere(const struct history_spec *spec, int input)
{
    for (int e = 0; e < spec->n_experiments; e++) {
        const double *fixed = spec->experiments[e].fixed;
        if (fixed == NULL || isnan(fixed[input])) {
            return false;
        }
    }
    return true;
}

/* ---- what a match is made of ---- */

static void lay_out(struct history_work *work)
{
    struct history_layout *at = &work->at;
    size_t k = (size_t)work->k;
    size_t grid = (size_t)work->run->spec->grid;
    at->runs = (size_t)work->run->n_waves;
    at->least = at->runs + 1;
    at->best = at->least + 1;
    at->n_kept = at->best + k;
    at->kept = at->n_kept + 1;
    at->implausibility = at->kept + (size_t)work->room * k;
    at->single = at->implausibility + (size_t)work->room;
    at->pairs = at->single + k * grid * CELL_NUMBERS;
    at->all = at->pairs + k * (k - 1) / 2 * grid * grid * CELL_NUMBERS;
}

static void set_cells(struct history_work *work)
{
    int grid = work->run->spec->grid;
    for (int i = 0; i < work->k; i++) {
        const struct law *law = &work->run->laws[work->inputs[i]];
        double *values = work->values + (size_t)i * (size_t)grid;
        work->cells[i] = grid;
        if (grid > 0 && !law_is_continuous(law)) {
            work->cells[i] = law_grid(law, grid, values);
            continue;
        }
        for (int c = 0; c < grid; c++) {
            values[c] = law_quantile(law, (c + 0.5) / grid);
        }
    }
}

static enum err_code begin(struct history_work *work, struct arena *arena, struct err *err)
{
    const struct history_run *run = work->run;
    const struct history_spec *spec = run->spec;
    size_t d = (size_t)run->waves->d;
    if (check_numbers(run, err) != ERR_OK) {
        return err->code;
    }
    work->inputs = arena_alloc_array(arena, d, sizeof *work->inputs);
    work->cells = arena_alloc_array(arena, d, sizeof *work->cells);
    work->values = arena_alloc_array(arena, d * (size_t)spec->grid + 1, sizeof *work->values);
    if (work->inputs == NULL || work->cells == NULL || work->values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a history match");
    }
    for (int b = 0; b < run->waves->d; b++) {
        if (!law_is_fixed(&run->laws[b]) && !is_set_everywhere(spec, b)) {
            work->inputs[work->k++] = b;
        }
    }
    if (work->k == 0) {
        return err_set(err, ERR_INVALID, "every input is fixed, so there is nothing to match");
    }
    work->room = SPARE * spec->n_next / spec->replicates + MIN_ROOM;
    lay_out(work);
    double kept = (double)work->at.all * (spec->replicates + 1);
    if (kept > (double)HISTORY_MAX_KEPT) {
        return err_set(
            err, ERR_LIMIT,
            "the history match would keep %.3g numbers, at most %zu are allowed; ask for "
            "a smaller grid or fewer replicates",
            kept, HISTORY_MAX_KEPT);
    }
    double runs = 0.0;
    for (int w = 0; w < run->n_waves; w++) {
        runs += (double)spec->n * spec->replicates * spec->n_experiments * run->waves[w].m;
    }
    set_cells(work);
    return runs <= ANALYSE_MAX_RUNS
               ? ERR_OK
               : err_set(err, ERR_LIMIT,
                         "the history match would evaluate the draws %.3g times, at most %.0g are "
                         "allowed; ask for fewer points, replicates or draws",
                         runs, ANALYSE_MAX_RUNS);
}

enum err_code history_check(const struct history_run *run, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct history_work work = {.run = run};
    err_kept(begin(&work, &arena, err));
    arena_release(&arena);
    return err->code;
}

/* ---- the replicates ---- */

struct running {
    const struct history_work *work;
    double *all;           /* [R x at.all] */
    struct arena *scratch; /* [threads] */
    atomic_int n_done;
};

static void report(struct running *running)
{
    const struct history_run *run = running->work->run;
    int n = run->spec->replicates;
    int done = atomic_fetch_add(&running->n_done, 1) + 1;
    replicate_report(run->terms.progress, run->terms.progress_ctx, done, n);
}

static enum err_code run_one(void *ctx, int worker, int task, struct err *err)
{
    struct running *running = ctx;
    const struct history_work *work = running->work;
    const struct checkpoint *checkpoint = work->run->terms.checkpoint;
    size_t n = work->at.all;
    double *out = running->all + (size_t)task * n;
    bool found = false;
    if (cancel_is_requested(work->run->terms.cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in a history match");
    }
    if (replicate_load(checkpoint, task, n, out, &found, err) == ERR_OK && !found &&
        history_replicate(work, task, &running->scratch[worker], out, err) == ERR_OK) {
        err_kept(replicate_save(checkpoint, task, n, out, err));
    }
    arena_clear(&running->scratch[worker]);
    if (err->code == ERR_OK) {
        report(running);
    }
    return err->code;
}

static enum err_code run_all(struct running *running, struct err *err)
{
    const struct history_run *run = running->work->run;
    int replicates = run->spec->replicates;
    int threads = run->terms.n_threads < replicates ? run->terms.n_threads : replicates;
    running->all =
        mem_alloc_array((size_t)replicates * running->work->at.all, sizeof *running->all);
    running->scratch = mem_zalloc_array((size_t)threads, sizeof *running->scratch);
    if (running->all == NULL || running->scratch == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a history match");
    } else {
        err_kept(par_run(threads, replicates, run_one, running, err));
    }
    for (int i = 0; running->scratch != NULL && i < threads; i++) {
        arena_release(&running->scratch[i]);
    }
    mem_free(running->scratch);
    return err->code;
}

/* ---- joining ---- */

static const double *numbers_of(const struct running *running, int replicate)
{
    return running->all + (size_t)replicate * running->work->at.all;
}

static void join_share(const struct running *running, int wave, struct history_share *out)
{
    const struct history_spec *spec = running->work->run->spec;
    int n = spec->replicates;
    double mean = 0.0;
    double squares = 0.0;
    for (int r = 0; r < n; r++) {
        mean += numbers_of(running, r)[wave] / spec->n / n;
    }
    for (int r = 0; r < n; r++) {
        double delta = numbers_of(running, r)[wave] / spec->n - mean;
        squares += delta * delta;
    }
    double error = sqrt(squares / (n - 1) / n);
    double half = replicates_student(n - 1) * error;
    double room = NONE_SEEN / ((double)spec->n * n);
    *out = (struct history_share){.estimate = mean,
                                  .sampling_error = error,
                                  .lower = fmax(mean - (mean < 1.0 ? half : room), 0.0),
                                  .upper = fmin(mean + (mean > 0.0 ? half : room), 1.0)};
}

/* n cells from place `first` of each replicate's numbers on, rows of `grid` apart. */
static void join_cells(const struct running *running, size_t first, int rows, int columns,
                       struct history_depth *out)
{
    const struct history_spec *spec = running->work->run->spec;
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
            size_t at = first + ((size_t)i * (size_t)spec->grid + (size_t)j) * CELL_NUMBERS;
            double points = 0.0;
            double passed = 0.0;
            double minimum = INFINITY;
            for (int r = 0; r < spec->replicates; r++) {
                const double *cell = numbers_of(running, r) + at;
                points += cell[CELL_POINTS];
                passed += cell[CELL_PASSED];
                minimum = fmin(minimum, cell[CELL_MINIMUM]);
            }
            out->depth[i * columns + j] = points > 0.0 ? passed / points : NAN;
            out->minimum[i * columns + j] = points > 0.0 ? minimum : NAN;
        }
    }
}

static bool allocate_depth(struct arena *arena, int rows, int columns, struct history_depth *out)
{
    size_t n = (size_t)rows * (size_t)columns;
    out->depth = arena_alloc_array(arena, n + 1, sizeof *out->depth);
    out->minimum = arena_alloc_array(arena, n + 1, sizeof *out->minimum);
    return out->depth != NULL && out->minimum != NULL;
}

static enum err_code join_depths(const struct running *running, struct arena *arena,
                                 struct history_result *out, struct err *err)
{
    const struct history_work *work = running->work;
    size_t grid = (size_t)work->run->spec->grid;
    size_t k = (size_t)work->k;
    size_t pair = 0;
    bool ok = true;
    out->single = arena_alloc_array(arena, k, sizeof *out->single);
    out->pairs = arena_alloc_array(arena, k * (k - 1) / 2 + 1, sizeof *out->pairs);
    ok = out->single != NULL && out->pairs != NULL;
    for (size_t i = 0; ok && i < k; i++) {
        ok = allocate_depth(arena, 1, work->cells[i], &out->single[i]);
        if (ok) {
            join_cells(running, work->at.single + i * grid * CELL_NUMBERS, 1, work->cells[i],
                       &out->single[i]);
        }
        for (size_t j = i + 1; ok && j < k; j++, pair++) {
            ok = allocate_depth(arena, work->cells[i], work->cells[j], &out->pairs[pair]);
            if (ok) {
                join_cells(running, work->at.pairs + pair * grid * grid * CELL_NUMBERS,
                           work->cells[i], work->cells[j], &out->pairs[pair]);
            }
        }
    }
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a history match");
}

/* ---- the whole ---- */

static enum err_code join(const struct running *running, struct arena *arena,
                          struct history_result *out, struct err *err)
{
    const struct history_work *work = running->work;
    const struct history_run *run = work->run;
    size_t d = (size_t)run->waves->d;
    size_t n_next = (size_t)run->spec->n_next;
    *out = (struct history_result){
        .k = work->k, .inputs = work->inputs, .cells = work->cells, .values = work->values};
    out->shares = arena_alloc_array(arena, (size_t)run->n_waves, sizeof *out->shares);
    out->best = arena_alloc_array(arena, d, sizeof *out->best);
    out->next = arena_alloc_array(arena, n_next * d + 1, sizeof *out->next);
    out->implausibility = arena_alloc_array(arena, n_next + 1, sizeof *out->implausibility);
    if (out->shares == NULL || out->best == NULL || out->next == NULL ||
        out->implausibility == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a history match");
    }
    for (int w = 0; w < run->n_waves; w++) {
        join_share(running, w, &out->shares[w]);
    }
    history_find_best(work, running->all, out);
    return join_depths(running, arena, out, err) == ERR_OK
               ? history_choose_next(work, running->all, out, err)
               : err->code;
}

enum err_code history_run(const struct history_run *run, struct arena *arena,
                          struct history_result *out, struct err *err)
{
    struct history_work work = {.run = run};
    struct running running = {.work = &work};
    if (begin(&work, arena, err) != ERR_OK) {
        return err->code;
    }
    if (run_all(&running, err) == ERR_OK) {
        err_kept(join(&running, arena, out, err));
    }
    mem_free(running.all);
    return err->code;
}
