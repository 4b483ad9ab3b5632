/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a prediction says of observations rather than of the model's mean: quantiles of the
 * predictive distribution, and samples with noise. An observation by draw j at a row is normal with
 * mean f_j and the variance of the noise, which is the model's, or the draw's own where the noise
 * is predicted. The predictive distribution is the mixture of these, with equal weights
 * (results.def).
 */
#ifndef PREDICT_OBSERVATION_H
#define PREDICT_OBSERVATION_H

#include "math/normal_mixture.h"
#include "predict/predict.h"

/* ERR_INVALID: a level that is not in (0, 1), or no noise is known. */
enum err_code predict_observation_check(const struct model *model,
                                        const struct predict_request *req,
                                        struct err *err) MUST_CHECK;

/* Multiplications, roughly, that quantiles of m components add to a prediction. */
double predict_observation_work(const struct model *model, const struct predict_request *req);

/* Sets call->total_z. ERR_NOMEM. */
enum err_code predict_observation_begin(struct predict_call *call, struct arena *arena,
                                        struct err *err) MUST_CHECK;

/* Must a tile keep the noise of each draw or member? */
bool predict_observation_needs_noise(const struct predict_call *call);

/* The variance that the noise of an output has where its mean is so much; 0 where it is predicted.
 * The same at all rows unless it is of the output's logarithm. */
double predict_observation_noise(const struct predict_call *call, size_t output, double mean);

/* Sets the quantiles of a cell of [n x o]. The mixture's variances are with noise. */
void predict_observation_quantiles(const struct predict_call *call, size_t cell,
                                   const struct normal_mixture *mix);

/*
 * Adds noise to a row of a sample, whose values are v [o]. predicted: [o] variances, or NULL where
 * the noise is not predicted. The noise is a function of the seed, the row's place in the request
 * and the sample's.
 */
void predict_observation_add_noise(const struct predict_call *call, int sample, size_t row,
                                   const double *predicted, double *v);

#endif
