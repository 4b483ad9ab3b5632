/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/job_doc.h"

#include "api/reply.h"

#include <math.h>

void job_doc_write_progress(struct textbuf *text, const struct trainer_progress *p)
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

static void write_number_or_null(struct textbuf *text, const char *key, int64_t value)
{
    if (value > 0) {
        textbuf_printf(text, ",\"%s\":%lld", key, (long long)value);
    } else {
        textbuf_printf(text, ",\"%s\":null", key);
    }
}

static void write_time(struct textbuf *text, const char *key, int64_t time_ms)
{
    textbuf_printf(text, ",\"%s\":", key);
    reply_time(text, time_ms);
}

/* All but the closing brace. */
static void write_row(struct app *app, struct textbuf *text, const struct job_row *row)
{
    struct trainer_progress progress;
    textbuf_printf(text, "{\"id\":%lld,\"model\":", (long long)row->id);
    textbuf_json_string(text, row->model);
    textbuf_printf(text,
                   ",\"state\":\"%s\",\"origin\":\"%s\",\"priority\":%d,\"attempts\":%d,"
                   "\"faults\":%d,\"cancel_requested\":%s,\"progress\":",
                   job_state_name(row->state), row->origin, row->priority, row->attempts,
                   row->faults, row->cancel_requested ? "true" : "false");
    if (row->state == JOB_RUNNING && app->trainer != NULL &&
        trainer_get_progress(app->trainer, row->id, &progress)) {
        job_doc_write_progress(text, &progress);
    } else {
        textbuf_puts(text, row->state == JOB_SUCCEEDED ? "{\"fraction\":1}" : "null");
    }
    write_number_or_null(text, "version", row->version);
    textbuf_printf(text, ",\"promoted\":%s", row->promoted ? "true" : "false");
    write_number_or_null(text, "started_from", row->base_version);
    textbuf_puts(text, ",\"message\":");
    if (row->message[0] != '\0') {
        textbuf_json_string(text, row->message);
    } else {
        textbuf_puts(text, "null");
    }
    textbuf_puts(text, ",\"training_data\":");
    reply_training_data(text, &row->data);
    write_time(text, "created", row->created_ms);
    write_time(text, "started", row->started_ms);
    write_time(text, "finished", row->finished_ms);
    write_time(text, "not_before", row->state == JOB_QUEUED ? row->not_before_ms : 0);
}

void job_doc_write_row(struct app *app, struct textbuf *text, const struct job_row *row)
{
    write_row(app, text, row);
    textbuf_puts(text, "}");
}

static void write_text_or_null(struct textbuf *text, const char *key, const char *json)
{
    textbuf_printf(text, ",\"%s\":", key);
    textbuf_puts(text, json != NULL ? json : "null");
}

enum err_code job_doc_write(struct app *app, struct textbuf *text, const struct job_row *row,
                            struct err *err)
{
    struct job_details details;
    if (job_store_details(app->db, row->id, &details, err) != ERR_OK) {
        return err->code;
    }
    write_row(app, text, row);
    write_text_or_null(text, "request", details.request);
    write_text_or_null(text, "scores", details.scores);
    write_text_or_null(text, "gate", details.gate);
    textbuf_puts(text, "}");
    job_details_release(&details);
    return ERR_OK;
}
