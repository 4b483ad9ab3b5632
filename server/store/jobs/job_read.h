/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored about jobs: trainings, and analyses of a version. Nothing here changes a job. */
#ifndef JOB_READ_H
#define JOB_READ_H

#include <stddef.h>

#include "store/data/training_data.h"
#include "store/models/model_name.h"
#include "store/sqlite/db.h"

#define JOB_ORIGIN_CHARS      16
#define JOB_REQUEST_ID_CHARS  64
#define JOB_TRACEPARENT_CHARS 55
#define JOB_WARNINGS_CHARS    255

/* Stored as a number. */
enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED };

/* Stored as a number. */
enum job_kind { JOB_TRAIN, JOB_ANALYSIS, JOB_CALIBRATION };

const char *job_kind_name(enum job_kind kind); /* "train", "analysis", "calibration" */
struct names job_kind_known(void);

/* Jobs of different lanes run at the same time: trainings, and all others. */
enum job_lane { JOB_LANE_TRAIN, JOB_LANE_ANALYSE, JOB_N_LANES };

const char *job_state_name(enum job_state state); /* "queued", ... */
struct names job_state_known(void);

struct job_row {
    int64_t id;
    char model[NAME_MAX_CHARS + 1];
    enum job_state state;
    int attempts; /* how often it was claimed */
    int64_t created_ms;
    int64_t started_ms;  /* of the last attempt; 0: not started yet */
    int64_t finished_ms; /* 0: not finished yet */
    int64_t version;     /* that it published; 0: none */
    bool cancel_requested;
    char message[240];         /* why it failed, waits or was not promoted; else empty */
    struct training_data data; /* the rows of its last attempt */
    int priority;
    char origin[JOB_ORIGIN_CHARS + 1]; /* who asked: request, new_rows, schedule, drift */
    int64_t not_before_ms;             /* while queued: it does not start before then */
    int faults;                        /* after which it was put back for another attempt */
    enum job_kind kind;
    int64_t base_version; /* where its last attempt started, 0: a cold start; the version that an
                             analysis reads */
    bool promoted;        /* its version became the default */
    bool is_launched;     /* its request ends with "where":"launcher" */
    int64_t seed_from;    /* the version whose seed the request took over; 0: none */
    int64_t split_from;   /* the same of its split */
    char request_id[JOB_REQUEST_ID_CHARS + 1];   /* of the request that asked for it, else empty */
    char traceparent[JOB_TRACEPARENT_CHARS + 1]; /* the trace of that request; may be empty */
    /* Codes of the warnings of its version (core/base/warnings.def), with blanks between them. */
    char warnings[JOB_WARNINGS_CHARS + 1];
};

/* ERR_NOT_FOUND. */
enum err_code job_store_get(struct db *db, int64_t id, struct job_row *row,
                            struct err *err) MUST_CHECK;

/* The texts of a job, mem; all but the request may be NULL. */
struct job_details {
    char *request;
    char *gate;     /* JSON object: the comparison with the served version */
    char *scores;   /* JSON object: how good the version is */
    char *warnings; /* JSON array: what is wrong with the version */
};
/* ERR_NOT_FOUND. */
enum err_code job_store_details(struct db *db, int64_t id, struct job_details *out,
                                struct err *err) MUST_CHECK;
void job_details_release(struct job_details *details);

struct job_filter {
    const char *model;  /* NULL: of every model */
    const char *models; /* patterns of names (access/token.h); NULL: any */
    int state;          /* enum job_state; -1: any */
    int limit;
};

/* Newest first. The caller frees *rows (mem_free). */
enum err_code job_store_list(struct db *db, const struct job_filter *filter, struct job_row **rows,
                             size_t *n_rows, struct err *err) MUST_CHECK;

/* How many jobs are in each state. counts: [JOB_CANCELLED + 1]. */
enum err_code job_store_count(struct db *db, int64_t *counts, struct err *err) MUST_CHECK;

/* When the next queued job of a lane may start, UTC ms, at least 1; 0: there is none. */
enum err_code job_store_next(struct db *db, enum job_lane lane, int64_t *at_ms,
                             struct err *err) MUST_CHECK;

/*
 * The rows that a version was trained on, and the version its training started from (base_version
 * may be NULL). The fingerprint is empty if it was not trained here.
 */
enum err_code job_store_training_data(struct db *db, const char *model, int64_t version,
                                      struct training_data *data, int64_t *base_version,
                                      struct err *err) MUST_CHECK;

/* ---- inside a transaction of the caller's ---- */

/* ERR_NOT_FOUND. */
enum err_code job_get(struct conn *conn, int64_t id, struct job_row *row,
                      struct err *err) MUST_CHECK;

/* Sets ERR_NOT_FOUND. */
enum err_code job_absent(int64_t id, struct err *err);

#endif
