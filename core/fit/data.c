/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/data.h"

#include <float.h>
#include <math.h>
#include <string.h>

void data_find_holes(struct data *rows)
{
    size_t cells = (size_t)rows->n * (size_t)rows->o;
    size_t missing = 0;
    for (size_t c = 0; c < cells; c++) {
        missing += isnan(rows->y[c]) ? 1 : 0;
    }
    /* Rows without any output still have holes, which 0 would deny. */
    rows->present = missing > 0 ? fmax((double)(cells - missing) / (double)rows->n, DBL_MIN) : 0.0;
}

int data_count(const struct data *rows, int *counts)
{
    int n_some = 0;
    memset(counts, 0, (size_t)rows->o * sizeof *counts);
    for (size_t i = 0; i < (size_t)rows->n; i++) {
        const double *y = rows->y + i * (size_t)rows->o;
        bool some = false;
        for (int j = 0; j < rows->o; j++) {
            bool here = !isnan(y[j]);
            counts[j] += here;
            some = some || here;
        }
        n_some += some;
    }
    return n_some;
}

/* holes: NaN is allowed */
static enum err_code check_values(const double *v, size_t n, int k, bool holes, size_t first_row,
                                  struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < k; j++) {
            double value = v[i * (size_t)k + (size_t)j];
            if (!isfinite(value) && !(holes && isnan(value))) {
                size_t row = first_row + i;
                return err_set_at(err, ERR_NONFINITE, (int)row, j,
                                  "row %zu, column %d is not a finite number", row, j);
            }
        }
    }
    return ERR_OK;
}

enum err_code data_check_finite(const double *v, size_t n, int k, size_t first_row, struct err *err)
{
    return check_values(v, n, k, false, first_row, err);
}

enum err_code data_check_outputs(const double *v, size_t n, int k, size_t first_row,
                                 struct err *err)
{
    return check_values(v, n, k, true, first_row, err);
}

void data_gather(const double *from, int k, const int *index, int n_index, double *to)
{
    for (int i = 0; i < n_index; i++) {
        memcpy(to + (size_t)i * (size_t)k, from + (size_t)index[i] * (size_t)k,
               (size_t)k * sizeof *to);
    }
}
