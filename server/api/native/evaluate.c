/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/models/{m}/evaluate: how good a version is on rows it is sent (scoring.h). Rows go
 * block by block. One small block is scored at once; else each block waits its turn among the
 * predictions (live/batcher), is added to the sums by the compute thread that finished it, which
 * then hands in the next one. No thread of HTTP waits, and memory beyond the rows is one block's.
 */
#include "api/handlers.h"

#include "api/native/labelled.h"
#include "api/native/prediction_request.h"
#include "api/native/scoring.h"
#include "api/reply.h"
#include "store/models/version_ref.h"

/* An evaluation under way; in the request's arena. */
struct evaluate_work {
    struct app *app;
    const struct request *req;
    struct served *served;
    struct data rows;
    struct scoring scoring;
    int first;          /* row of the block under way */
    struct arena arena; /* of its result */
    struct predict_request block;
    struct predict_result result;
    struct batch_item item;
    int64_t deadline_ns;
    struct err err;
};

/* ---- rows ---- */

static enum err_code read_rows(struct evaluate_work *e, struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", NULL};
    const struct model *model = e->served->model;
    struct labelled labelled;
    if (labelled_parse(e->req, e->app->config->max_rows, &labelled, err) != ERR_OK ||
        (!labelled.is_csv && json_read_check_keys(labelled.body, "body", keys, err) != ERR_OK)) {
        return err->code;
    }
    return labelled_rows(&labelled, e->req, model->d, model->o, &e->rows, err);
}

static enum err_code begin(struct evaluate_work *e, struct err *err)
{
    if (scoring_begin(&e->scoring, e->served->model, &e->rows, e->req->arena, err) == ERR_OK) {
        e->block = e->scoring.block;
    }
    return err->code;
}

/* ---- blocks ---- */

static bool gone(const void *ctx)
{
    const struct evaluate_work *e = ctx;
    return e->req->ops->gone(e->req->exchange);
}

static void done(void *ctx);

/* Makes the item ask for the block that begins at e->first. */
static void aim(struct evaluate_work *e)
{
    int left = e->rows.n - e->first;
    e->block.n = left < e->scoring.block.n ? left : e->scoring.block.n;
    e->block.x = e->rows.x + (size_t)e->first * (size_t)e->rows.d;
    e->item = (struct batch_item){.model = e->served->model,
                                  .request = &e->block,
                                  .result = &e->result,
                                  .arena = &e->arena,
                                  .deadline_ns = e->deadline_ns,
                                  .gone = gone,
                                  .done = done,
                                  .ctx = e,
                                  .err = ERR_INIT};
}

/* The predicted block enters the sums. */
static void take(struct evaluate_work *e)
{
    const double *y = e->rows.y + (size_t)e->first * (size_t)e->rows.o;
    if (e->item.err.code != ERR_OK) {
        e->err = e->item.err;
        return;
    }
    scoring_add(&e->scoring, &e->result, y, e->block.n);
    e->first += e->block.n;
    arena_clear(&e->arena);
}

/* On a compute thread, after each block. */
static void done(void *ctx)
{
    struct evaluate_work *e = ctx;
    take(e);
    if (e->err.code == ERR_OK && e->first < e->rows.n) {
        aim(e);
        e->item.goes_on = true;
        batcher_submit(e->app->batcher, &e->item);
        return;
    }
    e->req->ops->resume(e->req->exchange);
}

/* ---- the answer ---- */

static enum err_code answer(struct evaluate_work *e, struct response *res, struct err *err)
{
    struct textbuf text = textbuf_in(e->req->arena);
    struct json_write json = json_write_to(&text);
    if (e->err.code != ERR_OK) {
        *err = e->err;
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "model", e->served->name);
    json_write_int(&json, "version", e->served->version);
    if (scoring_write(&e->scoring, &json, err) != ERR_OK) {
        return err->code;
    }
    metrics_add(&e->app->metrics->predicted_rows, e->rows.n);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

/* ---- the request ---- */

static void drop(void *ctx)
{
    struct evaluate_work *e = ctx;
    scoring_release(&e->scoring);
    arena_release(&e->arena);
    served_unref(e->served);
}

static enum err_code finish(void *ctx, struct response *res, struct err *err)
{
    err_kept(answer(ctx, res, err));
    drop(ctx);
    return err->code;
}

/* Scores now, or leaves the first block for the batcher: *later. */
static enum err_code start(struct evaluate_work *e, bool *later, struct err *err)
{
    struct batcher *batcher = e->app->batcher;
    aim(e);
    if (predict_check(e->served->model, &e->block, err) != ERR_OK) {
        return err->code;
    }
    if (e->block.n == e->rows.n && batcher_run(batcher, &e->item)) {
        take(e);
        return ERR_OK;
    }
    if (e->req->ops != NULL) {
        *later = true;
        return batcher_admit(batcher, &e->item, err);
    }
    e->block.n_threads = e->app->config->predict_threads;
    while (e->err.code == ERR_OK && e->first < e->rows.n) {
        aim(e);
        err_kept(predict_run(e->served->model, &e->block, &e->arena, &e->result, &e->item.err));
        take(e);
    }
    return ERR_OK;
}

enum err_code handle_evaluate(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    struct evaluate_work *e = arena_zalloc_array(req->arena, 1, sizeof *e);
    const char *name;
    struct version_ref version = {.kind = VERSION_DEFAULT};
    bool later = false;
    if (e == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    e->app = app;
    e->req = req;
    err_clear(&e->err);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        (req->n_params > 1 && version_ref_parse(req->params[1], &version, err) != ERR_OK) ||
        prediction_request_deadline(req, &e->deadline_ns, err) != ERR_OK ||
        models_find(app->models, name, &version, &e->served, err) != ERR_OK) {
        return err->code;
    }
    if (read_rows(e, err) != ERR_OK || begin(e, err) != ERR_OK || start(e, &later, err) != ERR_OK) {
        drop(e);
        return err->code;
    }
    if (!later) {
        return finish(e, res, err);
    }
    res->later = (struct later){.run = finish, .drop = drop, .ctx = e};
    req->ops->suspend(req->exchange);
    batcher_submit(app->batcher, &e->item);
    return ERR_OK;
}
