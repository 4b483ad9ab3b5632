/* SPDX-License-Identifier: Apache-2.0 */
/* All that a training request says: what to train, what it may cost, and when its version is
 * served. */
#ifndef JOB_SPEC_H
#define JOB_SPEC_H

#include "jobs/gate.h"
#include "train/train.h"

struct job_limits {
    int64_t seconds; /* of one attempt; 0: none */
    int64_t bytes;   /* of memory; 0: none */
};

/* Release with train_spec_release(&spec->train). */
struct job_spec {
    struct train_spec train;
    struct gate_spec gate;
    struct job_limits limits;
    bool promote; /* false: the version is stored and not served, whatever the gate says */
    int priority;
};

#endif
