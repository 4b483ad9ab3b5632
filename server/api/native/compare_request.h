/* SPDX-License-Identifier: Apache-2.0 */
/* What a request to compare versions asks for: which ones, and on which rows. */
#ifndef COMPARE_REQUEST_H
#define COMPARE_REQUEST_H

#include "api/native/labelled.h"
#include "store/models/version_ref.h"

#define COMPARE_MAX_VERSIONS 8

struct compare_request {
    struct labelled labelled;
    const json_t *stored; /* "data": rows of the store; NULL: they were sent */
    int64_t after_batch;  /* of those */
    int64_t limit;
    struct version_ref refs[COMPARE_MAX_VERSIONS];
    int n_versions;
    int64_t deadline_ns; /* 0: none */
};

/* All in the request's arena. ERR_INVALID naming what is wrong; ERR_LIMIT; ERR_NOMEM. */
enum err_code compare_request_read(const struct request *req, int max_rows,
                                   struct compare_request *out, struct err *err) MUST_CHECK;

#endif
