/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the examination share. */
#ifndef CHECK_PRIV_H
#define CHECK_PRIV_H

#include "store/care/check_file.h"
#include "store/sqlite/db_priv.h"

struct checking {
    struct conn *conn;
    const struct care_calls *calls;
    struct check_report *report;
    int64_t done; /* bytes of contents */
    int64_t total;
};

struct check_model {
    int64_t id;
    char name[72];
    bool deleted;
    int64_t default_version; /* 0: none */
    int64_t next_version;
};

void check_found(struct checking *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Turns the failure of reading one thing into a finding, so that the rest is examined too. Errors
 * that say nothing about the file (memory, a stop) stay.
 */
enum err_code check_forgive(struct checking *c, struct err *one, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Counts bytes as examined; ERR_CANCELLED. */
enum err_code check_advance(struct checking *c, size_t n_bytes, struct err *err) MUST_CHECK;

/* Contents of a model's versions and batches, and of the checkpoints of all jobs. */
enum err_code check_versions(struct checking *c, const struct check_model *model,
                             struct err *err) MUST_CHECK;
enum err_code check_batches(struct checking *c, const struct check_model *model,
                            struct err *err) MUST_CHECK;
enum err_code check_checkpoints(struct checking *c, struct err *err) MUST_CHECK;

#endif
