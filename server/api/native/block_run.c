/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/block_run.h"

static bool is_client_gone(const void *ctx)
{
    const struct block_run *run = ctx;
    return run->req->ops->gone(run->req->exchange);
}

/* On a compute thread, after each block. */
static void add_block(void *ctx)
{
    struct block_run *run = ctx;
    if (run->add(run->ctx)) {
        run->item.goes_on = true;
        batcher_submit(run->app->batcher, &run->item);
    } else {
        run->req->ops->resume(run->req->exchange);
    }
}

/* Makes the item ask for the block that begins at run->row. */
static void prepare_item(struct block_run *run, const struct model *model)
{
    int left = run->rows->n - run->row;
    run->block.n = left < run->max_rows ? left : run->max_rows;
    run->block.x = run->rows->x + (size_t)run->row * (size_t)run->rows->d;
    run->item = (struct batch_item){.model = model,
                                    .request = &run->block,
                                    .result = &run->result,
                                    .arena = &run->arena,
                                    .deadline_ns = run->deadline_ns,
                                    .gone = is_client_gone,
                                    .done = add_block,
                                    .ctx = run,
                                    .err = ERR_INIT};
}

enum err_code block_run_begin(struct block_run *run, const struct model *model,
                              const struct data *rows, const struct predict_request *block,
                              struct err *err)
{
    run->rows = rows;
    run->row = 0;
    run->block = *block;
    run->max_rows = block->n;
    prepare_item(run, model);
    return predict_check(model, &run->block, err);
}

bool block_run_next(struct block_run *run)
{
    run->row += run->block.n;
    arena_clear(&run->arena);
    if (run->row == run->rows->n) {
        return false;
    }
    prepare_item(run, run->item.model);
    return true;
}

bool block_run_at_once(struct block_run *run)
{
    return run->block.n == run->rows->n && batcher_run(run->app->batcher, &run->item);
}

enum err_code block_run_all(struct block_run *run, struct response *res, const struct later *later,
                            bool *waits, struct err *err)
{
    *waits = run->req->ops != NULL;
    if (*waits) {
        if (batcher_admit(run->app->batcher, &run->item, err) == ERR_OK) {
            res->later = *later;
            run->req->ops->suspend(run->req->exchange);
            batcher_submit(run->app->batcher, &run->item);
        }
        return err->code;
    }
    do {
        run->block.n_threads = run->app->config->predict_threads;
        err_kept(
            predict_run(run->item.model, &run->block, &run->arena, &run->result, &run->item.err));
    } while (run->add(run->ctx));
    return ERR_OK;
}

void block_run_release(struct block_run *run)
{
    arena_release(&run->arena);
}
