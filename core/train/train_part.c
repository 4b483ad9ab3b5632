/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_part.h"

/* The tasks of each run follow those of the run before it. */
int train_part_task(int number, int task)
{
    return number * TRAIN_PART_TASKS + task;
}

static bool part_due(void *ctx, int task)
{
    const struct train_part *part = ctx;
    return checkpoint_due(part->run->checkpoint, train_part_task(part->number, task));
}

static enum err_code part_save(void *ctx, int task, const void *bytes, size_t n_bytes,
                               struct err *err)
{
    const struct train_part *part = ctx;
    const struct checkpoint *whole = part->run->checkpoint;
    return whole->save(whole->ctx, train_part_task(part->number, task), bytes, n_bytes, err);
}

static enum err_code part_load(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err)
{
    const struct train_part *part = ctx;
    const struct checkpoint *whole = part->run->checkpoint;
    return whole->load(whole->ctx, train_part_task(part->number, task), bytes, n_bytes, err);
}

static void part_progress(void *ctx, const struct progress *progress)
{
    const struct train_part *part = ctx;
    struct progress all = *progress;
    all.fraction = part->from + progress->fraction * (part->to - part->from);
    part->run->progress(part->run->progress_ctx, &all);
}

void train_part_attach(struct train_part *part, struct solver_problem *problem)
{
    const struct train_run *run = part->run;
    part->checkpoint = (struct checkpoint){
        .ctx = part,
        .due = part_due,
        .save = part_save,
        .load = part_load,
        .ranks = run->checkpoint != NULL ? run->checkpoint->ranks : NULL,
        .first = run->checkpoint != NULL ? run->checkpoint->first + train_part_task(part->number, 0)
                                         : 0};
    problem->checkpoint = run->checkpoint != NULL ? &part->checkpoint : NULL;
    problem->progress = run->progress != NULL ? part_progress : NULL;
    problem->progress_ctx = part;
    problem->cancel = run->cancel;
    problem->n_threads = run->n_threads;
}
