/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /predict, and the same with the model or its version in the path. A small request for a
 * model in memory is answered at once, or with others that have come at the same time. One with a
 * large body is read by another thread, which also reads a model that is not in memory (api/aside).
 * Much work is done by compute threads (live/batcher). The request is suspended meanwhile. Of an
 * answer that is too large to be held they compute the first block, and the others as the client
 * reads (answer_stream.h).
 */
#include "api/handlers.h"

#include "api/aside.h"
#include "api/exports/answer_room.h"
#include "api/native/answer_stream.h"
#include "api/native/predict_answer.h"
#include "api/native/run_place.h"
#include "api/quota.h"
#include "api/request_times.h"
#include "base/mem_budget.h"

#include <string.h>

#define MEGABYTE ((size_t)1000000)

/* A prediction under way; in the request's arena. */
struct prediction {
    struct app *app;
    const struct request *req;
    struct prediction_request request;
    struct served *served;
    struct predict_result result;
    struct batch_item item;
    int64_t parsed_ns;
    struct answer_claim claim;
    struct answer_stream *stream; /* NULL: the answer is computed whole */
    bool is_read;                 /* the request is */
};

static void release_room(struct prediction *p)
{
    answer_room_release(&p->claim);
    if (p->stream != NULL) {
        answer_stream_release(p->stream);
        p->stream = NULL;
    }
}

static void release_model(void *ctx)
{
    struct prediction *p = ctx;
    release_room(p);
    served_unref(p->served);
}

/* The computation has ended. A small request is computed at once, and one that failed without
 * having begun was in the queue to its end. */
static void note_times(const struct prediction *p)
{
    int64_t now_ns = clock_ns();
    int64_t at_once_ns = p->item.err.code == ERR_OK ? p->parsed_ns : now_ns;
    int64_t begun_ns = p->item.begun_ns != 0 ? p->item.begun_ns : at_once_ns;
    request_times_waited(p->req, begun_ns - p->parsed_ns);
    request_times_computed(p->req, begun_ns, now_ns);
}

static enum err_code write_answer(struct prediction *p, struct response *res, struct err *err)
{
    const struct predict_answer answer = {
        .request = &p->request, .served = p->served, .result = &p->result, .arena = p->req->arena};
    long outside = 0;
    note_times(p);
    if (p->item.err.code != ERR_OK) {
        *err = p->item.err;
        return err->code;
    }
    if ((p->stream != NULL ? answer_stream_send(p->stream, res, &outside, err)
                           : predict_answer_write(&answer, res, &outside, err)) != ERR_OK) {
        return err->code;
    }
    metrics_add(&p->app->metrics->predicted_rows, p->request.predict.n);
    metrics_add(&p->app->metrics->extrapolated_rows, outside);
    metrics_add(&p->served->n_rows, p->request.predict.n);
    metrics_add(&p->served->n_outside, outside);
    return ERR_OK;
}

static enum err_code answer_and_release(void *ctx, struct response *res, struct err *err)
{
    struct prediction *p = ctx;
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    if (write_answer(p, res, err) == ERR_OK) {
        answer_room_hand_over(&p->claim, res);
    } else {
        release_room(p);
    }
    served_unref(p->served);
    mem_kind_use(kind);
    return err->code;
}

static bool client_is_gone(const void *ctx)
{
    const struct prediction *p = ctx;
    return p->req->ops->gone(p->req->exchange);
}

static void resume_exchange(void *ctx)
{
    struct prediction *p = ctx;
    p->req->ops->resume(p->req->exchange);
}

/*
 * Sets room aside for the whole answer, or for one block of it when it is larger than an answer may
 * be or than what other clients leave.
 */
static enum err_code take_room(struct prediction *p, struct err *err)
{
    const struct predict_request *whole = &p->request.predict;
    size_t bytes = predict_bytes(p->served->model, whole);
    bool holds = bytes <= (size_t)p->app->config->whole_answer_mb * MEGABYTE;
    if (!predict_block_is_possible(whole) || (holds && bytes <= ANSWER_SMALL)) {
        return answer_room_claim(p->app, bytes, &p->claim, err);
    }
    if (holds && answer_room_try(p->app, bytes, &p->claim)) {
        return ERR_OK;
    }
    const struct scaler_rows inputs = {.n = (size_t)whole->n,
                                       .k = p->served->model->d,
                                       .v = whole->x,
                                       .names = p->served->model->input_names};
    struct answer_stream *stream = arena_zalloc_array(p->req->arena, 1, sizeof *stream);
    if (stream == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    /* Rows that have no answer must be found before the answer begins. */
    if (scaler_check(p->served->model->in, &inputs, err) != ERR_OK) {
        return err->code;
    }
    stream->app = p->app;
    stream->req = p->req;
    stream->request = &p->request;
    stream->served = p->served;
    p->stream = stream;
    return answer_stream_begin(stream, err);
}

/* What is computed before the answer begins: all of it, or its first block. */
static void prepare_item(struct prediction *p)
{
    struct answer_stream *stream = p->stream;
    p->item = (struct batch_item){.model = p->served->model,
                                  .request =
                                      stream != NULL ? &stream->block.request : &p->request.predict,
                                  .result = stream != NULL ? &stream->result : &p->result,
                                  .arena = stream != NULL ? &stream->arena : p->req->arena,
                                  .deadline_ns = p->request.deadline_ns,
                                  .gone = client_is_gone,
                                  .done = resume_exchange,
                                  .ctx = p,
                                  .err = ERR_INIT};
}

/* Computes a small request at once, leaves it with others, or gets a place in the queue. */
static enum err_code compute_or_queue(struct prediction *p, enum run_place *place, struct err *err)
{
    struct batcher *batcher = p->app->batcher;
    if (predict_check(p->served->model, &p->request.predict, err) != ERR_OK ||
        take_room(p, err) != ERR_OK) {
        return err->code;
    }
    prepare_item(p);
    *place = run_find_place(batcher, p->req, &p->item);
    if (*place != RUN_QUEUED) {
        return ERR_OK;
    }
    if (p->req->ops == NULL) {
        struct predict_request alone = *p->item.request;
        alone.n_threads = p->app->config->predict_threads;
        *place = RUN_DONE;
        return predict_run(p->served->model, &alone, p->item.arena, p->item.result, err);
    }
    return batcher_admit(batcher, &p->item, err);
}

/* On the connection's thread, once request and model are there. */
static enum err_code go_on(void *ctx, struct response *res, struct err *err)
{
    struct prediction *p = ctx;
    enum run_place place = RUN_DONE;
    p->parsed_ns = clock_ns();
    request_times_parsed_at(p->req, p->parsed_ns);
    if (compute_or_queue(p, &place, err) != ERR_OK) {
        release_model(p);
        return err->code;
    }
    if (place == RUN_DONE) {
        return answer_and_release(p, res, err);
    }
    res->later = (struct later){.run = answer_and_release, .drop = release_model, .ctx = p};
    if (place == RUN_QUEUED) {
        p->req->ops->suspend(p->req->exchange);
        batcher_submit(p->app->batcher, &p->item);
    }
    return ERR_OK;
}

/* Reads no JSON that has more than max_text bytes beside its tensors (0: any). */
static enum err_code read_request(struct prediction *p, size_t max_text, struct err *err)
{
    if (prediction_request_read(p->req, p->app->config->max_rows, max_text, &p->request, err) !=
        ERR_OK) {
        return err->code;
    }
    p->is_read = !p->request.unread;
    if (p->is_read) {
        quota_charge_rows(p->app, p->req, p->request.predict.n);
        err_kept(access_check_model(p->req, p->request.model, err));
    }
    return err->code;
}

/* The rows as the model has them; without it, the model is released. */
static enum err_code fit_request(struct prediction *p, struct err *err)
{
    if (prediction_request_fit(&p->request, p->req, p->app->config->max_rows, p->served->model,
                               err) != ERR_OK) {
        release_model(p);
    } else if (p->request.table || p->request.named_rows != NULL) {
        quota_charge_rows(p->app, p->req, p->request.predict.n); /* they were not known before */
    }
    return err->code;
}

/* In place of the version the model of some of its draws; without it, the version is released. */
static enum err_code take_part(struct prediction *p, struct err *err)
{
    struct served *whole = p->served;
    struct draw_choice *part = &p->request.predict.part;
    struct version_row row = {.version = whole->version, .created_ms = whole->created_ms};
    struct model *model = NULL;
    if (draw_choice_is_all(part)) {
        return ERR_OK;
    }
    if (draw_choice_model(whole->model, part, &model, err) != ERR_OK) {
        release_model(p);
        return err->code;
    }
    memcpy(row.digest, whole->digest, sizeof row.digest);
    p->served = served_new(whole->name, &row, model);
    *part = (struct draw_choice){.burn_in = 0};
    model_unref(model);
    served_unref(whole);
    return p->served != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for some draws");
}

/* On another thread: what takes long. */
static enum err_code prepare_aside(void *ctx, struct request *req, struct response *res,
                                   struct err *err)
{
    struct prediction *p = ctx;
    (void)req;
    if ((!p->is_read && read_request(p, 0, err) != ERR_OK) ||
        models_find(p->app->models, p->request.model, &p->request.version, &p->served, err) !=
            ERR_OK ||
        fit_request(p, err) != ERR_OK || take_part(p, err) != ERR_OK) {
        return err->code;
    }
    res->later = (struct later){.run = go_on, .drop = release_model, .ctx = p};
    return ERR_OK;
}

enum err_code handle_predict(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct prediction *p = arena_zalloc_array(req->arena, 1, sizeof *p);
    if (p == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    p->app = app;
    p->req = req;
    if (!aside_is_large(req)) {
        if (read_request(p, ASIDE_TEXT_BYTES, err) != ERR_OK) {
            return err->code;
        }
        if (!p->is_read) {
            aside_count_large(app);
        } else if (draw_choice_is_all(&p->request.predict.part) &&
                   models_find_loaded(app->models, p->request.model, &p->request.version,
                                      &p->served)) {
            return fit_request(p, err) == ERR_OK ? go_on(p, res, err) : err->code;
        }
    }
    return aside_run(app, prepare_aside, p, req, res, err);
}
