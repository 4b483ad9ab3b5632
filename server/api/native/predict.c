/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /predict, and the same with the model or its version in the path. A small request for a
 * model in memory is answered at once. One with a large body is read by another thread, which also
 * reads a model that is not in memory (api/aside). Much work is done by compute threads
 * (live/batcher). The request is suspended meanwhile.
 */
#include "api/handlers.h"

#include "api/aside.h"
#include "api/native/answer_room.h"
#include "api/native/predict_answer.h"
#include "api/quota.h"
#include "base/mem_budget.h"

#include <string.h>

/* A prediction under way; in the request's arena. */
struct prediction {
    struct app *app;
    const struct request *req;
    struct prediction_request request;
    struct served *served;
    struct predict_result result;
    struct batch_item item;
    int64_t parsed_ns; /* 0: its phases are not measured */
    struct answer_claim claim;
    bool is_read; /* the request is */
};

static void release_model(void *ctx)
{
    struct prediction *p = ctx;
    answer_room_release(&p->claim);
    served_unref(p->served);
}

static void observe_phases(struct prediction *p, int64_t computed_ns)
{
    struct metrics_histogram *phases = p->app->metrics->predict_phases;
    int64_t begun_ns = p->item.begun_ns != 0 ? p->item.begun_ns : p->parsed_ns;
    metrics_observe_ns(&phases[METRICS_PARSE], p->parsed_ns - p->req->arrived_ns);
    metrics_observe_ns(&phases[METRICS_QUEUE], begun_ns - p->parsed_ns);
    metrics_observe_ns(&phases[METRICS_COMPUTE], computed_ns - begun_ns);
    metrics_observe_ns(&phases[METRICS_WRITE], clock_ns() - computed_ns);
}

static enum err_code write_answer(struct prediction *p, struct response *res, struct err *err)
{
    const struct predict_answer answer = {
        .request = &p->request, .served = p->served, .result = &p->result, .arena = p->req->arena};
    long outside = 0;
    int64_t computed_ns = p->parsed_ns != 0 ? clock_ns() : 0;
    if (p->item.err.code != ERR_OK) {
        *err = p->item.err;
        return err->code;
    }
    if (predict_answer_write(&answer, res, &outside, err) != ERR_OK) {
        return err->code;
    }
    metrics_add(&p->app->metrics->predicted_rows, p->request.predict.n);
    metrics_add(&p->app->metrics->extrapolated_rows, outside);
    metrics_add(&p->served->n_rows, p->request.predict.n);
    metrics_add(&p->served->n_outside, outside);
    if (p->parsed_ns != 0) {
        observe_phases(p, computed_ns);
    }
    return ERR_OK;
}

static enum err_code answer_and_release(void *ctx, struct response *res, struct err *err)
{
    struct prediction *p = ctx;
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    if (write_answer(p, res, err) == ERR_OK) {
        answer_room_hand_over(&p->claim, res);
    } else {
        answer_room_release(&p->claim);
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

/* Computes a small request at once, or gets a place in the queue; *later says which. */
static enum err_code compute_or_queue(struct prediction *p, bool *later, struct err *err)
{
    struct batcher *batcher = p->app->batcher;
    p->item = (struct batch_item){.model = p->served->model,
                                  .request = &p->request.predict,
                                  .result = &p->result,
                                  .arena = p->req->arena,
                                  .deadline_ns = p->request.deadline_ns,
                                  .gone = client_is_gone,
                                  .done = resume_exchange,
                                  .ctx = p,
                                  .timed = p->parsed_ns != 0,
                                  .err = ERR_INIT};
    if (predict_check(p->served->model, &p->request.predict, err) != ERR_OK ||
        answer_room_claim(p->app, predict_bytes(p->served->model, &p->request.predict), &p->claim,
                          err) != ERR_OK) {
        return err->code;
    }
    *later = false;
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    bool done = batcher_run(batcher, &p->item);
    mem_kind_use(kind);
    if (done) {
        return ERR_OK;
    }
    if (p->req->ops == NULL) {
        p->request.predict.n_threads = p->app->config->predict_threads;
        return predict_run(p->served->model, &p->request.predict, p->req->arena, &p->result, err);
    }
    *later = true;
    return batcher_admit(batcher, &p->item, err);
}

/* On the connection's thread, once request and model are there. */
static enum err_code go_on(void *ctx, struct response *res, struct err *err)
{
    struct prediction *p = ctx;
    bool later = false;
    p->parsed_ns = metrics_samples(p->req->arrived_ns) ? clock_ns() : 0;
    if (compute_or_queue(p, &later, err) != ERR_OK) {
        release_model(p);
        return err->code;
    }
    if (!later) {
        return answer_and_release(p, res, err);
    }
    res->later = (struct later){.run = answer_and_release, .drop = release_model, .ctx = p};
    p->req->ops->suspend(p->req->exchange);
    batcher_submit(p->app->batcher, &p->item);
    return ERR_OK;
}

static enum err_code read_request(struct prediction *p, struct err *err)
{
    p->is_read = true;
    if (prediction_request_read(p->req, p->app->config->max_rows, &p->request, err) == ERR_OK) {
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

/* On another thread: what takes long. */
static enum err_code prepare_aside(void *ctx, struct request *req, struct response *res,
                                   struct err *err)
{
    struct prediction *p = ctx;
    (void)req;
    if ((!p->is_read && read_request(p, err) != ERR_OK) ||
        models_find(p->app->models, p->request.model, &p->request.version, &p->served, err) !=
            ERR_OK ||
        fit_request(p, err) != ERR_OK) {
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
        if (read_request(p, err) != ERR_OK) {
            return err->code;
        }
        if (models_find_loaded(app->models, p->request.model, &p->request.version, &p->served)) {
            return fit_request(p, err) == ERR_OK ? go_on(p, res, err) : err->code;
        }
    }
    return aside_run(app, prepare_aside, p, req, res, err);
}
