/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a POST of UM-Bridge is answered: its body is read, its model is found (from the file by
 * another thread when it is not in memory), and what needs computing goes to the compute threads,
 * where predictions of several clients are joined.
 */
#ifndef UMBRIDGE_CALL_H
#define UMBRIDGE_CALL_H

#include "api/app.h"

enum umbridge_kind {
    UMBRIDGE_MODEL_INFO,
    UMBRIDGE_INPUT_SIZES,
    UMBRIDGE_OUTPUT_SIZES,
    UMBRIDGE_EVALUATE,
    UMBRIDGE_GRADIENT,
    UMBRIDGE_APPLY_JACOBIAN,
    UMBRIDGE_APPLY_HESSIAN
};

/* A handler_fn of that kind. */
enum err_code umbridge_call_answer(struct app *app, enum umbridge_kind kind,
                                   const struct request *req, struct response *res,
                                   struct err *err) MUST_CHECK;

#endif
