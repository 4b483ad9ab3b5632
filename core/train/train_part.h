/* SPDX-License-Identifier: Apache-2.0 */
/* A solver run that is one part of a training: its share of the progress and of the checkpoint. */
#ifndef TRAIN_PART_H
#define TRAIN_PART_H

#include "train/train.h"

#define TRAIN_PART_TASKS 8192 /* of one solver run */

struct train_part {
    const struct train_run *run;  /* borrowed */
    int number;                   /* of the solver run within the training */
    double from, to;              /* its share of the whole, [0, 1] */
    struct checkpoint checkpoint; /* set by train_part_attach */
};

/* Makes the problem report, stop and keep its state as this part. The part must outlive the solver
 * run. */
void train_part_attach(struct train_part *part, struct solver_problem *problem);

/* The number of a task of such a run in the whole training's checkpoint. */
int train_part_task(int number, int task);

#endif
