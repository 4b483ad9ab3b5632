/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Examines a registry file: its pages, references between tables, every SHA-256, and numbers that
 * must agree.
 *
 * It changes nothing in the file, so it may run beside a server. Each model is examined in a
 * transaction of its own, with one stored chunk in memory at a time. A file of an older schema is
 * examined as far as its tables go.
 */
#ifndef CHECK_FILE_H
#define CHECK_FILE_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* How long work on a file reports to its caller. */
struct care_calls {
    /* Something is wrong; `text` says in one line what, and what to do. */
    void (*finding)(void *ctx, const char *text);
    /* Called often. total 0: not known. False stops the work (ERR_CANCELLED). */
    bool (*progress)(void *ctx, const char *phase, int64_t done, int64_t total);
    void *ctx;
};

struct check_report {
    int schema;
    int64_t n_models; /* without deleted ones */
    int64_t n_versions;
    int64_t n_batches;
    int64_t n_bytes;      /* of all pages */
    int64_t n_free_bytes; /* of the pages that hold nothing */
    int64_t n_findings;
    int64_t n_broken; /* the findings among them about pages and references, not about content */
};

/*
 * ERR_OK however much is found. Errors as of db_open: the file cannot be opened, is no registry or
 * is too new; ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code check_run(const char *path, const struct care_calls *calls,
                        struct check_report *report, struct err *err) MUST_CHECK;

/*
 * Reading a file at rest leaves the files of an empty write-ahead log beside it. This removes them,
 * unless a process uses them. Call it after the last examination or copy of a file, in a process
 * that has no connection to it.
 */
void check_leave(const char *path);

#endif
