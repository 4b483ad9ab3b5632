/* SPDX-License-Identifier: Apache-2.0 */
/* Training jobs: queue, list, progress, cancel. */
#include "handlers.h"

#include "data_store.h"
#include "job_json.h"
#include "mem.h"
#include "reply.h"
#include "train_json.h"

#include <math.h>
#include <string.h>

#define LIST_LIMIT 1000

void job_json_progress(struct textbuf *text, const struct trainer_progress *p)
{
    textbuf_puts(text, "{\"fraction\":");
    textbuf_real(text, p->last.fraction);
    textbuf_printf(text, ",\"member\":%d,\"members\":%d,\"step\":%d,\"steps\":%d,\"loss\":",
                   p->last.member, p->last.n_members, p->last.step, p->last.n_steps);
    textbuf_real(text, p->last.loss);
    textbuf_puts(text, ",\"validation_loss\":");
    if (isfinite(p->last.validation_loss)) {
        textbuf_real(text, p->last.validation_loss);
    } else {
        textbuf_puts(text, "null");
    }
    if (p->eta_s >= 0.0) {
        textbuf_printf(text, ",\"eta_s\":%.1f}", p->eta_s);
    } else {
        textbuf_puts(text, ",\"eta_s\":null}");
    }
}

void job_json_write(struct app *app, struct textbuf *text, const struct job_row *row)
{
    struct trainer_progress progress;
    textbuf_printf(text, "{\"id\":%lld,\"model\":", (long long)row->id);
    textbuf_json_string(text, row->model);
    textbuf_printf(text, ",\"state\":\"%s\",\"attempts\":%d,\"cancel_requested\":%s,\"progress\":",
                   job_state_name(row->state), row->attempts,
                   row->cancel_requested ? "true" : "false");
    if (row->state == JOB_RUNNING && trainer_get_progress(app->trainer, row->id, &progress)) {
        job_json_progress(text, &progress);
    } else {
        textbuf_puts(text, row->state == JOB_SUCCEEDED ? "{\"fraction\":1}" : "null");
    }
    textbuf_puts(text, ",\"version\":");
    if (row->version > 0) {
        textbuf_printf(text, "%lld", (long long)row->version);
    } else {
        textbuf_puts(text, "null");
    }
    textbuf_puts(text, ",\"message\":");
    if (row->message[0] != '\0') {
        textbuf_json_string(text, row->message);
    } else {
        textbuf_puts(text, "null");
    }
    textbuf_puts(text, ",\"training_data\":");
    reply_training_data(text, &row->data);
    textbuf_puts(text, ",\"created\":");
    reply_time(text, row->created_ms);
    textbuf_puts(text, ",\"started\":");
    reply_time(text, row->started_ms);
    textbuf_puts(text, ",\"finished\":");
    reply_time(text, row->finished_ms);
    textbuf_puts(text, "}");
}

/* The settings the default version was trained with, for an empty body. */
static enum err_code spec_of_default(struct app *app, const char *model, struct train_spec *spec,
                                     struct err *err)
{
    struct served *served = NULL;
    if (registry_get(app->registry, model, 0, &served, err) != ERR_OK) {
        if (err->code == ERR_NOT_FOUND) {
            err_clear(err);
            err_set(err, ERR_INVALID,
                    "model %s has no version whose settings could be used again; "
                    "say at least {\"solver\":\"ensemble\"}",
                    model);
        }
        return err->code;
    }
    const char *settings = served->model->settings;
    if (settings == NULL) {
        err_set(err, ERR_INVALID,
                "the default version of model %s was not trained here; say at "
                "least {\"solver\":\"ensemble\"}",
                model);
    } else if (train_json_parse(settings, strlen(settings), spec, err) != ERR_OK) {
        err_prefix(err, "settings of the default version");
    }
    served_unref(served);
    return err->code;
}

static enum err_code read_spec(struct app *app, const struct request *req, const char *model,
                               struct train_spec *spec, struct err *err)
{
    if (req->n_body == 0) {
        return spec_of_default(app, model, spec, err);
    }
    return train_json_parse(req->body, req->n_body, spec, err);
}

/* What can be refused now is refused now, not by a job that fails. */
static enum err_code check_rows(struct app *app, const char *model, struct train_spec *spec,
                                struct err *err)
{
    struct data_summary summary;
    if (data_store_summary(app->db, model, &summary, err) != ERR_OK) {
        return err->code;
    }
    if (summary.n_rows < 2) {
        return err_set(err, ERR_CONFLICT,
                       "model %s has %lld training rows, at least 2 are needed; "
                       "POST rows to /v1/models/%s/data",
                       model, (long long)summary.n_rows, model);
    }
    return train_resolve(spec, summary.n_inputs, summary.n_outputs, err);
}

/* The request with every setting written out; valid for the model's rows. */
static enum err_code write_request(struct app *app, const struct request *req, const char *model,
                                   struct textbuf *text, struct err *err)
{
    struct train_spec spec = {.n_noise_sigmas = 0};
    if (read_spec(app, req, model, &spec, err) == ERR_OK &&
        check_rows(app, model, &spec, err) == ERR_OK) {
        train_json_write(text, &spec);
    }
    train_spec_release(&spec);
    return textbuf_failed(text) ? err_set(err, ERR_NOMEM, "no memory for a job") : err->code;
}

enum err_code handle_train(struct app *app, const struct request *req, struct response *res,
                           struct err *err)
{
    const char *model;
    struct job_row row;
    int64_t id;
    struct textbuf request = textbuf_in(req->arena);
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        write_request(app, req, model, &request, err) != ERR_OK) {
        return err->code;
    }
    if (job_store_add(app->db, model, request.data, request.len, &id, err) != ERR_OK) {
        return err->code;
    }
    events_publish_state(app->events, id);
    trainer_notify(app->trainer);
    char *location = arena_printf(req->arena, "/v1/jobs/%lld", (long long)id);
    if (location == NULL || job_store_get(app->db, id, &row, err) != ERR_OK) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    response_header(res, "Location", location);
    job_json_write(app, &text, &row);
    return reply_json(res, 202, &text, err);
}

enum err_code handle_jobs_list(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    struct job_row *rows = NULL;
    size_t n_rows = 0;
    struct textbuf text = textbuf_in(req->arena);
    if (job_store_list(app->db, request_query(req, "model"), LIST_LIMIT, &rows, &n_rows, err) !=
        ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"jobs\":[");
    for (size_t i = 0; i < n_rows; i++) {
        textbuf_puts(&text, i > 0 ? "," : "");
        job_json_write(app, &text, &rows[i]);
    }
    textbuf_puts(&text, "]}");
    mem_free(rows);
    return reply_json(res, 200, &text, err);
}

enum err_code handle_job_get(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct job_row row;
    int64_t id;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_job_id(req->params[0], &id, err) != ERR_OK ||
        job_store_get(app->db, id, &row, err) != ERR_OK) {
        return err->code;
    }
    job_json_write(app, &text, &row);
    return reply_json(res, 200, &text, err);
}

enum err_code handle_job_delete(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    struct job_row row;
    int64_t id;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_job_id(req->params[0], &id, err) != ERR_OK ||
        trainer_cancel(app->trainer, id, &row, err) != ERR_OK) {
        return err->code;
    }
    events_publish_state(app->events, id);
    job_json_write(app, &text, &row);
    return reply_json(res, row.state == JOB_CANCELLED ? 200 : 202, &text, err);
}
