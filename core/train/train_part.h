/* SPDX-License-Identifier: Apache-2.0 */
/* A solver run that is one part of a training: its share of the progress and of the checkpoint. */
#ifndef TRAIN_PART_H
#define TRAIN_PART_H

#include "train/train.h"

#define TRAIN_PART_TASKS 8192 /* of one solver run */

struct train_part {
    const struct train_run *run; /* borrowed */
    int first_task;
    double from, to; /* share of the whole */
    struct checkpoint checkpoint;
};

/*
 * Makes the problem report, stop and keep its state as the number-th solver run of a training. The
 * part must outlive the solver run.
 */
void train_part_init(struct train_part *part, const struct train_run *run, int number, double from,
                     double to, struct solver_problem *problem);

/* The number of a task of such a run in the whole training's checkpoint. */
int train_part_task(int number, int task);

#endif
