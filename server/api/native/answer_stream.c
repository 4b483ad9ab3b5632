/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/answer_stream.h"

#include "base/mem_budget.h"
#include "formats/npy.h"

#include <string.h>

static bool is_client_gone(const void *ctx)
{
    const struct answer_stream *stream = ctx;
    return stream->req->ops->gone(stream->req->exchange);
}

/* On a compute thread. */
static void resume_exchange(void *ctx)
{
    struct answer_stream *stream = ctx;
    stream->req->ops->resume(stream->req->exchange);
}

/* Makes the item ask for the block that begins at this number of a result. */
static void prepare_block(struct answer_stream *stream, enum predict_index index, size_t first)
{
    const struct model *model = stream->served->model;
    stream->block = (struct predict_block){.index = index, .first = first};
    predict_block_find(model, &stream->request->predict, ANSWER_BLOCK_BYTES, &stream->block);
    arena_clear(&stream->arena);
    stream->item = (struct batch_item){.model = model,
                                       .request = &stream->block.request,
                                       .result = &stream->result,
                                       .arena = &stream->arena,
                                       .gone = is_client_gone,
                                       .done = resume_exchange,
                                       .ctx = stream,
                                       .goes_on = true,
                                       .err = ERR_INIT};
}

static enum predict_index first_result(unsigned want)
{
    int index = 0;
    while (!(want & (1U << index))) {
        index++;
    }
    return (enum predict_index)index;
}

enum err_code answer_stream_begin(struct answer_stream *stream, struct err *err)
{
    const struct predict_request *whole = &stream->request->predict;
    size_t bytes = predict_block_bytes(stream->served->model, whole, ANSWER_BLOCK_BYTES);
    if (answer_model_hold(stream->app, stream->served, &stream->model, err) != ERR_OK ||
        answer_room_claim_always(stream->app, bytes, &stream->claim, err) != ERR_OK) {
        return err->code;
    }
    prepare_block(stream, first_result(whole->want), 0);
    return ERR_OK;
}

/* ---- while it is sent ---- */

/* Hands the block to a compute thread, or computes it here where nobody can wait. */
static bool compute_block(struct answer_stream *stream)
{
    const struct exchange_ops *ops = stream->req->ops;
    if (ops == NULL) {
        enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
        batch_item_compute(&stream->item, &stream->item.err);
        mem_kind_use(kind);
        return true;
    }
    stream->computing = true;
    ops->suspend(stream->req->exchange);
    batcher_submit(stream->app->batcher, &stream->item);
    return false;
}

static void feed_block(struct answer_stream *stream)
{
    const struct predict_block *block = &stream->block;
    answer_text_feed(&stream->text, stream->result.at[block->index] + block->offset, block->count);
}

static size_t cut_answer(const struct answer_stream *stream, const struct err *err)
{
    const struct model *model = stream->served->model;
    size_t row = (size_t)(stream->block.request.x - stream->request->predict.x) / (size_t)model->d;
    if (err->code != ERR_ABANDONED) {
        log_warn(stream->app->log, "answer cut", "model", stream->served->name, "reason",
                 err_msg(err), "from_row", LOG_INT(row), NULL);
    }
    return BODY_SOURCE_FAILED;
}

static size_t read_stream(void *ctx, char *out, size_t size)
{
    struct answer_stream *stream = ctx;
    bool fresh = stream->computing; /* a block is there that has not been fed */
    for (;;) {
        struct err err = ERR_INIT;
        struct json_feed next;
        size_t n = 0;
        stream->computing = false;
        if (fresh && stream->item.err.code != ERR_OK) {
            return cut_answer(stream, &stream->item.err);
        }
        if (fresh) {
            feed_block(stream);
        }
        if (answer_text_read(&stream->text, out, size, &n, &err) != ERR_OK) {
            return cut_answer(stream, &err);
        }
        if (n > 0 || !answer_text_needs(&stream->text, &next)) {
            return n;
        }
        prepare_block(stream, (enum predict_index)next.sequence, next.first);
        if (!compute_block(stream)) {
            return BODY_SOURCE_WAIT;
        }
        fresh = true;
    }
}

static void release_stream(void *ctx)
{
    answer_stream_release(ctx);
}

enum err_code answer_stream_send(struct answer_stream *stream, struct response *res, long *outside,
                                 struct err *err)
{
    const struct predict_answer answer = {
        .request = stream->request, .served = stream->served, .arena = stream->req->arena};
    if (predict_answer_begin(&answer, &stream->text, res, outside, err) != ERR_OK) {
        return err->code;
    }
    feed_block(stream);
    metrics_add(&stream->app->metrics->answers_streamed, 1);
    res->source = (struct body_source){.read = read_stream,
                                       .release = release_stream,
                                       .ctx = stream,
                                       .needs_no_body = !stream->request->borrows_body,
                                       .n_bytes = stream->text.n_bytes};
    return ERR_OK;
}

void answer_stream_release(struct answer_stream *stream)
{
    arena_release(&stream->arena);
    answer_room_release(&stream->claim);
    answer_model_release(&stream->model);
}
