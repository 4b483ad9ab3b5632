/* SPDX-License-Identifier: Apache-2.0 */
/* Which trainings are launched. */
#ifndef LAUNCH_PLACE_H
#define LAUNCH_PLACE_H

#include "documents/job_spec.h"

struct launch_policy {
    bool on;          /* there is a launcher */
    int64_t min_rows; /* from which a training is launched whose request does not say; 0: none is */
};

/*
 * spec->place of a training on n_rows rows becomes JOB_HERE or JOB_LAUNCHER. A choice of the solver
 * within seconds is made here. ERR_UNSUPPORTED: the request wants a launcher, and there is none, or
 * it is no training for one; with `gives_way` it runs here instead.
 */
enum err_code launch_place_choose(const struct launch_policy *policy, int64_t n_rows,
                                  bool gives_way, struct job_spec *spec,
                                  struct err *err) MUST_CHECK;

#endif
