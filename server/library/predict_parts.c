/* SPDX-License-Identifier: Apache-2.0 */
#include "library/predict_parts.h"

#include "base/phrase.h"

static void add_result(struct predict_parts *parts, enum predict_index index, void *first,
                       void *second)
{
    if (first != NULL || second != NULL) {
        parts->results[parts->n_results++] =
            (struct part_result){.index = index, .values = {first, second}};
    }
}

enum err_code predict_parts_init(const struct surr_rows *inputs, struct surr_prediction *out,
                                 struct predict_parts *parts, struct err *err)
{
    *parts = (struct predict_parts){.inputs = inputs, .out = out};
    if (rows_check(inputs, "inputs", false, err) != ERR_OK) {
        return err->code;
    }
    if (out->n_outputs < 1) {
        return err_set(err, ERR_INVALID,
                       "n_outputs is %d; arrays of results with a row for each row of inputs and a "
                       "column for each output of the model are needed",
                       out->n_outputs);
    }
    add_result(parts, PREDICT_INDEX_MEAN, out->mean, NULL);
    add_result(parts, PREDICT_INDEX_STD, out->std, NULL);
    add_result(parts, PREDICT_INDEX_VARIANCE, out->variance, NULL);
    add_result(parts, PREDICT_INDEX_JACOBIAN, out->jacobian, out->jacobian_std);
    if (parts->n_results == 0) {
        return err_set(err, ERR_INVALID, "no result is wanted: all arrays are NULL");
    }
    size_t width = (size_t)inputs->n_columns;
    for (int k = 0; k < parts->n_results; k++) {
        size_t of_result = predict_parts_width(parts, &parts->results[k]);
        width = width < of_result ? of_result : width;
    }
    size_t rows = PREDICT_PART_NUMBERS / width;
    parts->rows_of_part = rows < 1 ? 1 : rows > (size_t)inputs->n_rows ? inputs->n_rows : (int)rows;
    return ERR_OK;
}

int predict_parts_count(const struct predict_parts *parts, int first)
{
    int left = parts->inputs->n_rows - first;
    return left < parts->rows_of_part ? left : parts->rows_of_part;
}

size_t predict_parts_width(const struct predict_parts *parts, const struct part_result *result)
{
    size_t o = (size_t)parts->out->n_outputs;
    return result->index == PREDICT_INDEX_JACOBIAN ? 2 * o * (size_t)parts->inputs->n_columns : o;
}

enum err_code predict_parts_write(const struct predict_parts *parts,
                                  const struct part_result *result, int first, const double *values,
                                  struct err *err)
{
    bool derivatives = result->index == PREDICT_INDEX_JACOBIAN;
    size_t n = (size_t)predict_parts_count(parts, first);
    size_t of_one = n * predict_parts_width(parts, result) / (derivatives ? 2 : 1);
    for (int k = 0; k < (derivatives ? 2 : 1); k++) {
        const struct rows_result to = {.values = result->values[k],
                                       .type = parts->inputs->type,
                                       .order = parts->inputs->order,
                                       .n_rows = (size_t)parts->inputs->n_rows,
                                       .a = (size_t)parts->out->n_outputs,
                                       .b = derivatives ? (size_t)parts->inputs->n_columns : 1};
        if (to.values != NULL &&
            rows_write(&to, (size_t)first, n, values + (size_t)k * of_one, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

enum err_code predict_parts_check(const struct predict_parts *parts, int d, int o, struct err *err)
{
    if (parts->inputs->n_columns != d) {
        return err_set(err, ERR_SHAPE, "inputs: a row has %s, %s",
                       phrase_count(parts->inputs->n_columns, "number").text,
                       phrase_needed(d).text);
    }
    if (parts->out->n_outputs != o) {
        return err_set(err, ERR_SHAPE, "the arrays are for %s, the model has %d",
                       phrase_count(parts->out->n_outputs, "output").text, o);
    }
    return ERR_OK;
}
