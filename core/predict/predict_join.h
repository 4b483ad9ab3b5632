/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several requests to one model as one prediction. A row's answer has the same bits whatever rows
 * are computed with it, so joining changes nothing but the time it takes.
 */
#ifndef PREDICT_JOIN_H
#define PREDICT_JOIN_H

#include "predict/predict.h"

/* Can the rows of both be computed together? results.def says which results allow it. */
bool predict_can_join(const struct predict_request *a, const struct predict_request *b);

/*
 * Makes the request for the rows of all parts [n], which must be joinable, one part after the
 * other; the rows, of d inputs, are copied to the arena. ERR_NOMEM.
 */
enum err_code predict_join(const struct predict_request *const *parts, int n, int d,
                           struct arena *arena, struct predict_request *out,
                           struct err *err) MUST_CHECK;

/*
 * Copies the results of one part, whose rows begin at row `first`, from the result of a joint call
 * that has ended to the arena. ERR_NOMEM.
 */
enum err_code predict_slice(const struct predict_call *joint, int first,
                            const struct predict_request *part, struct arena *arena,
                            struct predict_result *out, struct err *err) MUST_CHECK;

#endif
