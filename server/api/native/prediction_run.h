/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A prediction whose answer is held whole: computed at once when it is small, else by compute
 * threads together with those of other clients, while the request is suspended. For families of
 * routes that read requests and write answers of their own.
 */
#ifndef PREDICTION_RUN_H
#define PREDICTION_RUN_H

#include "api/app.h"
#include "api/exports/answer_room.h"

/* In the arena of the request. */
struct prediction_run {
    /* given */
    struct app *app;
    const struct request *req;
    struct served *served; /* whose reference is taken */
    const struct predict_request *predict;
    int64_t deadline_ns;   /* by clock_ns; 0: none */
    size_t n_answer_bytes; /* that the answer takes beside the result */
    bool counts_calls;     /* as in batch_call.h */
    /* Writes the answer from the result; *outside: rows outside the training range. */
    enum err_code (*write)(struct prediction_run *run, struct response *res, long *outside,
                           struct err *err);
    /* Called once, at the end: err says how it went. NULL: nobody wants to know. */
    void (*note)(const struct prediction_run *run, const struct err *err);

    /* out, for write and note */
    struct predict_result result;
    int64_t parsed_ns; /* by clock_ns */
    int64_t begun_ns;
    int64_t computed_ns; /* 0: it has not been computed */
    bool leads;          /* as in batch_call.h */

    struct batch_item item; /* from here on its own */
    struct answer_claim claim;
};

/*
 * On the thread of the connection, once request and model are there. The response is filled, or is
 * filled later (struct later). Errors of predict_check, answer_room_claim, predict_run and
 * batcher_admit.
 */
enum err_code prediction_run_start(struct prediction_run *run, struct response *res,
                                   struct err *err) MUST_CHECK;

#endif
