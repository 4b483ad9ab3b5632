/* SPDX-License-Identifier: Apache-2.0 */
/* An examination under way: how far it is, and how it reports what it finds. */
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
    int64_t done; /* bytes of content that have been examined */
    int64_t total;
};

/* Reports a finding. */
void checking_found(struct checking *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Turns the failure to read one thing into a finding, so that the rest is examined too. A failure
 * that says nothing about the file (no memory, a stop) becomes the error in err instead. Returns
 * what stands in err.
 */
enum err_code checking_forgive(struct checking *c, const struct err *failure, struct err *err,
                               const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Counts bytes as examined. ERR_CANCELLED. */
enum err_code checking_advance(struct checking *c, size_t n_bytes, struct err *err) MUST_CHECK;

#endif
