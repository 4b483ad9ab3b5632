/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A day in the life of a server in a few requests, for tests of what may go wrong with it. Each
 * step changes the registry by one request (training also waits for its job) and can be sent again
 * until it is done; in what order faults let them through, the end is the same.
 */
#ifndef FAULT_SCENARIO_H
#define FAULT_SCENARIO_H

#include "loopback.h"
#include "store/jobs/job_read.h"

enum scenario_step {
    STEP_REGISTER,
    STEP_REGISTER_SECOND, /* not promoted, nor is the third */
    STEP_PROMOTE,         /* the second */
    STEP_REGISTER_THIRD,
    STEP_UPLOAD_JSON,
    STEP_UPLOAD_CSV,
    STEP_UPLOAD_SKIP, /* some of its rows are there already, or twice in it */
    STEP_UPLOAD_NPY,
    STEP_DELETE_BATCH,   /* the CSV */
    STEP_DELETE_VERSION, /* the third */
    STEP_EXPORT,
    STEP_TRAIN,
    STEP_TRAIN_LONG, /* a job that would not end */
    STEP_CANCEL,
    /* What is done with versions and policies; needs of the above the first three alone. */
    STEP_ROLL_BACK, /* to @previous, whichever that is */
    STEP_PROMOTE_AGAIN,
    STEP_ALIAS, /* blue, of the second */
    STEP_ALIAS_MOVE,
    STEP_ALIAS_OTHER, /* green */
    STEP_ALIAS_DELETE,
    STEP_REGISTER_FOURTH,
    STEP_KEEP,           /* the newest, and what else must stay */
    STEP_REGISTER_FIFTH, /* the fourth is kept no longer */
    STEP_POLICY,
    STEP_POLICY_DELETE,
    STEP_POLICY_AGAIN,
    N_STEPS,
    N_DAY_STEPS = STEP_ROLL_BACK
};

struct scenario {
    struct loopback *loop;
    bool (*met)(void); /* has a fault been met? NULL: there is none */
    bool may_fail;     /* the long job, since what is read seems damaged */
    bool hasty;        /* nobody waits for a job */
    bool done[N_STEPS];
    bool tried[N_STEPS];
    int64_t first, second, third; /* numbers of versions; 0: not known yet */
    int64_t csv_batch;
    atomic_llong job; /* also for threads that look on; 0: none is queued */
    int64_t long_job;
    bool retry_after; /* of the last answer */
    char answer[16384];
};

void scenario_begin(struct scenario *s, struct loopback *loop);
const char *scenario_step_name(enum scenario_step step);

/*
 * Sends the request of a step; sets done when the answer says so. The status, or 0 when the step
 * cannot be sent because one before it is not done.
 */
int scenario_send(struct scenario *s, enum scenario_step step);

/* The status of a prediction, which needs no disk. */
int scenario_predict(struct scenario *s);

/* Cancels jobs that a request has queued but did not tell of. */
void scenario_settle(struct scenario *s);

/* Uploads with keys that were done are sent again and add nothing. Failures fail the test. */
void scenario_check_keys(struct scenario *s);

/*
 * The state in which the job ends. The worker is woken when it rests after a fault, and a job that
 * was put off begins at once. Failures fail the test.
 */
enum job_state scenario_await(struct loopback *loop, int64_t job);

#endif
