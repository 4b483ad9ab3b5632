/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request for a prediction: a JSON body, or rows as npy, npz or CSV with the same options in the
 * query
 * (?model=heat&return=quantiles&quantiles=0.05,0.95). prediction_options.h reads what it should
 * return.
 */
#ifndef PREDICTION_REQUEST_H
#define PREDICTION_REQUEST_H

#include "formats/npy.h"
#include "http/exchange.h"
#include "predict/predict.h"
#include "store/models/version_ref.h"

#include <jansson.h>
#include <stdint.h>

struct prediction_request {
    const char *model;
    struct version_ref version;
    struct predict_request predict;
    int n_inputs;             /* numbers in a row */
    const json_t *named_rows; /* a body whose "inputs" wait for the names of the model; or NULL */
    bool unread;              /* there is more text than was to be read; nothing else is set */
    struct npy fields;        /* of npy or npz; names of its columns wait for those of the model */
    bool table;               /* the body is a text table, which waits for the model as well */
    bool named;               /* "return" names the results */
    const json_t *outputs;    /* which outputs (output_choice.h); NULL: all */
    const json_t *within;
    bool npy;            /* the answer is npy .. */
    bool npz;            /* .. or npz .. */
    bool single;         /* .. of float32 */
    bool borrows_body;   /* the rows may lie in the body itself */
    int64_t deadline_ns; /* by clock_ns; 0: none */
};

/*
 * Reads and checks all but what depends on the model; strings and rows live as long as the request.
 * Errors name the key, the header, or row and column. max_text: as in json_tensor.h.
 */
enum err_code prediction_request_read(const struct request *req, int max_rows, size_t max_text,
                                      struct prediction_request *request,
                                      struct err *err) MUST_CHECK;

/* The header Request-Timeout-Ms as a time by clock_ns; 0 without it. ERR_INVALID. */
enum err_code prediction_request_deadline(const struct request *req, int64_t *deadline_ns,
                                          struct err *err) MUST_CHECK;

/*
 * Reads the rows that waited for the model, by its names, and puts numbers that mean members of
 * categories into their places. ERR_SHAPE: they do not fit; ERR_INVALID naming the place.
 */
enum err_code prediction_request_fit(struct prediction_request *request, const struct request *req,
                                     int max_rows, const struct model *model,
                                     struct err *err) MUST_CHECK;

#endif
