/* SPDX-License-Identifier: Apache-2.0 */
#include "library/row_views.h"

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
    for (int i = 0; i < rows->n_rows; i++) {
        for (int j = 0; j < rows->n_columns; j++) {
            double value = load(rows, (size_t)i, (size_t)j);
            if (!isfinite(value) && !(missing && isnan(value))) {
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
