/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over rows in a checkpoint. */
#include "base/mem.h"
#include "fit/curvature_priv.h"

#include <limits.h>

#define LARGE ((size_t)2 << 20) /* numbers (16 MB): there may be no memory for a copy */

/* The first column of a row that is used. */
static size_t first_column(const struct curvature_sums *sums, size_t row)
{
    return sums->block > 0 ? row / sums->block * sums->block : 0;
}

enum err_code curvature_resume(const struct curvature_problem *problem,
                               const struct curvature_sums *sums, int *n_done, struct err *err)
{
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    if (checkpoint_load(problem->checkpoint, problem->task, &bytes, &r, &found, err) != ERR_OK ||
        !found) {
        return err->code;
    }
    bool ours = bytes_get_int(&r, INT_MAX) == problem->stage;
    if (ours || r.failed) {
        int rows = bytes_get_int(&r, problem->rows.n);
        for (size_t i = 0; i < sums->rows; i++) {
            size_t first = first_column(sums, i);
            bytes_get_f64(&r, sums->v + i * sums->columns + first, sums->columns - first);
        }
        if (checkpoint_check(&r, err) == ERR_OK) {
            *n_done = rows;
        }
    }
    mem_free(bytes);
    return err->code;
}

enum err_code curvature_save_if_due(const struct curvature_problem *problem,
                                    const struct curvature_sums *sums, int n_done, struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    if (!checkpoint_due(problem->checkpoint, problem->task)) {
        return ERR_OK;
    }
    bytes_put_u32(&w, (uint32_t)problem->stage);
    bytes_put_u32(&w, (uint32_t)n_done);
    for (size_t i = 0; i < sums->rows; i++) {
        size_t first = first_column(sums, i);
        bytes_put_f64(&w, sums->v + i * sums->columns + first, sums->columns - first);
    }
    if (w.failed && sums->rows * sums->columns > LARGE) {
        mem_free(w.data);
        return ERR_OK;
    }
    return checkpoint_save(problem->checkpoint, problem->task, &w, err);
}
