/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The size of a block depends on the model alone. Many rows with many draws take minutes, so after
 * each block the sums are saved if a checkpoint is due. Only the caller knows what the sums are.
 */
#include "predict/evaluation.h"

#include "base/mem.h"

#define MIN_ROWS   96   /* fewer do not fill a tile of a prediction */
#define BLOCK_WORK 1e11 /* multiplications of a block: some ten seconds of one core */

int evaluation_block_rows(const struct model *model, const struct predict_request *block)
{
    struct predict_request req = *block;
    for (req.n = EVALUATION_BLOCK_ROWS; req.n > MIN_ROWS; req.n /= 2) {
        if (predict_work(model, &req) <= BLOCK_WORK) {
            break;
        }
    }
    return req.n;
}

/* How many of the n rows a saved state covers; 0 without one. */
static enum err_code load_sums(const struct evaluation_work *work, int n, int *n_done,
                               struct err *err)
{
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    *n_done = 0;
    if (checkpoint_load(work->run->checkpoint, work->run->task, &bytes, &r, &found, err) !=
        ERR_OK) {
        return err->code;
    }
    if (found) {
        *n_done = bytes_get_int(&r, n);
        work->keep->get(work->ctx, *n_done, &r);
        err_kept(checkpoint_check(&r, err));
    }
    mem_free(bytes);
    return err->code;
}

static enum err_code save_sums(const struct evaluation_work *work, int n_done, struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    bytes_put_u32(&w, (uint32_t)n_done);
    work->keep->put(work->ctx, n_done, &w);
    return checkpoint_save(work->run->checkpoint, work->run->task, &w, err);
}

/* Saves when a checkpoint is due, and at the end, since other evaluations of the same job may
 * follow. */
static enum err_code save_if_due(const struct evaluation_work *work, int n_done, int n,
                                 struct err *err)
{
    const struct checkpoint *checkpoint = work->run->checkpoint;
    bool due = checkpoint != NULL && (n_done == n || checkpoint_due(checkpoint, work->run->task));
    return due ? save_sums(work, n_done, err) : ERR_OK;
}

enum err_code evaluation_work(const struct model *model, const struct data *rows,
                              const struct evaluation_work *work, struct err *err)
{
    struct arena arena = ARENA_INIT;
    int max = work->block.n > 0 ? work->block.n : evaluation_block_rows(model, &work->block);
    int first;
    if (rows->n < 1) {
        return err_set(err, ERR_INVALID, "there are no rows to score on");
    }
    enum err_code code = load_sums(work, rows->n, &first, err);
    while (first < rows->n && code == ERR_OK) {
        struct predict_result result;
        struct predict_request req = work->block;
        req.n = rows->n - first < max ? rows->n - first : max;
        req.x = rows->x + (size_t)first * (size_t)rows->d;
        req.n_threads = work->run->n_threads;
        req.cancel = work->run->cancel;
        code = predict_run(model, &req, &arena, &result, err);
        if (code == ERR_OK) {
            code =
                work->fn(work->ctx, &result, rows->y + (size_t)first * (size_t)rows->o, req.n, err);
        }
        first += req.n;
        if (code == ERR_OK) {
            code = save_if_due(work, first, rows->n, err);
        }
        arena_clear(&arena);
    }
    arena_release(&arena);
    return code;
}
