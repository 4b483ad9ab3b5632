/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Examination of a registry file: pages, references, every SHA-256, and what must agree.
 *
 * Changes nothing in the file, so it may run beside a server; the empty log that reading a file at
 * rest makes is taken away again. Each model is examined in one consistent view. Holds
 * one stored chunk in memory at a time. A file of an older schema is examined as far as it goes.
 */
#ifndef CHECK_FILE_H
#define CHECK_FILE_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* How long work on a file tells its caller what it finds and how far it is. */
struct care_calls {
    /* One thing that is wrong and what to do, in one line. */
    void (*finding)(void *ctx, const char *text);
    /* total 0: not known. Often called; false: stop (ERR_CANCELLED). */
    bool (*progress)(void *ctx, const char *phase, int64_t done, int64_t total);
    void *ctx;
};

struct check_report {
    int schema;
    int64_t n_models; /* without deleted ones */
    int64_t n_versions;
    int64_t n_batches;
    int64_t n_bytes;      /* of the file's pages */
    int64_t n_free_bytes; /* of those that hold nothing */
    int64_t n_findings;
    int64_t n_broken; /* those of them about pages and references, not contents */
};

/*
 * Examines the registry at `path`. ERR_OK however much is found. Errors as of db_open: what cannot
 * be opened, is not ours or too new; ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code check_run(const char *path, const struct care_calls *calls,
                        struct check_report *report, struct err *err) MUST_CHECK;

/*
 * After the last examination or copy of a file in a process that has it open no more: takes away
 * the files of an empty write-ahead log that reading has left beside it, if nobody uses them.
 */
void check_leave(const char *path);

#endif
