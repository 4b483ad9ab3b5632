/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/array_rows.h"

#include "formats/media_type.h"

enum array_format array_rows_format(const struct request *req)
{
    const char *type = request_header(req, "Content-Type");
    bool npz = media_type_is(type, MEDIA_TYPE_NPZ) || media_type_is(type, ARRAY_ROWS_NPZ_ALIAS);
    return npz ? ARRAY_NPZ : media_type_is(type, MEDIA_TYPE_NPY) ? ARRAY_NPY : ARRAY_NONE;
}

static enum err_code read_npz(const struct request *req, int max_rows, struct npz_rows *out,
                              struct err *err)
{
    struct zip zip;
    const struct exchange_ops *ops = req->ops;
    if (zip_read(req->body, req->n_body, req->arena, &zip, err) != ERR_OK ||
        (zip.n_inflated > 0 && ops != NULL && ops->hold != NULL &&
         ops->hold(req->exchange, zip.n_inflated, err) != ERR_OK)) {
        return err->code;
    }
    return npz_read(&zip, max_rows, req->arena, out, err);
}

enum err_code array_rows_read(const struct request *req, int max_rows, struct npy *out,
                              int *n_outputs, struct err *err)
{
    struct npz_rows rows = {.n_outputs = 0};
    if (array_rows_format(req) == ARRAY_NPY) {
        err_kept(npy_parse(req->body, req->n_body, max_rows, req->arena, &rows.rows, err));
    } else if (read_npz(req, max_rows, &rows, err) == ERR_OK && rows.n_outputs == 0 &&
               rows.rows.names == NULL) {
        err_set(err, ERR_INVALID,
                "the npz body has inputs alone; rows also need their outputs, as an array \"y\"");
    }
    if (err->code == ERR_OK) {
        *out = rows.rows;
        *n_outputs = rows.n_outputs;
    }
    return err->code;
}

enum err_code array_rows_read_inputs(const struct request *req, int max_rows, struct npy *out,
                                     struct err *err)
{
    struct npz_rows rows = {.n_outputs = 0};
    if (array_rows_format(req) == ARRAY_NPY) {
        return npy_parse(req->body, req->n_body, max_rows, req->arena, out, err);
    }
    if (read_npz(req, max_rows, &rows, err) != ERR_OK) {
        return err->code;
    }
    if (rows.n_outputs > 0) {
        return err_set(err, ERR_INVALID,
                       "the npz body has outputs (\"y\") beside \"x\"; a prediction needs inputs "
                       "alone");
    }
    *out = rows.rows;
    return ERR_OK;
}
