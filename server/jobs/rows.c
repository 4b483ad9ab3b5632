/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "mem.h"

#include <string.h>

struct filling {
    struct rows *rows;
    int64_t room; /* rows counted before; later ones are left for the next job */
};

static enum err_code take_run(void *ctx, int64_t n, int d, int o, const double *run,
                              struct err *err)
{
    struct filling *filling = ctx;
    struct data *data = &filling->rows->data;
    size_t width = (size_t)d + (size_t)o;
    int64_t take = n < filling->room - data->n ? n : filling->room - data->n;
    if (d != data->d || o != data->o) {
        return err_set(err, ERR_CORRUPT, "stored rows have %d inputs and %d outputs, not %d and %d",
                       d, o, data->d, data->o);
    }
    for (int64_t i = 0; i < take; i++) {
        size_t to = (size_t)data->n + (size_t)i;
        memcpy(filling->rows->x + to * (size_t)d, run + (size_t)i * width, (size_t)d * sizeof *run);
        memcpy(filling->rows->y + to * (size_t)o, run + (size_t)i * width + d,
               (size_t)o * sizeof *run);
    }
    data->n += (int)take;
    return ERR_OK;
}

enum err_code rows_load(struct db *db, const char *model, struct rows *rows, struct err *err)
{
    struct data_summary summary;
    *rows = (struct rows){.x = NULL};
    if (data_store_summary(db, model, &summary, err) != ERR_OK) {
        return err->code;
    }
    if (summary.n_rows == 0) {
        return err_set(err, ERR_INVALID, "model %s has no training rows; POST some to its data",
                       model);
    }
    if (summary.n_rows > ROWS_MAX) {
        return err_set(err, ERR_LIMIT, "model %s has %lld training rows, at most %d can be used",
                       model, (long long)summary.n_rows, ROWS_MAX);
    }
    size_t n = (size_t)summary.n_rows;
    rows->data.d = summary.n_inputs;
    rows->data.o = summary.n_outputs;
    rows->x = mem_alloc_array(n * (size_t)summary.n_inputs, sizeof *rows->x);
    rows->y = mem_alloc_array(n * (size_t)summary.n_outputs, sizeof *rows->y);
    struct filling filling = {.rows = rows, .room = summary.n_rows};
    if (rows->x == NULL || rows->y == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %zu training rows", n);
        goto done;
    }
    if (data_store_read(db, model, take_run, &filling, err) != ERR_OK ||
        data_check_finite(rows->x, (size_t)rows->data.n, rows->data.d, 0, err) != ERR_OK ||
        data_check_finite(rows->y, (size_t)rows->data.n, rows->data.o, 0, err) != ERR_OK) {
        goto done;
    }
    rows->data.x = rows->x;
    rows->data.y = rows->y;
done:
    if (err->code != ERR_OK) {
        rows_release(rows);
    }
    return err->code;
}

void rows_release(struct rows *rows)
{
    mem_free(rows->x);
    mem_free(rows->y);
    *rows = (struct rows){.x = NULL};
}
