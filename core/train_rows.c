/* SPDX-License-Identifier: Apache-2.0 */
#include "train_rows.h"

#include "mem.h"

#include <math.h>

void train_rows_release(struct train_rows *rows)
{
    mem_free(rows->x);
    mem_free(rows->y);
    mem_free(rows->zx);
    mem_free(rows->zy);
    *rows = (struct train_rows){.n = 0};
}

enum err_code train_rows_take(struct train_rows *rows, const struct data *data, const int *index,
                              int n, struct err *err)
{
    size_t x_count = (size_t)n * (size_t)data->d;
    size_t y_count = (size_t)n * (size_t)data->o;
    *rows = (struct train_rows){.n = n, .d = data->d, .o = data->o};
    rows->x = mem_alloc_array(x_count, sizeof *rows->x);
    rows->y = mem_alloc_array(y_count, sizeof *rows->y);
    rows->zx = mem_alloc_array(x_count, sizeof *rows->zx);
    rows->zy = mem_alloc_array(y_count, sizeof *rows->zy);
    if (rows->x == NULL || rows->y == NULL || rows->zx == NULL || rows->zy == NULL) {
        train_rows_release(rows);
        return err_set(err, ERR_NOMEM, "no memory for %d training rows", n);
    }
    data_gather(data->x, data->d, index, n, rows->x);
    data_gather(data->y, data->o, index, n, rows->y);
    return ERR_OK;
}

enum err_code train_rows_fit(const struct train_rows *rows, enum scaler_kind inputs,
                             enum scaler_kind outputs, struct scaler *in, struct scaler *out,
                             struct err *err)
{
    size_t n = (size_t)rows->n;
    if (scaler_fit(inputs, n, rows->d, rows->x, in, err) != ERR_OK) {
        err_prefix(err, "inputs");
    } else if (scaler_fit(outputs, n, rows->o, rows->y, out, err) != ERR_OK) {
        err_prefix(err, "outputs");
    }
    return err->code;
}

enum err_code train_rows_scale(struct train_rows *rows, const struct scaler *in,
                               const struct scaler *out, struct err *err)
{
    size_t n = (size_t)rows->n;
    if (scaler_apply(in, n, rows->d, rows->x, rows->zx, 0, err) != ERR_OK) {
        return err->code;
    }
    return scaler_apply(out, n, rows->o, rows->y, rows->zy, 0, err);
}

struct data train_rows_user(const struct train_rows *rows)
{
    return (struct data){.n = rows->n, .d = rows->d, .o = rows->o, .x = rows->x, .y = rows->y};
}

struct data train_rows_scaled(const struct train_rows *rows)
{
    return (struct data){.n = rows->n, .d = rows->d, .o = rows->o, .x = rows->zx, .y = rows->zy};
}

void train_rows_ranges(const double *v, int n, int k, double *low_high)
{
    for (int j = 0; j < k; j++) {
        double low = INFINITY;
        double high = -INFINITY;
        for (int i = 0; i < n; i++) {
            low = fmin(low, v[(size_t)i * (size_t)k + (size_t)j]);
            high = fmax(high, v[(size_t)i * (size_t)k + (size_t)j]);
        }
        low_high[2 * j] = low;
        low_high[2 * j + 1] = high;
    }
}
