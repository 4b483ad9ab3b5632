/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents with tensors in them. Arrays of numbers under known keys are read straight from the
 * text (core/base/numtext) and jansson reads the rest, so that a number costs tens of nanoseconds
 * instead of a node. The keys belong to the outermost object, to an object in it, or to each object
 * of a list in it.
 */
#ifndef JSON_TENSOR_H
#define JSON_TENSOR_H

#include "formats/json_read.h"

#define JSON_TENSOR_COLUMNS 1004096 /* for rows of inputs and outputs */
#define JSON_TENSOR_ITEMS   4096    /* objects of a list with tensors in them */

struct json_tensor {
    /* given */
    const char *key; /* "inputs"; "posterior.parameters" for a key of an object;
                        "posterior.members[].mean" for one of each object of a list */
    int max_rows;
    int max_columns;
    bool holes; /* null is read as NaN */
    bool mixed; /* rows that are objects, or have strings, are left in the document */
    /* found */
    bool found;     /* there is an array; the document has null in its place */
    bool left;      /* there are rows, which were left in the document */
    bool flat;      /* it is one row without an array around it */
    int n;          /* rows */
    int k;          /* numbers in a row, at least 1 */
    double *values; /* [n x k], in the arena */
    /* For a list, what each object has, read by json_tensor_item: [n_items], at most
     * JSON_TENSOR_ITEMS. */
    struct json_tensor **items;
    int n_items;
};

struct json_tensors {
    struct json_tensor *list; /* [n] */
    int n;
    size_t max_text; /* bytes beside the tensors that may be read now; 0: any */
};

/*
 * Parses as json_read_parse and fills the tensors. A document that has more text beside them than
 * max_text is left: *out is NULL, and nothing is said of it yet. Arrays that are empty, ragged,
 * longer or wider than the limits, or hold anything but numbers are refused with row and column
 * (ERR_SHAPE, ERR_INVALID, ERR_TOO_LARGE, ERR_LIMIT).
 */
enum err_code json_tensor_parse(const char *text, size_t len, struct json_tensors tensors,
                                struct arena *arena, json_t **out, struct err *err) MUST_CHECK;

/*
 * Checks that the tensor is there and has rows of k numbers (0: any). object: the one that has its
 * key. ERR_INVALID, which names what is there instead; ERR_SHAPE.
 */
enum err_code json_tensor_check(const struct json_tensor *tensor, const json_t *object, int k,
                                struct err *err) MUST_CHECK;

/* The tensor of the index-th object of a list; its key has the index. It may not be found. */
struct json_tensor json_tensor_item(const struct json_tensor *list, int index);

#endif
