/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /predict and its model forms. A small request is answered in one go; others are put aside
 * while compute threads work (live/batcher) and go on in `finish`.
 */
#include "api/handlers.h"

#include "api/native/predict_answer.h"

#include <string.h>

/* A prediction under way; in the request's arena. */
struct prediction {
    struct app *app;
    const struct request *req;
    struct prediction_request request;
    struct served *served;
    struct predict_result result;
    struct batch_item item;
};

static void drop(void *ctx)
{
    struct prediction *p = ctx;
    served_unref(p->served);
}

static enum err_code answer(struct prediction *p, struct response *res, struct err *err)
{
    long outside = 0;
    if (p->item.err.code != ERR_OK) {
        *err = p->item.err;
        return err->code;
    }
    if (predict_answer(&p->request, p->served, &p->result, p->req->arena, res, &outside, err) !=
        ERR_OK) {
        return err->code;
    }
    metrics_add(&p->app->metrics->predicted_rows, p->request.predict.n);
    metrics_add(&p->app->metrics->extrapolated_rows, outside);
    return ERR_OK;
}

static enum err_code finish(void *ctx, struct response *res, struct err *err)
{
    struct prediction *p = ctx;
    err_kept(answer(p, res, err));
    served_unref(p->served);
    return err->code;
}

static bool gone(const void *ctx)
{
    const struct prediction *p = ctx;
    return p->req->ops->gone(p->req->exchange);
}

static void done(void *ctx)
{
    struct prediction *p = ctx;
    p->req->ops->resume(p->req->exchange);
}

/* Computes now, or hands over; *later tells which. */
static enum err_code compute(struct prediction *p, bool *later, struct err *err)
{
    struct batcher *batcher = p->app->batcher;
    p->item = (struct batch_item){.model = p->served->model,
                                  .request = &p->request.predict,
                                  .result = &p->result,
                                  .arena = p->req->arena,
                                  .deadline_ns = p->request.deadline_ns,
                                  .gone = gone,
                                  .done = done,
                                  .ctx = p,
                                  .err = ERR_INIT};
    if (prediction_request_check_width(&p->request, p->served->model->d, err) != ERR_OK ||
        predict_check(p->served->model, &p->request.predict, err) != ERR_OK) {
        return err->code;
    }
    *later = false;
    if (batcher_run(batcher, &p->item)) {
        return ERR_OK;
    }
    if (p->req->ops == NULL) {
        p->request.predict.n_threads = p->app->config->predict_threads;
        return predict_run(p->served->model, &p->request.predict, p->req->arena, &p->result, err);
    }
    *later = true;
    return batcher_admit(batcher, &p->item, err);
}

enum err_code handle_predict(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct prediction *p = arena_zalloc_array(req->arena, 1, sizeof *p);
    bool later = false;
    if (p == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    p->app = app;
    p->req = req;
    if (prediction_request_read(req, app->config->max_rows, &p->request, err) != ERR_OK ||
        models_find(app->models, p->request.model, &p->request.version, &p->served, err) !=
            ERR_OK) {
        return err->code;
    }
    if (compute(p, &later, err) != ERR_OK) {
        served_unref(p->served);
        return err->code;
    }
    if (!later) {
        return finish(p, res, err);
    }
    res->later = (struct later){.run = finish, .drop = drop, .ctx = p};
    req->ops->suspend(req->exchange);
    batcher_submit(app->batcher, &p->item);
    return ERR_OK;
}
