/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several requests to one model as one prediction. A row's answer has the same bits whatever rows
 * are computed with it, so joining shows in nothing but the time.
 */
#ifndef PREDICT_JOIN_H
#define PREDICT_JOIN_H

#include "predict/predict.h"

/* Can rows of both be computed together? Not when a row's answer depends on other rows. */
bool predict_can_join(const struct predict_request *a, const struct predict_request *b);

/*
 * The request for all rows of parts [n], which can be joined, one part after the other; rows of d
 * inputs are copied to the arena. ERR_NOMEM.
 */
enum err_code predict_join(const struct predict_request *const *parts, int n, int d,
                           struct arena *arena, struct predict_request *out,
                           struct err *err) MUST_CHECK;

/*
 * The results of one part, whose rows begin at row `first` of the joint request; copied to the
 * arena. ERR_NOMEM.
 */
enum err_code predict_slice(const struct model *model, const struct predict_request *joint,
                            const struct predict_result *all, int first,
                            const struct predict_request *part, struct arena *arena,
                            struct predict_result *out, struct err *err) MUST_CHECK;

#endif
