/* SPDX-License-Identifier: Apache-2.0 */
/* Training jobs: queue, list, progress, cancel. */
#include "api/handlers.h"

#include "api/native/job_add.h"
#include "api/native/job_doc.h"
#include "api/native/space_routes.h"
#include "api/reply.h"
#include "api/request_times.h"
#include "base/known.h"
#include "base/mem.h"
#include "documents/job_json.h"
#include "documents/space_json.h"
#include "jobs/train_request.h"
#include "store/data/data_read.h"
#include "store/jobs/job_checkpoint_store.h"
#include "store/jobs/job_store.h"

#include <string.h>

#define LIST_LIMIT 1000
#define MEGABYTE   1000000

/* The whole document of a job as it is now, for whoever may see it. */
static enum err_code write_job(struct app *app, const struct request *req, struct json_write *json,
                               int64_t id, struct err *err)
{
    struct job_row row;
    if (job_doc_find(app, req, id, &row, err) != ERR_OK) {
        return err->code;
    }
    /* The registry has the end of the job a moment before the worker shows its version. Whoever
     * reads that it succeeded is served by it from then on. */
    if (row.state == JOB_SUCCEEDED && trainer_running_job(app->trainer) == row.id) {
        models_follow(app->models, row.model, NULL, 0);
    }
    return job_doc_write(app, json, &row, err);
}

/* "space" of a training request is the model's from now on; the rest is about the job. */
static enum err_code take_space(struct app *app, const struct request *req, const char *model,
                                json_t *body, struct err *err)
{
    const json_t *document = json_object_get(body, "space");
    struct data_summary rows;
    struct space *space = NULL;
    if (document == NULL) {
        return ERR_OK;
    }
    if (space_json_read(document, &space, err) != ERR_OK) {
        err_prefix(err, "space");
        return err->code;
    }
    if (data_store_summary(app->db, model, &rows, err) == ERR_OK) { /* there is such a model */
        err_kept(space_change(app, req, model, "train", space, err));
    }
    space_unref(space);
    return err->code;
}

/* The rest of the request is checked first, so that what is refused changes nothing. */
static enum err_code read_request(struct app *app, const struct request *req, const char *model,
                                  struct job_spec *spec, bool *as_before, struct err *err)
{
    json_t *body = NULL;
    *as_before = req->n_body == 0;
    if (*as_before || json_read_parse(req->body, req->n_body, req->arena, &body, err) != ERR_OK) {
        return err->code;
    }
    *as_before = json_object_get(body, "space") != NULL && json_object_size(body) == 1;
    if (*as_before || job_json_read(body, spec, err) == ERR_OK) {
        err_kept(take_space(app, req, model, body, err));
    }
    return err->code;
}

/* The request as the job keeps it; an empty body: as the default version was trained. */
static enum err_code complete_request(struct app *app, const struct request *req, const char *model,
                                      struct textbuf *out, struct job_new *job, struct err *err)
{
    struct job_spec spec = {.promote = false};
    bool as_before = true;
    struct train_request request = {.db = app->db,
                                    .models = app->models,
                                    .model = model,
                                    .n_threads = app->config->train_threads,
                                    .max_bytes = (int64_t)app->config->train_memory_mb * MEGABYTE,
                                    .launch = {.on = strcmp(app->config->launcher, "none") != 0,
                                               .min_rows = app->config->launch_rows}};
    if (read_request(app, req, model, &spec, &as_before, err) == ERR_OK) {
        request.spec = as_before ? NULL : &spec;
        err_kept(train_request_write(&request, out, job, err));
    }
    train_spec_release(&spec.train);
    return err->code;
}

enum err_code handle_train(struct app *app, const struct request *req, struct response *res,
                           struct err *err)
{
    const char *model;
    struct textbuf complete = textbuf_in(req->arena);
    struct job_new job = {.origin = "request", .max_queued = app->config->max_queued_jobs};
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        complete_request(app, req, model, &complete, &job, err) != ERR_OK) {
        return err->code;
    }
    request_times_parsed(req);
    job.model = model;
    job.request = complete.data;
    job.n_request = complete.len;
    return job_add_and_reply(app, req, &job, res, err);
}

static enum err_code read_filter(const struct request *req, struct job_filter *filter,
                                 struct err *err)
{
    const char *state = request_query(req, "state");
    int64_t limit = LIST_LIMIT;
    const char *model = request_query(req, "model");
    *filter = (struct job_filter){.models = req->caller.models, .state = -1};
    if (model != NULL && reply_model_name(model, &filter->model, err) != ERR_OK) {
        return err->code;
    }
    if (reply_query_int(req, "limit", 1, LIST_LIMIT, &limit, err) != ERR_OK) {
        return err->code;
    }
    filter->limit = (int)limit;
    if (state != NULL) {
        filter->state = names_find(job_state_known(), state);
        return filter->state >= 0 ? ERR_OK : known_refuse("state", state, job_state_known(), err);
    }
    return ERR_OK;
}

enum err_code handle_jobs_list(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    struct job_row *rows = NULL;
    size_t n_rows = 0;
    struct job_filter filter;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (read_filter(req, &filter, err) != ERR_OK ||
        job_store_list(app->db, &filter, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_array(&json, "jobs");
    for (size_t i = 0; i < n_rows; i++) {
        job_doc_write_row(app, &json, &rows[i]);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    mem_free(rows);
    return reply_json(res, 200, &json, err);
}

enum err_code handle_job_get(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    int64_t id;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_number(req->params[0], "job", &id, err) != ERR_OK ||
        write_job(app, req, &json, id, err) != ERR_OK) {
        return err->code;
    }
    return reply_json(res, 200, &json, err);
}

enum err_code handle_job_delete(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    struct job_row row;
    int64_t id;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_number(req->params[0], "job", &id, err) != ERR_OK ||
        job_doc_find(app, req, id, &row, err) != ERR_OK ||
        trainer_cancel(app->trainer, id, &row, err) != ERR_OK) {
        return err->code;
    }
    events_publish_state(app->events, id);
    if (write_job(app, req, &json, id, err) != ERR_OK) {
        return err->code;
    }
    return reply_json(res, row.state == JOB_CANCELLED ? 200 : 202, &json, err);
}

/* Only waiting jobs, and of one model: a slip must not end the work of others. */
static enum err_code read_cancel(const struct request *req, const char **model, struct err *err)
{
    const char *state = request_query(req, "state");
    const char *name = request_query(req, "model");
    if (name == NULL || state == NULL || strcmp(state, "queued") != 0) {
        return err_set(err, ERR_INVALID,
                       "?model=M&state=queued is needed: it cancels the queued jobs of model M");
    }
    return reply_model_name(name, model, err) == ERR_OK ? access_check_model(req, *model, err)
                                                        : err->code;
}

enum err_code handle_jobs_cancel(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    const char *model;
    int64_t *ids = NULL;
    size_t n = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (read_cancel(req, &model, err) == ERR_OK &&
        job_store_cancel_queued(app->db, model, &ids, &n, err) == ERR_OK) {
        for (size_t i = 0; i < n; i++) {
            events_publish_state(app->events, ids[i]);
        }
        json_write_object(&json, NULL);
        json_write_int(&json, "cancelled", (int64_t)n);
        json_write_object_end(&json);
        err_kept(reply_json(res, 200, &json, err));
    }
    mem_free(ids);
    return err->code;
}

/* ---- losses ---- */

/* Those of the running job now, or the stored ones. */
static enum err_code get_curves(struct app *app, int64_t id, struct curves *curves, struct err *err)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    if (app->trainer != NULL && trainer_get_curves(app->trainer, id, curves)) {
        return ERR_OK;
    }
    memset(curves, 0, sizeof *curves);
    if (job_store_curves(app->db, id, &bytes, &n_bytes, err) != ERR_OK) {
        return err->code;
    }
    struct bytes_reader reader = {.data = bytes, .left = n_bytes};
    if (n_bytes > 0) {
        curves_decode(curves, &reader);
    }
    mem_free(bytes);
    return ERR_OK;
}

enum column { COLUMN_STEP, COLUMN_LOSS, COLUMN_VALIDATION };

/* One column of a member's points. */
static void write_column(struct json_write *json, const char *key, const struct curves *curves,
                         int member, enum column column)
{
    struct curve_point point;
    json_write_array(json, key);
    for (int i = 0; curves_point(curves, member, i, &point); i++) {
        if (column == COLUMN_STEP) {
            json_write_int(json, NULL, point.step);
        } else {
            json_write_real(json, NULL, column == COLUMN_LOSS ? point.loss : point.validation);
        }
    }
    json_write_array_end(json);
}

enum err_code handle_job_curves(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    struct job_row row;
    int64_t id;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    struct curves *curves = arena_alloc_array(req->arena, 1, sizeof *curves);
    if (curves == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the curves of a job");
    }
    if (reply_number(req->params[0], "job", &id, err) != ERR_OK ||
        job_doc_find(app, req, id, &row, err) != ERR_OK ||
        get_curves(app, id, curves, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_int(&json, "id", id);
    json_write_array(&json, "members");
    for (int j = 0; j < curves->n; j++) {
        json_write_object(&json, NULL);
        json_write_int(&json, "member", j);
        write_column(&json, "step", curves, j, COLUMN_STEP);
        write_column(&json, "loss", curves, j, COLUMN_LOSS);
        write_column(&json, "validation_loss", curves, j, COLUMN_VALIDATION);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}
