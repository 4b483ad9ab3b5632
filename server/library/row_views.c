/* SPDX-License-Identifier: Apache-2.0 */
#include "library/row_views.h"

#include "formats/json_write.h"

#include <math.h>

static double load(const struct surr_rows *rows, size_t i, size_t j)
{
    size_t at = rows->order == SURR_COLUMN_MAJOR ? j * (size_t)rows->n_rows + i
                                                 : i * (size_t)rows->n_columns + j;
    return rows->type == SURR_REAL32 ? (double)((const float *)rows->values)[at]
                                     : ((const double *)rows->values)[at];
}

static bool is_known(enum surr_type type, enum surr_order order)
{
    return (type == SURR_REAL64 || type == SURR_REAL32) &&
           (order == SURR_ROW_MAJOR || order == SURR_COLUMN_MAJOR);
}

const char *const *rows_words(const struct surr_rows *rows, int column)
{
    for (int k = 0; k < rows->n_words; k++) {
        if (rows->words[k].column == column) {
            return rows->words[k].words;
        }
    }
    return NULL;
}

static enum err_code check_words(const struct surr_rows *rows, const char *what, struct err *err)
{
    for (int k = 0; k < rows->n_words; k++) {
        const struct surr_words *column = rows->words != NULL ? &rows->words[k] : NULL;
        if (column == NULL || column->words == NULL || column->column < 0 ||
            column->column >= rows->n_columns) {
            return err_set(err, ERR_INVALID, "%s: words %d have no column or are at NULL", what, k);
        }
        if (rows_words(rows, column->column) != column->words) {
            return err_set(err, ERR_INVALID, "%s: column %d has words twice", what, column->column);
        }
        for (int i = 0; i < rows->n_rows; i++) {
            if (column->words[i] == NULL) {
                return err_set_at(err, ERR_INVALID, i, column->column,
                                  "%s: row %d, column %d has no word", what, i, column->column);
            }
        }
    }
    return ERR_OK;
}

enum err_code rows_check(const struct surr_rows *rows, const char *what, bool missing,
                         struct err *err)
{
    if (rows->values == NULL || rows->n_rows < 1 || rows->n_columns < 1) {
        return err_set(err, ERR_INVALID, "%s: there are %d rows of %d numbers%s", what,
                       rows->n_rows, rows->n_columns, rows->values == NULL ? " at NULL" : "");
    }
    if (!is_known(rows->type, rows->order)) {
        return err_set(err, ERR_INVALID, "%s: type %d and order %d are not both of surrogated.h",
                       what, (int)rows->type, (int)rows->order);
    }
    if (check_words(rows, what, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < rows->n_rows; i++) {
        for (int j = 0; j < rows->n_columns; j++) {
            double value = load(rows, (size_t)i, (size_t)j);
            if (!isfinite(value) && !(missing && isnan(value)) && rows_words(rows, j) == NULL) {
                return err_set_at(err, ERR_NONFINITE, i, j,
                                  "%s: row %d, column %d is %g (both count from 0)", what, i, j,
                                  value);
            }
        }
    }
    return ERR_OK;
}

void rows_read(const struct surr_rows *rows, int first, int n, double *out, size_t stride)
{
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < rows->n_columns; j++) {
            out[(size_t)i * stride + (size_t)j] = load(rows, (size_t)(first + i), (size_t)j);
        }
    }
    for (int k = 0; k < rows->n_words; k++) {
        for (int i = 0; i < n; i++) {
            out[(size_t)i * stride + (size_t)rows->words[k].column] = NAN;
        }
    }
}

void rows_write_json(const struct surr_rows *rows, int first, int n, struct textbuf *text)
{
    struct json_write json = json_write_to(text);
    json_write_array(&json, NULL);
    for (int i = first; i < first + n; i++) {
        json_write_array(&json, NULL);
        for (int j = 0; j < rows->n_columns; j++) {
            const char *const *words = rows_words(rows, j);
            if (words != NULL) {
                json_write_text(&json, NULL, words[i]);
            } else {
                json_write_real(&json, NULL, load(rows, (size_t)i, (size_t)j));
            }
        }
        json_write_array_end(&json);
    }
    json_write_array_end(&json);
    json_write_end(&json);
}

/* Where a number of the result is. */
static size_t place(const struct rows_result *to, size_t i, size_t j, size_t k)
{
    return to->order == SURR_COLUMN_MAJOR ? i + to->n_rows * (j + to->a * k)
                                          : (i * to->a + j) * to->b + k;
}

static bool store(const struct rows_result *to, size_t at, double value)
{
    if (to->type == SURR_REAL32) {
        float narrow = (float)value;
        ((float *)to->values)[at] = narrow;
        return isfinite(narrow);
    }
    ((double *)to->values)[at] = value;
    return isfinite(value);
}

enum err_code rows_write(const struct rows_result *to, size_t first, size_t n, const double *values,
                         struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < to->a; j++) {
            for (size_t k = 0; k < to->b; k++) {
                double value = values[(i * to->a + j) * to->b + k];
                if (!store(to, place(to, first + i, j, k), value)) {
                    return err_set_at(err, ERR_NUMERIC, (int)(first + i), (int)j,
                                      "row %zu, output %zu: an answer of %g does not fit its type",
                                      first + i, j, value);
                }
            }
        }
    }
    return ERR_OK;
}
