/* SPDX-License-Identifier: Apache-2.0 */
/* An examination at work: where it is, and what it has found. */
#ifndef CHECKING_H
#define CHECKING_H

#include <stddef.h>
#include <stdint.h>

#include "store/care/check_file.h"

struct conn;

struct checking {
    struct conn *conn;
    const struct care_calls *calls;
    struct check_report *report;
    int64_t done; /* bytes of contents */
    int64_t total;
};

void checking_found(struct checking *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Turns the failure of reading one thing into a finding, so that the rest is examined too. Errors
 * that say nothing about the file (memory, a stop) stay.
 */
enum err_code checking_forgive(struct checking *c, struct err *one, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Counts bytes as examined; ERR_CANCELLED. */
enum err_code checking_advance(struct checking *c, size_t n_bytes, struct err *err) MUST_CHECK;

#endif
