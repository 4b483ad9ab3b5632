/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that looks after the registry: it starts jobs by the policies of the models and gives
 * free space of the file back.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "jobs/launch/launch_place.h"
#include "jobs/policy.h"
#include "jobs/trainer.h"
#include "store/sqlite/db.h"

struct keeper_settings {
    struct db *db;
    struct models *models;
    struct trainer *trainer;
    struct events *events; /* NULL: nobody follows */
    struct log *log;
    int n_threads;           /* for a measurement of drift */
    int train_threads;       /* of a job */
    int64_t max_train_bytes; /* of a job; 0: no limit */
    struct launch_policy launch;
};

struct keeper;

enum err_code keeper_start(const struct keeper_settings *settings, struct keeper **out,
                           struct err *err) MUST_CHECK;
/* Also stops a running measurement. NULL is fine. The trainer must still exist. */
void keeper_stop(struct keeper *keeper);

/* To be called when rows came or a policy was changed. */
void keeper_notify(struct keeper *keeper);

/* What the keeper knows of a model's policy. */
struct keeper_status {
    int64_t looked_ms;     /* 0: not yet */
    int64_t changed_ms;    /* of the policy it looked at; a newer one was not looked at yet */
    char waiting[160];     /* what it waits for, or what went wrong */
    int64_t job;           /* the last one it started since the server started; 0: none */
    double drift_score;    /* relative RMSE on fresh rows; NaN: not measured */
    double drift_baseline; /* what the score is compared with (jobs/drift.h); NaN: not measured */
};
/* False: it has not looked at the model yet. */
bool keeper_get_status(struct keeper *keeper, const char *model, struct keeper_status *out);

#endif
