/* SPDX-License-Identifier: Apache-2.0 */
/* Rows with known outputs that a request brings, as JSON or CSV, for a model to be scored on. */
#ifndef LABELLED_H
#define LABELLED_H

#include "fit/data.h"
#include "formats/csv.h"
#include "formats/json_tensor.h"
#include "http/exchange.h"

struct labelled {
    bool is_csv;
    struct csv csv;
    json_t *body;         /* NULL with CSV */
    struct json_tensor x; /* "inputs" */
    struct json_tensor y; /* "outputs" */
};

/* The body, in the request's arena; keys beside inputs and outputs are the caller's to check. */
enum err_code labelled_parse(const struct request *req, int max_rows, struct labelled *out,
                             struct err *err) MUST_CHECK;

/*
 * Its rows for a model of d inputs and o outputs. ERR_SHAPE; ERR_INVALID: something is missing, or
 * "outputs" in the query is not o.
 */
enum err_code labelled_rows(const struct labelled *labelled, const struct request *req, int d,
                            int o, struct data *out, struct err *err) MUST_CHECK;

/* rows [n x (d + o)], inputs first, as inputs and outputs of their own, copied to the arena. */
enum err_code labelled_split(const double *rows, const struct data *shape, struct arena *arena,
                             struct data *out, struct err *err) MUST_CHECK;

#endif
