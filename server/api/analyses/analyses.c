/* SPDX-License-Identifier: Apache-2.0 */
/* Analyses of a version as jobs, and what they found. */
#include "api/handlers.h"

#include "api/native/job_add.h"
#include "api/native/job_doc.h"
#include "api/reply.h"
#include "api/request_times.h"
#include "base/mem.h"
#include "documents/analyses/analysis_request.h"
#include "formats/json_read.h"
#include "jobs/analysis.h"
#include "store/jobs/job_result_store.h"

#include <string.h>

static enum err_code read_version(const json_t *body, struct version_ref *out, struct err *err)
{
    const json_t *version = json_object_get(body, "version");
    *out = (struct version_ref){.kind = VERSION_DEFAULT};
    return version != NULL ? reply_version(version, "version", out, err) : ERR_OK;
}

static enum err_code read_priority(const json_t *body, struct job_new *job, struct err *err)
{
    const struct json_members members = {body, "the request", err};
    int64_t priority = 0;
    json_read_int(members, "priority", -ANALYSIS_MAX_PRIORITY, ANALYSIS_MAX_PRIORITY, &priority);
    job->priority = (int)priority;
    return err->code;
}

static enum err_code queue(struct app *app, const struct request *req, enum job_kind kind,
                           struct response *res, struct err *err)
{
    struct textbuf complete = textbuf_in(req->arena);
    struct job_new job = {
        .kind = kind, .origin = "request", .max_queued = app->config->max_queued_jobs};
    struct version_ref version;
    struct served *served = NULL;
    json_t *body = NULL;
    const struct analysis_body text = {req->body, req->n_body, kind == JOB_CALIBRATION,
                                       app->models};
    if (reply_model_name(req->params[0], &job.model, err) != ERR_OK ||
        json_read_parse(req->body, req->n_body, req->arena, &body, err) != ERR_OK ||
        read_version(body, &version, err) != ERR_OK || read_priority(body, &job, err) != ERR_OK ||
        models_find(app->models, job.model, &version, &served, err) != ERR_OK) {
        return err->code;
    }
    if (analysis_complete(app->db, served, &text, &complete, err) == ERR_OK) {
        request_times_parsed(req);
        job.base_version = served->version;
        job.request = complete.data;
        job.n_request = complete.len;
        err_kept(job_add_and_reply(app, req, &job, res, err));
    }
    served_unref(served);
    return err->code;
}

enum err_code handle_analysis(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    return queue(app, req, JOB_ANALYSIS, res, err);
}

enum err_code handle_calibration(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    return queue(app, req, JOB_CALIBRATION, res, err);
}

/* Why a job has no result. */
static enum err_code refuse(const struct job_row *row, struct err *err)
{
    long long id = (long long)row->id;
    if (row->kind == JOB_TRAIN) {
        return err_set(err, ERR_NOT_FOUND, "job %lld is a training; its result is a version", id);
    }
    if (row->state == JOB_SUCCEEDED) {
        return err_set(err, ERR_CORRUPT, "the result of job %lld is missing", id);
    }
    return err_set(err, ERR_CONFLICT, "job %lld has no result, it %s %s", id,
                   row->state == JOB_FAILED ? "has" : "is", job_state_name(row->state));
}

enum err_code handle_job_result(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    int64_t id;
    struct job_row row;
    char *document = NULL;
    size_t n_bytes = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_number(req->params[0], "job", &id, err) != ERR_OK ||
        job_doc_find(app, req, id, &row, err) != ERR_OK) {
        return err->code;
    }
    if (job_store_result(app->db, id, &document, &n_bytes, err) == ERR_NOT_FOUND) {
        err_clear(err);
        return refuse(&row, err);
    }
    if (err->code == ERR_OK) {
        json_write_raw_bytes(&json, NULL, document, n_bytes);
        err_kept(reply_json(res, 200, &json, err));
    }
    mem_free(document);
    return err->code;
}
