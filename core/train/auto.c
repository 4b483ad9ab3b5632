/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates are tried one after the other, each on its folds one after the other, and each
 * training has all threads. (Over several ranks fits are done before their turn comes:
 * auto_ahead.c.) What has been scored is saved after each fold. After an interruption
 * the candidates are gone through again in the same order: what was saved takes the place of the
 * trainings, and every decision comes out as before, since it depends on the scores alone. (With a
 * budget of seconds also on the seconds, which are saved with them.)
 */
#include "train/auto.h"

#include "base/mem.h"
#include "model/space_rows.h"
#include "train/auto_priv.h"
#include "train/train_memory.h"

#include <math.h>
#include <stdio.h>

static const char *const outcome_names[] = {"waiting", "scored", "chosen", "tied",      "worse",
                                            "dropped", "failed", "budget", "too_large", "needless"};

NAMES_DEFINE(auto_outcome, enum auto_outcome, outcome_names)

static void show_table(const struct auto_work *work)
{
    if (work->run->show != NULL) {
        work->run->show(work->run->ctx, work->table);
    }
}

/* ---- candidates ---- */

static void note_scores(struct auto_work *work, int candidate)
{
    struct auto_candidate *c = &work->table->candidates[candidate];
    struct auto_mean mean = auto_mean_of(work, candidate, -1);
    c->score = mean.mean;
    c->error = mean.error;
}

/* Trains a candidate without its next fold, and sets its outcome if that settles it. */
static enum err_code try_fold(struct auto_work *work, int candidate, struct err *err)
{
    struct auto_candidate *c = &work->table->candidates[candidate];
    struct err one = ERR_INIT;
    struct auto_fit fit = {.memory = NULL};
    double begun = auto_seconds_now(work);
    enum err_code code = auto_next_fit(work, candidate, &fit, &one);
    if (code == ERR_OK) {
        auto_fit_add(&fit, work);
    }
    auto_fit_release(&fit);
    bool is_late =
        code == ERR_CANCELLED && work->is_watched && !cancel_is_requested(work->run->run.cancel);
    if (code != ERR_OK && !is_late && !auto_is_of_candidate(code)) {
        *err = one;
        return code;
    }
    c->seconds += auto_seconds_now(work) - begun;
    if (is_late) {
        c->outcome = AUTO_BUDGET;
    } else if (code != ERR_OK) {
        c->outcome = AUTO_FAILED;
        snprintf(c->why, sizeof c->why, "%s", err_msg(&one));
    } else {
        c->n_folds++;
        note_scores(work, candidate);
        if (c->n_folds == work->table->n_scored) {
            c->outcome = AUTO_SCORED;
        } else if (auto_is_behind(work, candidate)) {
            c->outcome = AUTO_DROPPED;
        }
    }
    show_table(work);
    return auto_save(work, candidate, err);
}

static enum err_code try_candidate(struct auto_work *work, int candidate, struct err *err)
{
    struct auto_candidate *c = &work->table->candidates[candidate];
    auto_settle_scaling(work, candidate);
    struct auto_scores *scores = &work->scores[candidate];
    scores->sums = mem_zalloc_array((size_t)work->rows.n, sizeof *scores->sums);
    scores->excess = mem_zalloc_array(2 * (size_t)work->rows.o, sizeof *scores->excess);
    if (scores->sums == NULL || scores->excess == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the scores of a candidate");
    }
    if (auto_keep_predictions(work, candidate, err) != ERR_OK ||
        auto_load(work, candidate, err) != ERR_OK) {
        return err->code;
    }
    if (c->n_folds > 0) {
        note_scores(work, candidate);
    } else if (c->outcome == AUTO_WAITING && !auto_has_fits(work, candidate)) {
        c->outcome = auto_is_left_out(work, candidate) ? AUTO_NEEDLESS : AUTO_BUDGET;
    }
    while (c->outcome == AUTO_WAITING && err->code == ERR_OK) {
        if (auto_has_time(work, candidate)) {
            err_kept(try_fold(work, candidate, err));
        } else {
            c->outcome = AUTO_BUDGET;
        }
    }
    return err->code;
}

enum err_code auto_refuse_memory(double n_bytes, int64_t max_bytes, struct err *err)
{
    return err_set(err, ERR_TOO_LARGE,
                   "auto: the smallest of the candidates would need about %.0f MB of memory, and "
                   "the training may have %.0f MB (train_memory_mb, or memory_mb of the request)",
                   ceil(n_bytes / 1e6), (double)max_bytes / 1e6);
}

/* Marks the candidates that need more memory than there may be. */
static enum err_code find_too_large(struct auto_work *work, struct err *err)
{
    const struct train_run *run = &work->run->run;
    int *counts = mem_alloc_array((size_t)run->data.o, sizeof *counts);
    if (counts == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to check %d outputs", run->data.o);
    }
    const struct train_load load = {.n_rows = run->data.n,
                                    .holes = work->rows.present > 0.0,
                                    .failed = data_count(&run->data, counts) < run->data.n};
    mem_free(counts);
    for (int i = 0; i < work->table->n; i++) {
        struct auto_candidate *c = &work->table->candidates[i];
        struct train_size size;
        if (work->run->max_bytes > 0) {
            if (train_memory(&c->spec, &load, run->n_threads, &size, err) != ERR_OK) {
                return err->code;
            }
            work->least = i == 0 ? size.n_bytes : fmin(work->least, size.n_bytes);
            if (size.n_bytes > (double)work->run->max_bytes) {
                c->outcome = AUTO_TOO_LARGE;
            }
        }
    }
    return ERR_OK;
}

/* Scores the candidates as far as the budget goes, and chooses. */
static enum err_code compare_candidates(struct auto_work *work, struct err *err)
{
    struct auto_table *table = work->table;
    bool compare = auto_can_compare(work);
    if (!compare) {
        table->n_folds = table->n_scored = 0;
    }
    for (table->current = 0; table->current < table->n; table->current++) {
        struct auto_candidate *c = &table->candidates[table->current];
        if (c->outcome != AUTO_WAITING) {
            continue;
        }
        if (!compare) {
            c->outcome = AUTO_BUDGET;
        } else if (try_candidate(work, table->current, err) != ERR_OK) {
            return err->code;
        }
    }
    auto_choose(work);
    show_table(work);
    return table->chosen >= 0 ? ERR_OK : auto_refuse_memory(work->least, work->run->max_bytes, err);
}

/* ---- the model ---- */

static enum err_code report_pair(struct report *report, const char *name, double value,
                                 double error, struct err *err)
{
    const double values[] = {value, error};
    return report_add(report, name, 2, values, err);
}

/* timed: the result depends on the seconds; else they would only make two equal models differ. */
static enum err_code report_candidate(const struct auto_candidate *c, bool timed,
                                      struct report *report, struct err *err)
{
    char name[REPORT_NAME_CHARS];
    snprintf(name, sizeof name, "auto.%s.%s", c->name, auto_outcome_name(c->outcome));
    if (report_add_number(report, name, 1.0, err) != ERR_OK || c->n_folds == 0) {
        return err->code;
    }
    snprintf(name, sizeof name, "auto.%s.score", c->name);
    if (report_pair(report, name, c->score, c->error, err) != ERR_OK) {
        return err->code;
    }
    snprintf(name, sizeof name, "auto.%s.gap", c->name);
    if (!isnan(c->gap) && report_pair(report, name, c->gap, c->gap_error, err) != ERR_OK) {
        return err->code;
    }
    snprintf(name, sizeof name, "auto.%s.folds", c->name);
    if (report_add_number(report, name, c->n_folds, err) != ERR_OK || !timed) {
        return err->code;
    }
    snprintf(name, sizeof name, "auto.%s.seconds", c->name);
    return report_add_number(report, name, c->seconds, err);
}

static enum err_code report_table(const struct auto_work *work, struct report *report,
                                  struct err *err)
{
    const struct auto_table *table = work->table;
    bool timed = work->run->spec->seconds > 0.0;
    if (report_add_number(report, "auto.rows", table->n_rows, err) != ERR_OK ||
        report_add_number(report, "auto.folds", table->n_folds, err) != ERR_OK ||
        report_add_number(report, "auto.scored_folds", table->n_scored, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < table->n && err->code == ERR_OK; i++) {
        err_kept(report_candidate(&table->candidates[i], timed, report, err));
    }
    return err->code;
}

/* Trains the chosen candidate on all rows, as the number-th training. */
static enum err_code train_last(struct auto_work *work, int number, struct model **out,
                                struct err *err)
{
    struct auto_table *table = work->table;
    struct train_spec *spec = &table->candidates[table->chosen].spec;
    struct report report = {.n_items = 0};
    struct train_cross cross = {.n = 0};
    struct auto_stage stage;
    struct train_run run;
    char *text = NULL;
    double *sigmas = mem_alloc_array((size_t)work->rows.o, sizeof *sigmas);
    if (sigmas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise of %d outputs", work->rows.o);
    }
    auto_begin_stage(work, number, &stage, &run);
    spec->validation = auto_kept_share(work, table->chosen);
    if (auto_take_cross(work, &cross, err) == ERR_OK &&
        (work->run->describe == NULL ||
         work->run->describe(work->run->ctx, spec, &text, err) == ERR_OK) &&
        report_table(work, &report, err) == ERR_OK) {
        run.spec = spec;
        run.settings_text = text;
        run.report = &report;
        run.cross_noise = auto_cross_noise(work, sigmas);
        run.cross = cross.n > 0 ? &cross : NULL;
        err_kept(train_run(&run, out, err));
    }
    if (err->code == ERR_OK && work->run->cross != NULL) {
        *work->run->cross = cross;
        cross = (struct train_cross){.n = 0};
    }
    train_cross_release(&cross);
    report_release(&report);
    mem_free(sigmas);
    mem_free(text);
    return err->code;
}

/* The training of the chosen one may fail although those without a fold did not: then the next best
 * takes its place, and when none is left the first error is that of the whole. */
static enum err_code train_chosen(struct auto_work *work, struct model **out, struct err *err)
{
    struct auto_table *table = work->table;
    struct err first = ERR_INIT;
    int number = table->n * table->n_scored;
    do {
        struct err one = ERR_INIT;
        if (train_last(work, number++, out, &one) == ERR_OK) {
            return ERR_OK;
        }
        first = first.code == ERR_OK || !auto_is_of_candidate(one.code) ? one : first;
        if (!auto_is_of_candidate(one.code)) {
            break;
        }
        struct auto_candidate *c = &table->candidates[table->chosen];
        c->outcome = AUTO_FAILED;
        snprintf(c->why, sizeof c->why, "%s", err_msg(&one));
        auto_choose_again(work);
        show_table(work);
    } while (table->chosen >= 0);
    *err = first;
    return err->code;
}

static void release_work(struct auto_work *work)
{
    auto_ahead_release(work);
    train_rows_release(&work->rows);
    mem_free(work->fold);
    mem_free(work->counts);
    mem_free(work->spreads);
    for (int i = 0; i < AUTO_MAX_CANDIDATES; i++) {
        mem_free(work->scores[i].sums);
        mem_free(work->scores[i].excess);
        mem_free(work->scores[i].means);
        mem_free(work->scores[i].stds);
    }
}

enum err_code auto_train(const struct auto_run *run, struct auto_table *table, struct model **out,
                         struct err *err)
{
    struct auto_work work = {.run = run, .table = table};
    const struct train_run *rows = &run->run;
    int width = rows->space != NULL ? space_width(rows->space) : rows->data.d;
    *table = (struct auto_table){.chosen = -1};
    if (auto_validate(run->spec, err) != ERR_OK) {
        return err->code;
    }
    work.seconds = run->spec->seconds;
    if (run->max_seconds > 0.0 && (work.seconds == 0.0 || run->max_seconds < work.seconds)) {
        work.seconds = run->max_seconds;
    }
    if (work.seconds > 0.0 && run->clock == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "auto: a budget of seconds needs a clock");
    }
    struct train_run checked = *rows;
    checked.spec = &run->spec->base;
    work.begun = auto_seconds_now(&work);
    atomic_init(&work.stop.stop, false);
    if (auto_load_time(&work, err) != ERR_OK) {
        return err->code;
    }
    if (train_check_rows(&checked, err) == ERR_OK && auto_take_rows(&work, err) == ERR_OK &&
        auto_list_candidates(&work, width, err) == ERR_OK && find_too_large(&work, err) == ERR_OK &&
        compare_candidates(&work, err) == ERR_OK) {
        err_kept(train_chosen(&work, out, err));
    }
    release_work(&work);
    return err->code;
}
