/* SPDX-License-Identifier: Apache-2.0 */
/* From what somebody wants trained to the text that a job keeps: complete, and fit for the rows. */
#ifndef TRAIN_REQUEST_H
#define TRAIN_REQUEST_H

#include "api/app.h"
#include "base/textbuf.h"

struct train_request {
    const char *text; /* [len] JSON (documents/job_json); len 0: as the default version was trained */
    size_t len;
    bool cold_if_need; /* a warm start that is not possible becomes a cold one */
    int priority;      /* out */
};

/*
 * Appends the request with every setting written out. What can be refused now is refused now, not
 * by a job that fails. ERR_INVALID naming the key; ERR_CONFLICT (too few rows, no version to start
 * from); ERR_NOT_FOUND (no such model).
 */
enum err_code train_request_write(struct app *app, const char *model, struct train_request *request,
                                  struct textbuf *out, struct err *err) MUST_CHECK;

#endif
