/* SPDX-License-Identifier: Apache-2.0 */
/* What auto saves: the states of one training after the other, and the scores of each candidate. */
#include "train/auto_priv.h"

#include "base/mem.h"
#include "base/ranks.h"
#include "train/train_part.h"

#include <limits.h>
#include <string.h>

/* Tasks of the candidates. Those of a training are all below (core/train/train.c). */
#define FIRST_TASK (INT_MAX - AUTO_MAX_CANDIDATES)
/* The task of the seconds that have been used. */
#define TIME_TASK INT_MAX
/* Tasks of fits without a fold, each in two scalings, and of the trainings of these fits where each
 * has states of its own. Such a training is one run of a solver and its scoring. */
#define MAX_FITS    (AUTO_MAX_CANDIDATES * AUTO_MAX_FOLDS)
#define FIT_TASK    (FIRST_TASK - 2 * MAX_FITS)
#define APART_TASKS (4 * TRAIN_PART_TASKS)
#define APART_TASK  (FIT_TASK - MAX_FITS * APART_TASKS)

_Static_assert((TRAIN_MAX_FOLDS + 4LL) * TRAIN_PART_TASKS + 4LL * TRAIN_MAX_FOLDS < APART_TASK,
               "no training has so many tasks");

/* ---- the seconds ---- */

/* They are saved together with every other state, so that little of them is lost. */
static enum err_code save_time(const struct auto_work *work, struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    double used = auto_seconds_used(work);
    if (work->run->clock == NULL) {
        return ERR_OK;
    }
    bytes_put_f64(&w, &used, 1);
    return checkpoint_save(work->run->run.checkpoint, TIME_TASK, &w, err);
}

enum err_code auto_load_time(struct auto_work *work, struct err *err)
{
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    if (work->run->clock == NULL ||
        checkpoint_load(work->run->run.checkpoint, TIME_TASK, &bytes, &r, &found, err) != ERR_OK) {
        return err->code;
    }
    if (found) {
        bytes_get_f64(&r, &work->before, 1);
        err_kept(checkpoint_check(&r, err));
    }
    mem_free(bytes);
    return err->code;
}

/* ---- the states of a training ---- */

static bool part_due(void *ctx, int task)
{
    const struct auto_part *part = ctx;
    auto_watch_time(part->work);
    return checkpoint_due(part->whole, part->first_task + task);
}

static enum err_code part_save(void *ctx, int task, const void *bytes, size_t n_bytes,
                               struct err *err)
{
    const struct auto_part *part = ctx;
    struct bytes_writer w = {.data = NULL};
    bytes_put_u32(&w, part->number);
    bytes_put(&w, bytes, n_bytes);
    return checkpoint_save(part->whole, part->first_task + task, &w, err) == ERR_OK
               ? save_time(part->work, err)
               : err->code;
}

static enum err_code part_load(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err)
{
    const struct auto_part *part = ctx;
    void *found = NULL;
    size_t size = 0;
    enum err_code code =
        part->whole->load(part->whole->ctx, part->first_task + task, &found, &size, err);
    if (code != ERR_OK) {
        return code;
    }
    struct bytes_reader r = {.data = found, .left = size};
    uint32_t number = bytes_get_u32(&r);
    if (r.failed) {
        mem_free(found);
        return err_set(err, ERR_CORRUPT, "the checkpoint is damaged");
    }
    if (number != part->number) {
        mem_free(found);
        err->code = ERR_NOT_FOUND;
        return ERR_NOT_FOUND;
    }
    memmove(found, r.data, r.left);
    *bytes = found;
    *n_bytes = r.left;
    return ERR_OK;
}

const struct checkpoint *auto_part_init(struct auto_part *part, struct auto_work *work, int number)
{
    const struct checkpoint *whole = work->run->run.checkpoint;
    *part = (struct auto_part){.work = work,
                               .whole = whole,
                               .number = (uint32_t)number,
                               .checkpoint = {.ctx = part,
                                              .due = part_due,
                                              .save = part_save,
                                              .load = part_load,
                                              .ranks = whole != NULL ? whole->ranks : NULL,
                                              .first = whole != NULL ? whole->first : 0}};
    return whole != NULL ? &part->checkpoint : NULL;
}

const struct checkpoint *auto_part_init_apart(struct auto_part *part, struct auto_work *work,
                                              int number)
{
    const struct checkpoint *kept = ranks_kept(work->run->run.checkpoint);
    *part = (struct auto_part){
        .work = work,
        .whole = kept,
        .number = (uint32_t)number,
        .first_task = APART_TASK + number * APART_TASKS,
        .checkpoint = {.ctx = part, .due = part_due, .save = part_save, .load = part_load}};
    return kept != NULL ? &part->checkpoint : NULL;
}

int auto_fit_task(const struct auto_fit *fit)
{
    int number = fit->candidate * AUTO_MAX_FOLDS + fit->fold;
    return FIT_TASK + 2 * number + (fit->scaling == SCALER_LOG);
}

/* ---- the scores of a candidate ---- */

static void put_row(struct bytes_writer *w, const struct auto_scores *scores, int row, int o)
{
    size_t at = (size_t)row * (size_t)o;
    bytes_put_f64(w, &scores->sums[row], 1);
    if (scores->means != NULL) {
        bytes_put_f64(w, scores->means + at, (size_t)o);
        bytes_put_f64(w, scores->stds + at, (size_t)o);
    }
}

static void get_row(struct bytes_reader *r, const struct auto_scores *scores, int row, int o)
{
    size_t at = (size_t)row * (size_t)o;
    bytes_get_f64(r, &scores->sums[row], 1);
    if (scores->means != NULL) {
        bytes_get_f64(r, scores->means + at, (size_t)o);
        bytes_get_f64(r, scores->stds + at, (size_t)o);
    }
}

enum err_code auto_save(const struct auto_work *work, int candidate, struct err *err)
{
    const struct auto_candidate *c = &work->table->candidates[candidate];
    struct bytes_writer w = {.data = NULL};
    if (work->run->run.checkpoint == NULL) {
        return ERR_OK;
    }
    bytes_put_u32(&w, (uint32_t)c->outcome);
    bytes_put_u32(&w, (uint32_t)c->n_folds);
    bytes_put_f64(&w, &c->seconds, 1);
    bytes_put_text(&w, c->why);
    bytes_put_f64(&w, work->scores[candidate].excess, 2 * (size_t)work->rows.o);
    for (int i = 0; i < work->rows.n; i++) {
        if (work->fold[i] < c->n_folds) {
            put_row(&w, &work->scores[candidate], i, work->rows.o);
        }
    }
    return checkpoint_save(work->run->run.checkpoint, FIRST_TASK + candidate, &w, err) == ERR_OK
               ? save_time(work, err)
               : err->code;
}

enum err_code auto_load(struct auto_work *work, int candidate, struct err *err)
{
    struct auto_candidate *c = &work->table->candidates[candidate];
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    if (checkpoint_load(work->run->run.checkpoint, FIRST_TASK + candidate, &bytes, &r, &found,
                        err) != ERR_OK) {
        return err->code;
    }
    if (found) {
        double seconds = 0.0;
        c->outcome = (enum auto_outcome)bytes_get_int(&r, AUTO_NEEDLESS);
        c->n_folds = bytes_get_int(&r, work->table->n_scored);
        bytes_get_f64(&r, &seconds, 1);
        c->seconds = work->run->clock != NULL ? seconds : c->seconds;
        char *why = bytes_get_text(&r, sizeof c->why - 1);
        if (why != NULL) {
            memcpy(c->why, why, strlen(why) + 1);
        }
        mem_free(why);
        bytes_get_f64(&r, work->scores[candidate].excess, 2 * (size_t)work->rows.o);
        for (int i = 0; i < work->rows.n; i++) {
            if (work->fold[i] < c->n_folds) {
                get_row(&r, &work->scores[candidate], i, work->rows.o);
            }
        }
        err_kept(checkpoint_check(&r, err));
    }
    mem_free(bytes);
    return err->code;
}
