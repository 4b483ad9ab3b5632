/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says: when a model is trained again by itself, and how. */
#ifndef POLICY_SPEC_H
#define POLICY_SPEC_H

#include "documents/job_spec.h"

struct policy_spec {
    int64_t new_rows;      /* since the last job; 0: not a reason */
    int64_t every_s;       /* since the last job; 0: not a reason */
    int daily_at;          /* minute of the UTC day; -1: not a reason */
    double drift_increase; /* of the relative RMSE; negative: not a reason */
    int64_t drift_rows;    /* fresh rows to judge by, and new ones since the last job */
    int64_t debounce_s;
    char *request; /* a training request, as given; NULL: as the default version was trained; mem */
    struct job_spec job; /* the same, read; empty when request is NULL */
};

struct policy_spec policy_spec_defaults(void);
void policy_spec_release(struct policy_spec *spec);

#endif
