/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/job_add.h"

#include "api/native/job_doc.h"
#include "api/quota.h"
#include "api/reply.h"
#include "api/head/trace.h"

#include <assert.h>

static_assert(JOB_REQUEST_ID_CHARS == TRACE_MAX_ID, "the store keeps every id");
static_assert(JOB_TRACEPARENT_CHARS == TRACE_PARENT_CHARS, "the store keeps every trace");

/* Queues the job for whom it is, within their shares of the queue. */
static enum err_code queue_job(struct app *app, const struct request *req, struct job_new *job,
                               int64_t *id, struct err *err)
{
    char address[PEER_TEXT_CHARS] = "";
    enum job_share full = JOB_SHARE_TOKEN;
    job->full = &full;
    job->whose[JOB_SHARE_TOKEN] = req->caller.limits != NULL ? req->caller.who : NULL;
    job->max_share[JOB_SHARE_TOKEN] = quota_jobs_of_token(app, req);
    if (req->peer != NULL && peer_is_limited(req->peer)) {
        peer_write(req->peer, address);
        job->whose[JOB_SHARE_ADDRESS] = address;
        job->max_share[JOB_SHARE_ADDRESS] = quota_jobs_of_address(app);
    }
    if (job_store_add(app->db, job, id, err) == ERR_RATE) {
        quota_count_job(app, full == JOB_SHARE_TOKEN);
    }
    job->full = NULL; /* it and the address end with this function */
    job->whose[JOB_SHARE_ADDRESS] = NULL;
    return err->code;
}

/* Queues the job under the name of its request, which joins the lines about both. */
static enum err_code add_job(struct app *app, const struct request *req, struct job_new *job,
                             int64_t *id, struct err *err)
{
    struct trace trace = trace_of(req);
    job->request_id = trace_id(&trace);
    job->traceparent = trace.parent;
    if (queue_job(app, req, job, id, err) == ERR_OK) {
        log_info(app->log, "job queued", "job", LOG_INT(*id), "model", job->model, "request_id",
                 job->request_id, "traceparent", job->traceparent, NULL);
    }
    return err->code;
}

enum err_code job_add_and_reply(struct app *app, const struct request *req, struct job_new *job,
                                struct response *res, struct err *err)
{
    int64_t id;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (add_job(app, req, job, &id, err) != ERR_OK) {
        return err->code;
    }
    events_publish_state(app->events, id);
    trainer_notify(app->trainer);
    char *location =
        arena_printf(req->arena, "%s/v1/jobs/%lld", config_base(app->config), (long long)id);
    if (location == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    response_header(res, "Location", location);
    struct err unread = ERR_INIT;
    struct job_row row;
    if (job_doc_find(app, req, id, &row, &unread) != ERR_OK ||
        job_doc_write(app, &json, &row, &unread) != ERR_OK) {
        /* The job is queued although it cannot be read: after an error the client would try again
         * and queue a second one. */
        json_write_object(&json, NULL);
        json_write_int(&json, "id", id);
        json_write_text(&json, "model", job->model);
        json_write_text(&json, "state", "queued");
        json_write_object_end(&json);
    }
    return reply_json(res, 202, &json, err);
}
