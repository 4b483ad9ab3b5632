/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits of auto over several ranks (base/ranks.h). Whether a candidate is tried, and with which
 * scaling of the outputs, depends on the scores of those before it, so that fits have an order.
 * Several ranks do those that come next in it, as far as can be foreseen, one each and each with
 * all threads of its rank. A fit whose turn then comes is found done; one whose turn never comes,
 * since its candidate was dropped after another fold, was done by a rank that had nothing else to
 * do. The choice does not know of it, and comes out as on one rank.
 *
 * A fit that fails is a result too, which may never be looked at; other errors, such as a lack of
 * memory, end the whole.
 */
#include "train/auto_priv.h"

#include "base/mem.h"
#include "base/ranks.h"

#include <limits.h>

/* A fit that has been done, or failed. */
struct auto_ahead {
    struct auto_fit fit;
    struct err failure;
};

/* ---- one fit ---- */

bool auto_is_of_candidate(enum err_code code)
{
    return code == ERR_NUMERIC || code == ERR_INVALID || code == ERR_LIMIT ||
           code == ERR_UNSUPPORTED || code == ERR_TOO_LARGE;
}

static size_t count_values(const struct auto_work *work, const struct auto_fit *fit)
{
    size_t n = (size_t)fit->n;
    return n * (1 + (fit->means != NULL ? 3 : 1) * (size_t)work->rows.o);
}

static enum err_code save_fit(const struct auto_work *work, const struct auto_ahead *ahead,
                              struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    bytes_put_u32(&w, (uint32_t)ahead->failure.code);
    bytes_put_text(&w, ahead->failure.msg);
    if (ahead->failure.code == ERR_OK) {
        bytes_put_f64(&w, ahead->fit.memory, count_values(work, &ahead->fit));
    }
    return checkpoint_save(work->run->run.checkpoint, auto_fit_task(&ahead->fit), &w, err);
}

static enum err_code load_fit(const struct auto_work *work, struct auto_ahead *ahead, bool *found,
                              struct err *err)
{
    struct bytes_reader r;
    void *bytes = NULL;
    if (checkpoint_load(work->run->run.checkpoint, auto_fit_task(&ahead->fit), &bytes, &r, found,
                        err) != ERR_OK ||
        !*found) {
        return err->code;
    }
    enum err_code code = (enum err_code)bytes_get_int(&r, INT_MAX);
    char *text = bytes_get_text(&r, sizeof ahead->failure.msg - 1);
    if (code != ERR_OK) {
        err_set(&ahead->failure, code, "%s", text != NULL ? text : "");
    } else {
        bytes_get_f64(&r, ahead->fit.memory, count_values(work, &ahead->fit));
    }
    mem_free(text);
    mem_free(bytes);
    return checkpoint_check(&r, err);
}

/* Fits that the ranks do at a time. */
struct round {
    struct auto_work *work;
    int first; /* in work->ahead */
};

/* A fit of a round; found done where another rank, or an earlier run, did it. */
static enum err_code run_ahead(void *ctx, int worker, int task, struct err *err)
{
    const struct round *round = ctx;
    struct auto_work *work = round->work;
    struct auto_ahead *ahead = &work->ahead[round->first + task];
    struct auto_fit *fit = &ahead->fit;
    struct auto_stage stage;
    struct train_run run;
    bool found = false;
    (void)worker;
    if (load_fit(work, ahead, &found, err) != ERR_OK || found) {
        return err->code;
    }
    int number = auto_fit_number(work, fit->candidate, fit->fold);
    auto_begin_stage(work, number, &stage, &run);
    run.checkpoint =
        ranks_is_replay(run.checkpoint) ? NULL : auto_part_init_apart(&stage.part, work, number);
    if (auto_fit_run(work, &run, fit, &ahead->failure) != ERR_OK &&
        !auto_is_of_candidate(ahead->failure.code)) {
        *err = ahead->failure;
        return err->code;
    }
    return save_fit(work, ahead, err);
}

/* ---- what comes next ---- */

/* NULL: it has not been done. */
static struct auto_ahead *find_ahead(const struct auto_work *work, int candidate, int fold)
{
    for (int i = 0; i < work->n_ahead; i++) {
        const struct auto_fit *fit = &work->ahead[i].fit;
        if (fit->candidate == candidate && fit->fold == fold &&
            fit->scaling == auto_scaling_now(work, candidate)) {
            return &work->ahead[i];
        }
    }
    return NULL;
}

/* Can it be said in which scaling a candidate will be tried? Not while logarithms are still to be
 * compared. */
static bool knows_scaling(const struct auto_work *work, int candidate)
{
    for (int i = 0; work->scores[candidate].better && i < candidate; i++) {
        const struct auto_candidate *c = &work->table->candidates[i];
        if (c->outcome == AUTO_WAITING && c->spec.output_scaling == SCALER_LOG) {
            return false;
        }
    }
    return true;
}

static enum err_code add_next(struct auto_work *work, int candidate, int fold, struct err *err)
{
    struct auto_ahead *ahead = &work->ahead[work->n_ahead];
    *ahead = (struct auto_ahead){.failure = ERR_INIT};
    if (auto_fit_init(work, candidate, fold, &ahead->fit, err) == ERR_OK) {
        work->n_ahead++;
    }
    return err->code;
}

/* Appends the fits that come next, one for each rank. */
static enum err_code foresee(struct auto_work *work, int candidate, struct err *err)
{
    struct auto_table *table = work->table;
    int max = work->n_ahead + ranks_count(work->run->run.checkpoint);
    struct auto_ahead *room = mem_realloc_array(work->ahead, (size_t)max, sizeof *room);
    if (room == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d fits", max);
    }
    work->ahead = room;
    for (int i = candidate; i < table->n && work->n_ahead < max; i++) {
        const struct auto_candidate *c = &table->candidates[i];
        if (c->outcome != AUTO_WAITING || (i > candidate && !auto_is_reached(work, i)) ||
            !knows_scaling(work, i)) {
            continue;
        }
        for (int fold = c->n_folds; fold < table->n_scored && work->n_ahead < max; fold++) {
            if (find_ahead(work, i, fold) == NULL && add_next(work, i, fold, err) != ERR_OK) {
                return err->code;
            }
        }
    }
    return ERR_OK;
}

static enum err_code run_round(struct auto_work *work, int candidate, struct err *err)
{
    struct round round = {.work = work, .first = work->n_ahead};
    return foresee(work, candidate, err) == ERR_OK
               ? ranks_run(work->run->run.checkpoint, 1, work->n_ahead - round.first, run_ahead,
                           &round, err)
               : err->code;
}

/* ---- the fit whose turn it is ---- */

static enum err_code run_alone(struct auto_work *work, int candidate, struct auto_fit *fit,
                               struct err *err)
{
    struct auto_stage stage;
    struct train_run run;
    int fold = work->table->candidates[candidate].n_folds;
    auto_begin_stage(work, auto_fit_number(work, candidate, fold), &stage, &run);
    return auto_fit_init(work, candidate, fold, fit, err) == ERR_OK
               ? auto_fit_run(work, &run, fit, err)
               : err->code;
}

enum err_code auto_next_fit(struct auto_work *work, int candidate, struct auto_fit *fit,
                            struct err *err)
{
    int fold = work->table->candidates[candidate].n_folds;
    if (!ranks_are_several(work->run->run.checkpoint)) {
        return run_alone(work, candidate, fit, err);
    }
    struct auto_ahead *ahead = find_ahead(work, candidate, fold);
    if (ahead == NULL) {
        if (run_round(work, candidate, err) != ERR_OK) {
            return err->code;
        }
        ahead = find_ahead(work, candidate, fold);
    }
    *fit = ahead->fit;
    *err = ahead->failure;
    *ahead = work->ahead[--work->n_ahead];
    return err->code;
}

void auto_ahead_release(struct auto_work *work)
{
    for (int i = 0; i < work->n_ahead; i++) {
        auto_fit_release(&work->ahead[i].fit);
    }
    mem_free(work->ahead);
    work->ahead = NULL;
    work->n_ahead = 0;
}
