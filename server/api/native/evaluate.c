/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/models/{m}/evaluate: how good a version is on the rows of the request (scoring.h). They
 * are predicted block by block (block_run.h); one small block is scored at once.
 */
#include "api/handlers.h"

#include "api/aside.h"
#include "api/native/block_run.h"
#include "api/rows/labelled.h"
#include "api/native/prediction_request.h"
#include "api/native/scoring.h"
#include "api/quota.h"
#include "api/reply.h"
#include "api/request_times.h"
#include "store/models/version_ref.h"

/* An evaluation under way; in the request's arena. */
struct evaluate_work {
    struct app *app;
    const struct request *req;
    struct served *served;
    struct data rows;
    struct scoring scoring;
    struct block_run run;
    struct err err;
    bool unread; /* the body has more text than this thread was to read */
    const char *model;
    struct version_ref version;
};

static enum err_code read_rows(struct evaluate_work *e, size_t max_text, struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", "status", NULL};
    const struct model *model = e->served->model;
    struct labelled labelled;
    if (labelled_parse(e->req, e->app->config->max_rows, max_text, &labelled, err) != ERR_OK) {
        return err->code;
    }
    e->unread = labelled.unread;
    if (e->unread || (!labelled.is_csv && !labelled.is_npy &&
                      json_read_check_keys(labelled.body, "body", keys, err) != ERR_OK)) {
        return err->code;
    }
    if (labelled_rows(&labelled, e->req, model, &e->rows, err) == ERR_OK) {
        quota_charge_rows(e->app, e->req, e->rows.n);
    }
    return err->code;
}

static enum err_code begin_scoring(struct evaluate_work *e, struct err *err)
{
    const struct model *model = e->served->model;
    return scoring_begin(&e->scoring, model, &e->rows, e->req->arena, err) == ERR_OK
               ? block_run_begin(&e->run, model, &e->rows, &e->scoring.block, err)
               : err->code;
}

/* Adds the predicted block to the sums; false after the last one, or an error. */
static bool add_block(void *ctx)
{
    struct evaluate_work *e = ctx;
    struct block_run *run = &e->run;
    if (run->item.err.code != ERR_OK) {
        e->err = run->item.err;
        return false;
    }
    scoring_add(&e->scoring, &run->result, e->rows.y + (size_t)run->row * (size_t)e->rows.o,
                run->block.n);
    return block_run_next(run);
}

static enum err_code write_answer(struct evaluate_work *e, struct response *res, struct err *err)
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

static void drop_work(void *ctx)
{
    struct evaluate_work *e = ctx;
    scoring_release(&e->scoring);
    block_run_release(&e->run);
    served_unref(e->served);
}

static enum err_code finish_work(void *ctx, struct response *res, struct err *err)
{
    err_kept(write_answer(ctx, res, err));
    drop_work(ctx);
    return err->code;
}

/* Reads the rows for the model that was found, unless there is more text than max_text (0: any). */
static enum err_code prepare(struct evaluate_work *e, size_t max_text, struct err *err)
{
    if (read_rows(e, max_text, err) != ERR_OK || (!e->unread && begin_scoring(e, err) != ERR_OK)) {
        drop_work(e);
    }
    return err->code;
}

/* On the connection's thread, once rows and model are there. */
static enum err_code go_on(void *ctx, struct response *res, struct err *err)
{
    struct evaluate_work *e = ctx;
    const struct later later = {.run = finish_work, .drop = drop_work, .ctx = e};
    bool waits = false;
    request_times_parsed(e->req);
    if (block_run_at_once(&e->run)) {
        (void)add_block(e);
    } else if (block_run_all(&e->run, res, &later, &waits, err) != ERR_OK) {
        drop_work(e);
        return err->code;
    }
    return waits ? ERR_OK : finish_work(e, res, err);
}

/* On another thread: what takes long. */
static enum err_code prepare_aside(void *ctx, struct request *req, struct response *res,
                                   struct err *err)
{
    struct evaluate_work *e = ctx;
    (void)req;
    if (models_find(e->app->models, e->model, &e->version, &e->served, err) != ERR_OK ||
        prepare(e, 0, err) != ERR_OK) {
        return err->code;
    }
    res->later = (struct later){.run = go_on, .drop = drop_work, .ctx = e};
    return ERR_OK;
}

enum err_code handle_evaluate(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    struct evaluate_work *e = arena_zalloc_array(req->arena, 1, sizeof *e);
    if (e == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    e->app = app;
    e->req = req;
    e->version = (struct version_ref){.kind = VERSION_DEFAULT};
    e->run = (struct block_run){.app = app, .req = req, .add = add_block, .ctx = e};
    err_clear(&e->err);
    if (reply_model_name(req->params[0], &e->model, err) != ERR_OK ||
        (req->n_params > 1 && version_ref_parse(req->params[1], &e->version, err) != ERR_OK) ||
        prediction_request_deadline(req, &e->run.deadline_ns, err) != ERR_OK) {
        return err->code;
    }
    if (!aside_is_large(req) &&
        models_find_loaded(app->models, e->model, &e->version, &e->served)) {
        if (prepare(e, ASIDE_TEXT_BYTES, err) != ERR_OK) {
            return err->code;
        }
        if (!e->unread) {
            return go_on(e, res, err);
        }
        drop_work(e);
        aside_count_large(app);
    }
    return aside_run(app, prepare_aside, e, req, res, err);
}
