/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to an inference request: JSON, with the numbers of binary outputs behind it. */
#ifndef INFER_ANSWER_H
#define INFER_ANSWER_H

#include "api/oip/infer_request.h"
#include "http/exchange.h"
#include "live/served.h"

struct infer_answer {
    const struct infer_request *request;
    const struct served *served;         /* need not outlive infer_answer_write */
    const struct predict_result *result; /* like the arena it lives until the response is sent */
    struct arena *arena;
};

/* Memory that the answer will take beside the result. The request has been checked. */
size_t infer_answer_bytes(const struct infer_request *request, const struct model *model);

/*
 * Fills the response, whose body is a source; *outside: rows outside the training range.
 * ERR_NUMERIC: a number is beyond float32. ERR_NOMEM.
 */
enum err_code infer_answer_write(const struct infer_answer *answer, struct response *res,
                                 long *outside, struct err *err) MUST_CHECK;

#endif
