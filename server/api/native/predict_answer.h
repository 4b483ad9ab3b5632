/* SPDX-License-Identifier: Apache-2.0 */
/* A prediction as the body of a response: JSON, or npy with the rest in headers. */
#ifndef PREDICT_ANSWER_H
#define PREDICT_ANSWER_H

#include "api/native/prediction_request.h"
#include "live/models.h"

struct predict_answer {
    const struct prediction_request *request;
    const struct served *served; /* need not outlive predict_answer_write */
    const struct predict_result *result;
    struct arena *arena; /* like request and result it must live until the response has been sent */
};

/*
 * Fills the response; *outside: rows outside the training range. ERR_NOMEM; ERR_NUMERIC (a value
 * beyond float32).
 */
enum err_code predict_answer_write(const struct predict_answer *answer, struct response *res,
                                   long *outside, struct err *err) MUST_CHECK;

#endif
