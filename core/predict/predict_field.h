/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions of outputs that are decoded from coefficients (model/reduction.h): the coefficients
 * are predicted as any outputs are, by draws or in closed form, and each tile decodes its rows.
 * With their mean c, covariance S and draws c_d, modes v_j and the variance t_j of what the modes
 * cannot say of output j:
 *
 *   mean              mean_j + v_j' c
 *   variance          v_j' S v_j + t_j
 *   covariance        v_a' S v_b, and on the diagonal the variance
 *   samples           mean_j + v_j' c_d; of observations with noise and t_j
 *   quantiles         of the mixture of normals around the draws' values, of variance t_j; where
 * t_j is 0 of the draws. In closed form of the normal with mean and variance noise_variance    as
 * for any model; where it is predicted, sum_i V_ji^2 of the coefficients'
 *
 * The functions of predict.h call these for a model with a reduction.
 */
#ifndef PREDICT_FIELD_H
#define PREDICT_FIELD_H

#include "predict/predict.h"

/* The results that a call makes: the variance only where something needs it. */
unsigned predict_field_needed(const struct model *model, const struct predict_request *req);

/* ERR_UNSUPPORTED naming a result that fields do not have; ERR_INVALID, ERR_LIMIT. */
enum err_code predict_field_check(const struct model *model, const struct predict_request *req,
                                  struct err *err) MUST_CHECK;

/* Of the coefficients and of decoding, beside the results. */
size_t predict_field_bytes(const struct model *model, const struct predict_request *req);
double predict_field_work(const struct model *model, const struct predict_request *req);

/* Sets call->field; the results have been allocated. ERR_NOMEM and those of predict_begin. */
enum err_code predict_field_begin(struct predict_call *call, struct arena *arena,
                                  struct err *err) MUST_CHECK;
enum err_code predict_field_tile(const struct predict_call *call, int tile, struct arena *scratch,
                                 struct err *err) MUST_CHECK;
/* What needs all rows. ERR_NUMERIC naming the place of a result that is not finite; ERR_NOMEM. */
enum err_code predict_field_end(struct predict_call *call, struct arena *arena,
                                struct err *err) MUST_CHECK;

#endif
