/* SPDX-License-Identifier: Apache-2.0 */
/* The part of an attempt that chooses the solver (core/train/auto.h). */
#ifndef ATTEMPT_CHOICE_H
#define ATTEMPT_CHOICE_H

#include "jobs/attempt.h"

/*
 * Trains attempt->model, by the rows, threads, checkpoint and so on of `run`. The settings of the
 * model are those of the chosen solver, and say how it was chosen. Errors of auto_train.
 */
enum err_code attempt_choose(struct attempt *attempt, const struct train_run *run,
                             struct err *err) MUST_CHECK;

#endif
