/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows with known outputs in a request, as JSON, CSV, npy or npz, to score a model on. Outputs may
 * be missing: null in JSON, empty in a table with ?missing=allow, and of a run that failed by its
 * status.
 */
#ifndef LABELLED_H
#define LABELLED_H

#include "api/rows/text_rows.h"
#include "fit/data.h"
#include "model/model.h"
#include "formats/json_tensor.h"
#include "http/exchange.h"

struct labelled {
    bool is_csv; /* it is read once the model is known */
    bool is_npy; /* so is this, and npz */
    int max_rows;
    bool unread;          /* there is more text than was to be read; nothing else is set */
    json_t *body;         /* NULL with CSV, npy and npz */
    struct json_tensor x; /* "inputs" */
    struct json_tensor y; /* "outputs" */
    bool may_miss;        /* outputs of a table or npy may be missing */
};

/*
 * Reads a JSON body into the request's arena. The caller checks keys other than inputs, outputs
 * and status. max_text: as in json_tensor.h. ERR_INVALID: the query's "missing".
 */
enum err_code labelled_parse(const struct request *req, int max_rows, size_t max_text,
                             struct labelled *out, struct err *err) MUST_CHECK;

/*
 * The rows for a model: columns with names in its order, outputs that are missing NaN. ERR_SHAPE;
 * ERR_INVALID: inputs or outputs are missing, names are not the model's, or "outputs" in the query
 * is not the number of its own; ERR_NONFINITE.
 */
enum err_code labelled_rows(struct labelled *labelled, const struct request *req,
                            const struct model *model, struct data *out,
                            struct err *err) MUST_CHECK;

/* Copies rows [n x (d + o)], inputs first, to inputs and outputs in the arena; shape: n, d, o. */
enum err_code labelled_split(const double *rows, const struct data *shape, struct arena *arena,
                             struct data *out, struct err *err) MUST_CHECK;

#endif
