/* SPDX-License-Identifier: Apache-2.0 */
/* What a training request says: what to train, what it may cost, and when its version is served. */
#ifndef JOB_SPEC_H
#define JOB_SPEC_H

#include "base/names.h"
#include "train/auto.h"

#define JOB_MAX_PRIORITY 100 /* priorities are from -100 to 100 */

enum gate_metric {
    GATE_RMSE, /* root mean over outputs of (RMSE / range of the served version's outputs)^2 */
    GATE_NLL,  /* mean over outputs of the negative log likelihood */
    GATE_CRPS, /* mean over outputs of CRPS / range */
};
/* Which of the rows that were kept out are compared: those that the served version had as well,
 * all, or those that came since. */
enum gate_rows { GATE_KNOWN, GATE_ALL, GATE_NEW };

/* When a new version may take the place of the served one (jobs/gate). */
struct gate_spec {
    bool on;
    enum gate_metric metric;
    enum gate_rows rows;
    double max_increase; /* a share; in nats for nll */
};

struct gate_spec gate_defaults(void);
const char *gate_metric_name(enum gate_metric metric);
struct names gate_metric_known(void);
const char *gate_rows_name(enum gate_rows rows);
struct names gate_rows_known(void);

/* Where a training runs: in the server, or where its launcher starts it. Both give the same
 * version, which is why a version's settings do not say it. */
enum job_place { JOB_HERE, JOB_LAUNCHER, JOB_ANYWHERE };

const char *job_place_name(enum job_place place); /* not of JOB_ANYWHERE */
struct names job_place_known(void);

struct job_limits {
    int64_t seconds; /* of one attempt; 0: none */
    int64_t bytes;   /* of memory; 0: none */
};

/* A choice by `auto` may take this share of the limit of seconds, so that there is time for the
 * last training. */
#define JOB_CHOICE_SHARE 0.6

/* The smaller of two limits of seconds or bytes; 0 means no limit. */
int64_t job_limits_tighter(int64_t a, int64_t b);

/* The choice of a solver by comparison: `auto`. */
struct job_auto {
    bool on; /* the job chooses; its `train` is what the choice is based on (core/train/auto.h) */
    bool chosen; /* not on: the solver of `train` was chosen so, and would be chosen again so */
    unsigned fixed;
    uint64_t settings;
    double seconds;                 /* budget; 0: none */
    int fits;                       /* budget; 0: none */
    const struct auto_table *table; /* chosen: its failures are written; NULL: none are */
};

/* Release with train_spec_release(&spec->train). */
struct job_spec {
    struct train_spec train;
    struct job_auto choice;
    struct gate_spec gate;
    struct job_limits limits;
    bool promote; /* false: the version is stored and not served, whatever the gate says */
    int priority;
    enum job_place place; /* JOB_ANYWHERE: the request does not say */
    /* Does the request say them? If not, the defaults stand here. */
    bool gives_seed, gives_split;
};

/* What core/train/auto.h takes; borrows from the spec. */
struct auto_spec job_spec_auto(const struct job_spec *spec);

/* Makes of the settings of a version whose solver was chosen the request that chooses again: all
 * that is not fixed gets its default. */
void job_spec_choose_again(struct job_spec *spec);

#endif
