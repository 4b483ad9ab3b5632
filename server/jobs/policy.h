/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a model is trained again by itself: when enough rows have come, when it is time, or when the
 * served version does worse on fresh rows than it did on its own (drift). Not while rows are still
 * coming in: a policy waits until none has come for debounce_s, but not longer than
 * POLICY_PATIENCE times that.
 *
 * Times are UTC, so they know no summer time. A time that passed while nobody looked (the server
 * was down, or a job was at work) is made up for at the next look. Where the clock was set back,
 * times of what happened before count as those of the first look after it.
 *
 * Decisions only: jobs/keeper gathers the facts and acts.
 */
#ifndef POLICY_H
#define POLICY_H

#include "documents/policy_spec.h"
#include "store/jobs/policy_store.h"

#define POLICY_PATIENCE 10

/* What a watcher remembers of a model between two looks. */
struct policy_memory {
    int64_t held_since_ms;  /* since when there has been a reason; 0: there is none */
    int64_t set_back_ms;    /* since when the last job lies in the future; 0: it does not */
    int64_t judged_batch;   /* the last batch whose rows were judged for drift */
    int64_t judged_version; /* and the default they were judged for */
    bool drifted;           /* what came of it */
    bool undecided;         /* too few rows for a version without scores of its own */
};

enum policy_act { POLICY_WAIT, POLICY_MEASURE, POLICY_TRAIN };

struct policy_decision {
    enum policy_act act;
    const char *reason; /* of training: new_rows, schedule, drift; of waiting: for people */
    int64_t next_ms;    /* when to look again, should nothing happen; 0: no need */
};

/*
 * now_ms, changed_ms (of the policy): UTC. POLICY_MEASURE: the caller finds out whether the fresh
 * rows show a drift, notes it in memory with what was judged, and asks again.
 */
struct policy_decision policy_decide(const struct policy_spec *policy,
                                     const struct policy_facts *facts, int64_t changed_ms,
                                     int64_t now_ms, struct policy_memory *memory);

#endif
