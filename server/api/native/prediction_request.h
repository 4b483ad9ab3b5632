/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a prediction request asks for: a JSON body, or npy rows with the same options in the query
 * (?model=heat&return=quantiles&quantiles=0.05,0.95).
 *
 * Levels of intervals are checked with the model (predict_check), which may be too little
 * calibrated for one.
 */
#ifndef PREDICTION_REQUEST_H
#define PREDICTION_REQUEST_H

#include "http/exchange.h"
#include "predict/predict.h"
#include "store/models/version_ref.h"

#include <stdint.h>

#define NPY_TYPE            "application/x-npy"
#define WISH_DEFAULT        (PREDICT_MEAN | PREDICT_VARIANCE)
#define WISH_MAX_TIMEOUT_MS 86400000 /* a day */

struct prediction_request {
    const char *model;
    struct version_ref version;
    struct predict_request predict;
    int n_inputs;        /* numbers a row */
    bool named;          /* the results were named */
    bool npy;            /* answer as npy .. */
    bool single;         /* .. in float32 */
    int64_t deadline_ns; /* by clock_ns; 0: none */
};

/*
 * All of it but what only the model can settle; strings and rows live as long as the request.
 * Errors name the key, the header, or row and column.
 */
enum err_code prediction_request_read(const struct request *req, int max_rows,
                                      struct prediction_request *request,
                                      struct err *err) MUST_CHECK;

/* Request-Timeout-Ms as a time by clock_ns; 0: none. ERR_INVALID. */
enum err_code prediction_request_deadline(const struct request *req, int64_t *deadline_ns,
                                          struct err *err) MUST_CHECK;

/* Do the rows fit a model of d inputs? ERR_SHAPE. */
enum err_code prediction_request_check_width(const struct prediction_request *request, int d,
                                             struct err *err) MUST_CHECK;

#endif
