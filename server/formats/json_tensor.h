/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents with tensors in them: arrays of numbers under known keys of the outermost object, or of
 * an object in it, or of the objects of a list in it, are read straight from the text
 * (core/base/numtext); the rest is jansson's. A number costs tens of nanoseconds instead of a node.
 */
#ifndef JSON_TENSOR_H
#define JSON_TENSOR_H

#include "formats/json_read.h"

#define JSON_TENSOR_COLUMNS 8192 /* for rows of inputs and outputs */
#define JSON_TENSOR_ITEMS   4096 /* objects of a list with tensors in them */

struct json_tensor {
    /* given */
    const char *key; /* "inputs"; "posterior.parameters" for a key of an object;
                        "posterior.members[].mean" for one of each object of a list */
    int max_rows;
    int max_columns;
    /* found */
    bool found;     /* an array stands there; in the document its value is null then */
    bool flat;      /* one row without an array around it */
    int n;          /* rows */
    int k;          /* numbers a row, at least 1 */
    double *values; /* [n x k], in the arena */
    /* Of a list: what was found, [JSON_TENSOR_ITEMS]; for json_tensor_item. */
    struct json_tensor **items;
};

struct json_tensors {
    struct json_tensor *list; /* [n] */
    int n;
};

/*
 * Parses as json_read_parse and fills the tensors. Arrays that are empty, ragged, longer or wider
 * than the limits, or hold anything but numbers are refused with row and column (ERR_SHAPE,
 * ERR_INVALID, ERR_TOO_LARGE, ERR_LIMIT).
 */
enum err_code json_tensor_parse(const char *text, size_t len, struct json_tensors tensors,
                                struct arena *arena, json_t **out, struct err *err) MUST_CHECK;

/*
 * The tensor must be there, with rows of k numbers (0: any). Tells what stands in its place
 * otherwise. object: the one that holds the key.
 */
enum err_code json_tensor_check(const struct json_tensor *tensor, const json_t *object, int k,
                                struct err *err) MUST_CHECK;

/*
 * The tensor of the index-th object of a list, its key with the index; not found when the object
 * has none.
 */
struct json_tensor json_tensor_item(const struct json_tensor *list, int index);

#endif
