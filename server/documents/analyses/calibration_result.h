/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a calibration found:
 *
 *   {"kind":"calibration","model":"heat","version":3,"draws":100,
 *    "parameters":[{"name":"k","mean":0.41,"std":0.02,"quantiles":[..],"rhat":1.001,"ess_bulk":1800,
 *                   "ess_tail":1700,"density":{"values":[..],"density":[..]}}, ..],
 *    "quantile_levels":[0.025,0.25,0.5,0.75,0.975],
 *    "predictive":[{"experiment":0,"output":"T","observed":1.2,"mean":..,"std":..,"lower":..,
 *                   "upper":..}, ..],
 *    "log_evidence":-12.3,"divergent":0,"outside_training_range":0.02,"warnings":["..."],
 *    "next":{"points":[[0.4,0.6], ..],"std":[[0.01], ..],"variance":0.9,"variance_after":0.1},
 *    "samples":[[0.42], ..],"request":{..}}
 *
 * An unknown sigma is called "sigma of T", the standard deviation of a discrepancy "discrepancy of
 * T". The predictive is of the simulation at the experiment, without noise and discrepancy.
 */
#ifndef CALIBRATION_RESULT_H
#define CALIBRATION_RESULT_H

#include "analyse/calibrate_design.h"
#include "documents/analyses/analysis_result.h"

/* ERR_NOMEM. */
enum err_code calibration_result_write(struct textbuf *text, const struct analysis_request *request,
                                       const struct analysis_origin *origin,
                                       const struct calibrate_result *result,
                                       const struct calibrate_design *next,
                                       struct err *err) MUST_CHECK;

#endif
