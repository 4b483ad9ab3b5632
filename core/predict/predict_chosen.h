/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some of the outputs of a model that computes them all: its answer is computed whole and the
 * outputs that were asked for are copied from it, so that an answer has the same bits with and
 * without a slice. Outputs that are decoded do not come here (predict_field.h).
 */
#ifndef PREDICT_CHOSEN_H
#define PREDICT_CHOSEN_H

#include "predict/predict.h"

/* Has the request a slice that must be copied? */
static inline bool predict_is_chosen(const struct model *model, const struct predict_request *req)
{
    return req->n_outputs > 0 && model->reduction == NULL && req->derivative == NULL;
}

/* The same request of all outputs. */
struct predict_request predict_chosen_whole(const struct predict_request *req);

/* Sets call->chosen; the results have been allocated. Errors of predict_begin. */
enum err_code predict_chosen_begin(struct predict_call *call, struct arena *arena,
                                  struct err *err) MUST_CHECK;
enum err_code predict_chosen_tile(const struct predict_call *call, int tile, struct arena *scratch,
                                 struct err *err) MUST_CHECK;
enum err_code predict_chosen_end(struct predict_call *call, struct arena *arena,
                                struct err *err) MUST_CHECK;

#endif
