/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/job_doc.h"

#include "api/reply.h"
#include "documents/job_spec.h"

#include <stdio.h>
#include <string.h>

enum err_code job_doc_find(struct app *app, const struct request *req, int64_t id,
                           struct job_row *row, struct err *err)
{
    if (job_store_get(app->db, id, row, err) == ERR_OK && !access_sees(req, row->model)) {
        err_kept(job_absent(id, err));
    }
    return err->code;
}

void job_doc_write_progress(struct json_write *json, const char *key,
                            const struct trainer_progress *p, const struct choice_table *table)
{
    char eta[32];
    json_write_object(json, key);
    json_write_real(json, "fraction", p->last.fraction);
    json_write_int(json, "member", p->last.member);
    json_write_int(json, "members", p->last.n_members);
    json_write_int(json, "step", p->last.step);
    json_write_int(json, "steps", p->last.n_steps);
    json_write_real(json, "loss", p->last.loss);
    json_write_real(json, "validation_loss", p->last.validation_loss);
    if (p->eta_s >= 0.0) {
        snprintf(eta, sizeof eta, "%.1f", p->eta_s);
    }
    json_write_raw(json, "eta_s", p->eta_s >= 0.0 ? eta : NULL);
    if (table != NULL) {
        choice_json_write(json, "auto", table);
    }
    json_write_object_end(json);
}

static void write_current_progress(struct app *app, struct json_write *json,
                                   const struct job_row *row)
{
    struct trainer_progress progress;
    struct choice_table table;
    if (row->state == JOB_RUNNING && app->trainer != NULL &&
        trainer_get_progress(app->trainer, row->id, &progress)) {
        bool chooses = trainer_get_table(app->trainer, row->id, &table);
        job_doc_write_progress(json, "progress", &progress, chooses ? &table : NULL);
    } else if (row->state == JOB_SUCCEEDED) {
        json_write_object(json, "progress");
        json_write_int(json, "fraction", 1);
        json_write_object_end(json);
    } else {
        json_write_null(json, "progress");
    }
}

/* The versions whose seed and split were taken over. */
static void write_inherited(struct json_write *json, const struct job_row *row)
{
    if (row->seed_from == 0 && row->split_from == 0) {
        json_write_null(json, "inherited");
        return;
    }
    json_write_object(json, "inherited");
    reply_write_positive(json, "seed", row->seed_from);
    reply_write_positive(json, "split", row->split_from);
    json_write_object_end(json);
}

static void write_row_members(struct app *app, struct json_write *json, const struct job_row *row)
{
    json_write_int(json, "id", row->id);
    json_write_text(json, "model", row->model);
    json_write_text(json, "kind", job_kind_name(row->kind));
    json_write_text(json, "state", job_state_name(row->state));
    json_write_text(json, "origin", row->origin);
    json_write_text(json, "request_id", row->request_id[0] != '\0' ? row->request_id : NULL);
    json_write_text(json, "traceparent", row->traceparent[0] != '\0' ? row->traceparent : NULL);
    json_write_int(json, "priority", row->priority);
    json_write_text(json, "where", job_place_name(row->is_launched ? JOB_LAUNCHER : JOB_HERE));
    json_write_int(json, "attempts", row->attempts);
    json_write_int(json, "faults", row->faults);
    json_write_bool(json, "cancel_requested", row->cancel_requested);
    write_current_progress(app, json, row);
    reply_write_positive(json, "version", row->version);
    json_write_bool(json, "promoted", row->promoted);
    reply_write_positive(json, "started_from", row->base_version);
    write_inherited(json, row);
    json_write_text(json, "message", row->message[0] != '\0' ? row->message : NULL);
    reply_write_training_data(json, "training_data", &row->data);
    reply_write_time(json, "created", row->created_ms);
    reply_write_time(json, "started", row->started_ms);
    reply_write_time(json, "finished", row->finished_ms);
    reply_write_time(json, "not_before", row->state == JOB_QUEUED ? row->not_before_ms : 0);
}

/* In lists their codes have to do. */
static void write_warning_codes(struct json_write *json, const struct job_row *row)
{
    char code[JOB_WARNINGS_CHARS + 1];
    const char *rest = row->warnings;
    json_write_array(json, "warnings");
    while (*rest != '\0') {
        size_t len = strcspn(rest, " ");
        snprintf(code, sizeof code, "%.*s", (int)len, rest);
        json_write_object(json, NULL);
        json_write_text(json, "code", code);
        json_write_object_end(json);
        rest += len + strspn(rest + len, " ");
    }
    json_write_array_end(json);
}

void job_doc_write_row(struct app *app, struct json_write *json, const struct job_row *row)
{
    json_write_object(json, NULL);
    write_row_members(app, json, row);
    write_warning_codes(json, row);
    json_write_object_end(json);
}

enum err_code job_doc_write(struct app *app, struct json_write *json, const struct job_row *row,
                            struct err *err)
{
    struct job_details details;
    if (job_store_details(app->db, row->id, &details, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(json, NULL);
    write_row_members(app, json, row);
    json_write_raw(json, "request", details.request);
    json_write_raw(json, "scores", details.scores);
    json_write_raw(json, "gate", details.gate);
    json_write_raw(json, "warnings", details.warnings != NULL ? details.warnings : "[]");
    json_write_object_end(json);
    job_details_release(&details);
    return ERR_OK;
}
