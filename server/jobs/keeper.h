/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that looks after the registry while nobody asks: it starts jobs by the models'
 * policies and gives free space of the file back.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "jobs/policy.h"
#include "jobs/trainer.h"
#include "store/sqlite/db.h"

struct keeper_settings {
    struct db *db;
    struct models *models;
    struct trainer *trainer;
    struct events *events; /* NULL: nobody follows */
    struct log *log;
    int n_threads; /* of a measurement of drift */
};

struct keeper;

enum err_code keeper_start(const struct keeper_settings *settings, struct keeper **out,
                           struct err *err) MUST_CHECK;
/* Stops a measurement at work, too. NULL is fine. The trainer must still be there. */
void keeper_stop(struct keeper *keeper);

/* Rows came, or a policy was changed. */
void keeper_notify(struct keeper *keeper);

/* How it stands with a model's policy. */
struct keeper_status {
    int64_t looked_ms;     /* 0: not yet */
    int64_t changed_ms;    /* of the policy it looked at: another one was not looked at yet */
    char waiting[160];     /* what it waits for, or what went wrong */
    int64_t job;           /* the last one it has started since the server did; 0: none */
    double drift_score;    /* relative RMSE on fresh rows; NaN: not measured */
    double drift_baseline; /* what it is held against (jobs/drift.h); NaN: not measured */
};
/* False: it has not looked at the model yet. */
bool keeper_get_status(struct keeper *keeper, const char *model, struct keeper_status *out);

#endif
