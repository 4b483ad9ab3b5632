/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in NumPy's formats: npy, and npz, whose arrays formats/npz.h names. */
#ifndef ARRAY_ROWS_H
#define ARRAY_ROWS_H

#include "formats/npz.h"
#include "http/exchange.h"

#define ARRAY_ROWS_NPZ_ALIAS "application/zip"

/* What a body is by its Content-Type. */
enum array_format { ARRAY_NONE, ARRAY_NPY, ARRAY_NPZ };
enum array_format array_rows_format(const struct request *req);

/*
 * Reads a body of either format. What the arrays of npz grow to is counted among the bodies, for as
 * long as the request lives. Inputs alone: outputs beside them are refused. ERR_TOO_LARGE, ERR_BUSY
 * (no room for them); errors of npy_parse, zip_read and npz_read.
 */
enum err_code array_rows_read_inputs(const struct request *req, int max_rows, struct npy *out,
                                     struct err *err) MUST_CHECK;

/* The same for rows of inputs and outputs. *n_outputs: how many columns are outputs; 0: the body
 * does not say. */
enum err_code array_rows_read(const struct request *req, int max_rows, struct npy *out,
                              int *n_outputs, struct err *err) MUST_CHECK;

#endif
