/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of UM-Bridge. Its clients check that a body has the members of the protocol and no other;
 * whatever else there is to say goes into headers.
 */
#ifndef UMBRIDGE_ANSWER_H
#define UMBRIDGE_ANSWER_H

#include "api/native/predict_answer.h"
#include "api/umbridge/umbridge_call.h"
#include "api/umbridge/umbridge_request.h"

/* ModelInfo, InputSizes, OutputSizes. ERR_NOMEM. */
enum err_code umbridge_answer_described(enum umbridge_kind kind,
                                        const struct umbridge_request *request,
                                        const struct model *model, struct arena *arena,
                                        struct response *res, struct err *err) MUST_CHECK;

/*
 * Evaluate, from the result, and what was derived. The result lives in the arena. ERR_NUMERIC: a
 * number is not finite; ERR_NOMEM.
 */
enum err_code umbridge_answer_computed(const struct umbridge_request *request,
                                       const struct model *model,
                                       const struct predict_result *result, struct arena *arena,
                                       struct response *res, struct err *err) MUST_CHECK;

#endif
