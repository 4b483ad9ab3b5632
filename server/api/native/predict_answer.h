/* SPDX-License-Identifier: Apache-2.0 */
/* A prediction as the body of a response: JSON, or npy with the rest in headers. */
#ifndef PREDICT_ANSWER_H
#define PREDICT_ANSWER_H

#include "api/native/prediction_request.h"
#include "live/models.h"

/*
 * Wish and result must live until the response has been sent; `served` need not. *outside: rows
 * outside the training range. ERR_NOMEM; ERR_NUMERIC (a value beyond float32).
 */
enum err_code predict_answer(const struct prediction_request *request, const struct served *served,
                             const struct predict_result *result, struct arena *arena,
                             struct response *res, long *outside, struct err *err) MUST_CHECK;

#endif
