/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inference request of the Open Inference Protocol: JSON, or JSON and behind it the numbers of
 * tensors as bytes (the binary tensor data extension), or bytes alone.
 *
 * The rows come as one tensor "x" [rows, inputs], or as a tensor for each input of the model, by
 * its name. The outputs are the results of core/predict/results.def by name, and what the native
 * API calls options of a prediction are parameters of the request; a list is a string with commas.
 */
#ifndef INFER_REQUEST_H
#define INFER_REQUEST_H

#include "formats/tensor_type.h"
#include "predict/predict.h"

#include <stdint.h>

#define INFER_INPUT      "x" /* the tensor with all inputs */
#define INFER_MAX_RANK   8   /* of a tensor in a request */
#define INFER_MAX_INPUTS 1024
#define INFER_MAX_ID     256 /* bytes */

/* What is returned when a request names no outputs. */
#define INFER_DEFAULT_OUTPUTS ((unsigned)(PREDICT_MEAN | PREDICT_VARIANCE | PREDICT_STD))

/* The body of a request. */
struct infer_body {
    const char *bytes;
    size_t n_bytes;
    size_t n_json; /* of them JSON; 0: none */
};

struct infer_tensor {
    const char *name;
    enum tensor_type type;
    int rank; /* 0: the bytes are all there is, and their number tells the rows */
    size_t shape[INFER_MAX_RANK];
    size_t n;          /* numbers */
    double *values;    /* [n] of JSON, in the arena; NULL: .. */
    const char *bytes; /* .. they are in the body; n_bytes: with rank 0 */
    size_t n_bytes;
};

struct infer_output {
    const char *name; /* a constant */
    enum predict_index index;
    bool binary; /* behind the JSON */
    bool single; /* as FP32; else as FP64 */
};

struct infer_request {
    const char *id;              /* NULL: none was given */
    struct infer_tensor *inputs; /* [n_inputs] in the arena */
    int n_inputs;
    struct infer_output outputs[PREDICT_N_RESULTS]; /* in the order of the answer */
    int n_outputs;
    bool named;         /* the request names its outputs */
    bool binary;        /* outputs are binary unless they say otherwise */
    int64_t timeout_ns; /* 0: none */
    struct predict_request predict;
    bool unread; /* there is more text than was to be read; nothing else is set */
};

/*
 * The value of the header Inference-Header-Content-Length, NULL: there is none. ERR_INVALID: it is
 * no number, or larger than the body.
 */
enum err_code infer_body_split(const char *header, size_t n_bytes, size_t *n_json,
                               struct err *err) MUST_CHECK;

/*
 * Reads all but what depends on the model. Texts and numbers are in the arena or in the body.
 * max_text: as in json_tensor.h. ERR_SYNTAX, ERR_INVALID, ERR_SHAPE, ERR_LIMIT, ERR_TOO_LARGE and
 * ERR_NONFINITE, each with the place; ERR_NOMEM.
 */
enum err_code infer_request_parse(struct infer_body body, size_t max_text, struct arena *arena,
                                  struct infer_request *request, struct err *err) MUST_CHECK;

/*
 * Makes request->predict for a model: its rows, and the outputs where none were named. ERR_SHAPE,
 * ERR_INVALID, ERR_NONFINITE, ERR_TOO_LARGE (over max_rows), ERR_NOMEM.
 */
enum err_code infer_request_fit(struct infer_request *request, const struct model *model,
                                int max_rows, struct arena *arena, struct err *err) MUST_CHECK;

#endif
