/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/data.h"

#include <math.h>
#include <string.h>

enum err_code data_check_finite(const double *v, size_t n, int k, size_t first_row, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < k; j++) {
            if (!isfinite(v[i * (size_t)k + (size_t)j])) {
                size_t row = first_row + i;
                return err_set_at(err, ERR_NONFINITE, (int)row, j,
                                  "row %zu, column %d is not a finite number", row, j);
            }
        }
    }
    return ERR_OK;
}

void data_gather(const double *from, int k, const int *index, int n_index, double *to)
{
    for (int i = 0; i < n_index; i++) {
        memcpy(to + (size_t)i * (size_t)k, from + (size_t)index[i] * (size_t)k,
               (size_t)k * sizeof *to);
    }
}
