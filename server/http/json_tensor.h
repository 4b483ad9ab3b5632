/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents with tensors in them: arrays of numbers under known keys of the outermost object are
 * read straight from the text (core/numtext), the rest is jansson's. A number costs tens of
 * nanoseconds instead of a node.
 */
#ifndef JSON_TENSOR_H
#define JSON_TENSOR_H

#include "json_io.h"

struct json_tensor {
    const char *key; /* given: which key; plain characters */
    bool found;      /* an array stands there; in the document its value is null then */
    bool flat;       /* one row without an array around it */
    int n;           /* rows */
    int k;           /* numbers a row, at least 1 */
    double *values;  /* [n x k], in the arena */
};

/*
 * Parses as json_io_parse and fills the tensors. Arrays that are empty, ragged, longer than
 * max_rows or hold anything but numbers are refused with row and column (ERR_SHAPE, ERR_INVALID,
 * ERR_TOO_LARGE).
 */
enum err_code json_tensor_parse(const char *text, size_t len, int max_rows,
                                struct json_tensor *tensors, int n_tensors, struct arena *arena,
                                json_t **out, struct err *err) MUST_CHECK;

/*
 * The tensor must be there, with rows of k numbers (0: any). Tells what stands in its place
 * otherwise.
 */
enum err_code json_tensor_check(const struct json_tensor *tensor, const json_t *document, int k,
                                struct err *err) MUST_CHECK;

#endif
