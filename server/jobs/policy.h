/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a model is trained again by itself: when enough rows have come, when the schedule says so,
 * or when the served version predicts fresh rows worse than its own (drift). Training does not
 * start while rows are still coming in: a policy waits until none has come for debounce_s, but not
 * longer than POLICY_PATIENCE times that.
 *
 * Times are UTC, without summer time. A time that passed while the server was down or a job was
 * running is made up for at the next look. After the clock was set back, what happened earlier
 * counts as if it had happened at the first look since.
 *
 * This file decides; jobs/keeper gathers the facts and acts.
 */
#ifndef POLICY_H
#define POLICY_H

#include "documents/policy_spec.h"
#include "store/jobs/policy_store.h"

#define POLICY_PATIENCE 10

/* What the keeper remembers of a model between two looks. */
struct policy_memory {
    int64_t held_since_ms;  /* since when there has been a reason to train; 0: there is none */
    int64_t set_back_ms;    /* since when the last job has seemed later than now; 0: it does not */
    int64_t judged_batch;   /* the last batch when drift was measured */
    int64_t judged_version; /* the default version then */
    bool drifted;           /* the result */
    bool undecided;         /* no result: too few rows for a version without scores of its own */
};

enum policy_act { POLICY_WAIT, POLICY_MEASURE, POLICY_TRAIN };

struct policy_decision {
    enum policy_act act;
    const char *reason; /* to train: new_rows, schedule, drift; to wait: a sentence for people */
    int64_t next_ms;    /* when to look again if nothing happens before; 0: never */
};

/*
 * now_ms, and changed_ms of the policy: UTC. POLICY_MEASURE: the caller measures whether fresh rows
 * show a drift, notes the result in memory together with what it was measured on, and asks again.
 */
struct policy_decision policy_decide(const struct policy_spec *policy,
                                     const struct policy_facts *facts, int64_t changed_ms,
                                     int64_t now_ms, struct policy_memory *memory);

#endif
