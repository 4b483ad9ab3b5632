/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/rows/rows.h"

#include "base/mem.h"
#include "store/data/data_read.h"

#include <string.h>

struct filling {
    const char *model;
    const struct rows_request *request;
    struct rows *rows;
};

/* Count and rows come from one view of the file: no upload or deletion can come between them. */
static enum err_code prepare_rows(void *ctx, const struct data_summary *summary,
                                  const struct training_data *origin, struct err *err)
{
    struct filling *filling = ctx;
    struct rows *rows = filling->rows;
    const struct training_data *pinned = filling->request->pinned;
    const char *wanted = pinned != NULL ? pinned->fingerprint : "";
    if (wanted[0] != '\0' && strcmp(wanted, origin->fingerprint) != 0) {
        return err_set(err, ERR_CONFLICT, "rows of model %s were deleted", filling->model);
    }
    if (origin->n_rows == 0) {
        return err_set(err, ERR_INVALID, "model %s has no training rows; POST some to its data",
                       filling->model);
    }
    if (origin->n_rows > ROWS_MAX) {
        return err_set(err, ERR_LIMIT, "model %s has %lld training rows, at most %d can be used",
                       filling->model, (long long)origin->n_rows, ROWS_MAX);
    }
    size_t n = (size_t)origin->n_rows;
    rows->origin = *origin;
    rows->data.d = summary->n_inputs;
    rows->data.o = summary->n_outputs;
    rows->x = mem_alloc_array(n * (size_t)rows->data.d, sizeof *rows->x);
    rows->y = mem_alloc_array(n * (size_t)rows->data.o, sizeof *rows->y);
    if (rows->x == NULL || rows->y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu training rows", n);
    }
    return ERR_OK;
}

static enum err_code append_run(void *ctx, const struct data_run *run, struct err *err)
{
    struct filling *filling = ctx;
    struct data *data = &filling->rows->data;
    size_t d = (size_t)data->d;
    size_t o = (size_t)data->o;
    if (cancel_is_requested(filling->request->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled while rows were read");
    }
    if (run->d != data->d || run->o != data->o || run->n > filling->rows->origin.n_rows - data->n) {
        return err_set(err, ERR_CORRUPT, "stored rows of model %s do not agree with their totals",
                       filling->model);
    }
    for (size_t i = 0; i < (size_t)run->n; i++) {
        const double *row = run->rows + i * (d + o);
        size_t to = (size_t)data->n + i;
        memcpy(filling->rows->x + to * d, row, d * sizeof *row);
        memcpy(filling->rows->y + to * o, row + d, o * sizeof *row);
    }
    data->n += (int)run->n;
    return ERR_OK;
}

enum err_code rows_load(struct db *db, const char *model, const struct rows_request *request,
                        struct rows *rows, struct err *err)
{
    struct filling filling = {.model = model, .request = request, .rows = rows};
    struct data_reading reading = {.last_batch =
                                       request->pinned != NULL ? request->pinned->last_batch : 0,
                                   .begin = prepare_rows,
                                   .visit = append_run,
                                   .ctx = &filling};
    *rows = (struct rows){.x = NULL};
    if (data_store_read(db, model, &reading, err) == ERR_OK && rows->data.n < rows->origin.n_rows) {
        err_set(err, ERR_CORRUPT, "stored rows of model %s are missing", model);
    }
    if (err->code == ERR_OK &&
        data_check_finite(rows->x, (size_t)rows->data.n, rows->data.d, 0, err) == ERR_OK &&
        data_check_outputs(rows->y, (size_t)rows->data.n, rows->data.o, 0, err) == ERR_OK) {
        rows->data.x = rows->x;
        rows->data.y = rows->y;
        return ERR_OK;
    }
    rows_release(rows);
    return err->code;
}

void rows_release(struct rows *rows)
{
    mem_free(rows->x);
    mem_free(rows->y);
    *rows = (struct rows){.x = NULL};
}
