/* SPDX-License-Identifier: Apache-2.0 */
/* A request to compare versions: which versions, and on which rows. */
#ifndef COMPARE_REQUEST_H
#define COMPARE_REQUEST_H

#include "api/rows/labelled.h"
#include "store/models/version_ref.h"

#define COMPARE_MAX_VERSIONS 8

struct compare_request {
    struct labelled labelled;
    const json_t *stored; /* "data" names stored rows; NULL: the request has rows */
    int64_t after_batch;  /* stored rows of later batches only */
    int64_t limit;
    struct version_ref refs[COMPARE_MAX_VERSIONS];
    int n_versions;
    int64_t deadline_ns; /* 0: none */
};

/* All in the request's arena. ERR_INVALID naming what is wrong; ERR_LIMIT; ERR_NOMEM. */
enum err_code compare_request_read(const struct request *req, int max_rows,
                                   struct compare_request *out, struct err *err) MUST_CHECK;

#endif
