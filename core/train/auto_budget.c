/* SPDX-License-Identifier: Apache-2.0 */
/* What auto may take, in fits, seconds or operations, and how far it has come. */
#include "train/auto_priv.h"
#include "train/train_rows.h"

#include <math.h>

double auto_seconds_now(const struct auto_work *work)
{
    return work->run->clock != NULL ? work->run->clock(work->run->ctx) : 0.0;
}

double auto_seconds_used(const struct auto_work *work)
{
    return work->before + auto_seconds_now(work) - work->begun;
}

void auto_watch_time(struct auto_work *work)
{
    if (work->is_watched &&
        (cancel_is_requested(work->run->run.cancel) || auto_seconds_used(work) > work->seconds)) {
        cancel_request(&work->stop);
    }
}

/* ---- budget ---- */

/* Seconds that the trainings of a candidate took, for each operation: of those of the same solver
 * where there are some, else of all. */
static double seconds_of_operation(const struct auto_work *work, enum solver_kind solver)
{
    double seconds[2] = {0.0, 0.0}; /* of all, of the same solver */
    double cost[2] = {0.0, 0.0};
    for (int i = 0; i < work->table->n; i++) {
        const struct auto_candidate *c = &work->table->candidates[i];
        for (int same = 0; same < 2; same++) {
            if (same == 0 || c->spec.solver == solver) {
                seconds[same] += c->seconds;
                cost[same] += c->n_folds * c->work;
            }
        }
    }
    return cost[1] > 0.0 ? seconds[1] / cost[1] : cost[0] > 0.0 ? seconds[0] / cost[0] : 0.0;
}

/* How often the last training fits, with its calibration. */
static double last_fits(const struct auto_work *work)
{
    return train_rows_count_folds(&work->run->spec->base.calibration, work->n_groups);
}

/* Of so many fits without a fold, and as many last trainings. */
static double expected_seconds(const struct auto_work *work, int candidate, double fits,
                               double last)
{
    const struct auto_candidate *c = &work->table->candidates[candidate];
    double operations = fits * c->work + last * work->scores[candidate].last_work;
    return operations * seconds_of_operation(work, c->spec.solver);
}

/* ---- one training, as a part of the whole ---- */

static void stage_progress(void *ctx, const struct progress *progress)
{
    const struct auto_stage *stage = ctx;
    const struct train_run *run = &stage->work->run->run;
    struct progress all = *progress;
    all.fraction = stage->from + progress->fraction * (stage->to - stage->from);
    if (run->progress != NULL) {
        run->progress(run->progress_ctx, &all);
    }
    auto_watch_time(stage->work);
}

bool auto_is_reached(const struct auto_work *work, int candidate)
{
    const struct auto_spec *spec = work->run->spec;
    const struct auto_candidate *c = &work->table->candidates[candidate];
    if (c->outcome != AUTO_WAITING || c->n_folds > 0 || spec->seconds > 0.0) {
        return c->outcome != AUTO_BUDGET && c->outcome != AUTO_TOO_LARGE;
    }
    return spec->fits > 0 ? (candidate + 1) * work->table->n_scored < spec->fits
                          : auto_has_work(work, candidate) && !auto_is_needless(work, candidate);
}

/* The shares by the numbers of trainings. The last one weighs as much as its calibration takes, and
 * so does each that takes its place. */
static void share_by_fits(const struct auto_work *work, int number, struct auto_stage *stage)
{
    const struct auto_table *table = work->table;
    int fits = table->n * table->n_scored;
    int wanted = 0; /* fits of candidates that the budget reaches, as far as is known .. */
    int done = 0;   /* .. of those before this one */
    for (int i = 0; i < fits; i++) {
        bool counts = auto_is_reached(work, i / table->n_scored);
        wanted += counts;
        done += counts && i < number;
    }
    double total = wanted + last_fits(work);
    stage->from = (double)done / total;
    stage->to = number < fits ? (double)(done + 1) / total : 1.0;
}

/* The shares by seconds, where the budget is one and times are known: it may end before every
 * candidate has had its turn. The share never falls, and only the last training may take longer
 * than the budget. */
static void share_by_seconds(struct auto_work *work, int number, struct auto_stage *stage)
{
    const struct auto_table *table = work->table;
    bool is_last = number >= table->n * table->n_scored;
    int best = is_last ? table->chosen : auto_find_best(work);
    int candidate = is_last ? table->chosen : number / table->n_scored;
    double last = expected_seconds(work, best >= 0 ? best : candidate, 0.0, last_fits(work));
    double used = auto_seconds_used(work);
    double now = is_last ? last : expected_seconds(work, candidate, 1.0, 0.0);
    double left = 0.0;
    for (int i = candidate; i < table->n && !is_last; i++) {
        const struct auto_candidate *c = &table->candidates[i];
        double folds = c->outcome == AUTO_WAITING ? table->n_scored - c->n_folds : 0.0;
        left += expected_seconds(work, i, folds, 0.0);
    }
    if (last > 0.0) {
        double all = fmax(fmin(used + left + last, work->seconds), used + now);
        stage->from = fmax(used / all, work->shown);
        stage->to = is_last ? 1.0 : fmax((used + now) / all, stage->from);
    }
    work->shown = stage->to;
}

int auto_fit_number(const struct auto_work *work, int candidate, int fold)
{
    return candidate * work->table->n_scored + fold;
}

void auto_begin_stage(struct auto_work *work, int number, struct auto_stage *stage,
                      struct train_run *run)
{
    int fits = work->table->n * work->table->n_scored;
    *stage = (struct auto_stage){.work = work};
    share_by_fits(work, number, stage);
    if (work->run->spec->seconds > 0.0) {
        share_by_seconds(work, number, stage);
    }
    *run = work->run->run;
    run->base = NULL;
    run->base_spec = NULL;
    run->settings_text = NULL;
    run->report = NULL;
    run->cross_noise = NULL;
    run->cross = NULL;
    run->progress = stage_progress;
    run->progress_ctx = stage;
    run->checkpoint = auto_part_init(&stage->part, work, number);
    /* The last training is never stopped by the budget: without it there is no model. */
    work->is_watched = number < fits && work->seconds > 0.0;
    if (work->is_watched) {
        run->cancel = &work->stop;
    }
}

/* Is the budget the one that is taken where none is given? */
static bool has_own_budget(const struct auto_work *work)
{
    return work->run->spec->fits == 0 && !(work->run->spec->seconds > 0.0);
}

bool auto_is_left_out(const struct auto_work *work, int candidate)
{
    return has_own_budget(work) && auto_is_needless(work, candidate);
}

bool auto_has_fits(const struct auto_work *work, int candidate)
{
    int fits = work->run->spec->fits;
    if (has_own_budget(work)) {
        return auto_has_work(work, candidate) && !auto_is_needless(work, candidate);
    }
    int used = 0;
    for (int i = 0; i < candidate; i++) {
        const struct auto_candidate *c = &work->table->candidates[i];
        used += c->n_folds + (c->outcome == AUTO_FAILED);
    }
    return fits == 0 || used + work->table->n_scored + 1 <= fits;
}

bool auto_has_time(const struct auto_work *work, int candidate)
{
    const struct auto_table *table = work->table;
    double left = table->n_scored - table->candidates[candidate].n_folds;
    double last = last_fits(work);
    int best = auto_find_best(work);
    if (!(work->seconds > 0.0)) {
        return true;
    }
    double more = expected_seconds(work, candidate, left, last);
    if (best >= 0) {
        more = fmax(more, expected_seconds(work, candidate, left, 0.0) +
                              expected_seconds(work, best, 0.0, last));
    }
    return auto_seconds_used(work) + more <= work->seconds;
}

bool auto_can_compare(const struct auto_work *work)
{
    const struct auto_table *table = work->table;
    int fits = work->run->spec->fits;
    int n = 0;
    for (int i = 0; i < table->n; i++) {
        n += table->candidates[i].outcome == AUTO_WAITING;
    }
    return n > 1 && table->n_scored > 0 && (fits == 0 || fits > 2 * table->n_scored);
}
