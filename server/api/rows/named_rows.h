/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of JSON under the space of a model: arrays of numbers, arrays in which members of categories
 * are strings, and objects by name.
 */
#ifndef NAMED_ROWS_H
#define NAMED_ROWS_H

#include "base/arena.h"
#include "formats/json_tensor.h"
#include "model/space_names.h"

#include <jansson.h>

struct named_rows {
    const struct space *space; /* NULL: the model has none */
    enum space_part part;      /* SPACE_INPUTS or SPACE_OUTPUTS */
    const char *key;           /* "inputs", "outputs" */
    bool use_defaults;         /* of inputs that an object does not have */
    bool holes;                /* null is read as NaN */
    const int *place;          /* where each value of an array belongs; NULL: where it is */
    int max_rows;
};

/*
 * Completes a tensor of inputs or outputs: rows that were left in the body are read, numbers are
 * put into the order of the space, and those that mean members of categories become their places.
 * ERR_INVALID, ERR_SHAPE naming row and name.
 */
enum err_code named_rows_settle(const struct named_rows *how, const json_t *body,
                                struct arena *arena, struct json_tensor *tensor,
                                struct err *err) MUST_CHECK;

/* Names of the columns from the keys of the first rows; *out NULL: they are no objects. */
enum err_code named_rows_space(const json_t *inputs, const json_t *outputs, struct space **out,
                               struct err *err) MUST_CHECK;

#endif
