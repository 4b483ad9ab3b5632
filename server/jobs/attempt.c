/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints belong to the rows and the version of the attempt that wrote them. When some of those
 * rows have been deleted since, the job trains on all the rows there are now and drops its
 * checkpoints. It also drops a checkpoint that is damaged or was written by another build, and
 * starts again from the beginning.
 */
#include "jobs/attempt.h"

#include "base/mem.h"
#include "base/mem_account.h"
#include "base/mem_budget.h"
#include "documents/job_json.h"
#include "documents/quality_json.h"
#include "jobs/analysis.h"
#include "jobs/attempt_choice.h"
#include "jobs/job_log.h"
#include "model/codec.h"
#include "model/space_rows.h"
#include "store/jobs/job_checkpoint_store.h"
#include "store/jobs/job_store.h"
#include "train/train_memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_JUDGEMENTS 5

void attempt_release(struct attempt *attempt)
{
    mem_free(attempt->request);
    mem_free(attempt->table);
    train_spec_release(&attempt->spec.train);
    train_spec_release(&attempt->base_spec.train);
    rows_release(&attempt->rows);
    train_roles_rows_release(&attempt->columns);
    space_unref(attempt->stored_space);
    model_space_release(&attempt->space);
    served_unref(attempt->base);
    model_unref(attempt->model);
    train_cross_release(&attempt->cross);
    judgement_release(&attempt->judgement);
    *attempt = (struct attempt){.request = NULL};
}

enum err_code attempt_read(struct attempt *attempt, struct err *err)
{
    const struct attempt_settings *s = attempt->settings;
    if (attempt->row.kind != JOB_TRAIN) {
        return analysis_read(attempt, err);
    }
    if (job_json_parse(attempt->request, attempt->n_request, &attempt->spec, err) != ERR_OK) {
        return err->code;
    }
    attempt->is_read = true;
    attempt->is_launched = attempt->spec.place == JOB_LAUNCHER;
    attempt->spec.place = JOB_HERE;
    if (attempt->is_launched && !job_json_cut_place(attempt->request, &attempt->n_request)) {
        return err_set(err, ERR_INVALID, "the request does not say where it is launched");
    }
    attempt->limits.seconds = job_limits_tighter(attempt->spec.limits.seconds, s->max.seconds);
    attempt->limits.bytes = job_limits_tighter(attempt->spec.limits.bytes, s->max.bytes);
    return ERR_OK;
}

/* ---- what goes in ---- */

/* The rows of the previous attempt, so that this one gives the same result; else all rows. */
static enum err_code load_rows(struct attempt *attempt, struct err *err)
{
    const struct rows_request pinned = {&attempt->row.data, attempt->cancel};
    const struct rows_request any = {NULL, attempt->cancel};
    struct db *db = attempt->settings->db;
    const char *model = attempt->row.model;
    if (rows_load(db, model, &pinned, &attempt->rows, err) != ERR_CONFLICT) {
        return err->code;
    }
    err_clear(err);
    if (job_store_drop_checkpoints(db, attempt->row.id, err) != ERR_OK) {
        return err->code;
    }
    return rows_load(db, model, &any, &attempt->rows, err);
}

/* The version a warm start begins from: that of the previous attempt, or the one served now. */
static enum err_code load_base(struct attempt *attempt, struct err *err)
{
    const struct job_row *row = &attempt->row;
    if (attempt->spec.train.start == TRAIN_COLD ||
        models_get(attempt->settings->models, row->model, row->base_version, &attempt->base, err) ==
            ERR_OK) {
        return ERR_OK;
    }
    if (err->code == ERR_NOT_FOUND) {
        err_clear(err);
        return row->base_version > 0
                   ? err_set(err, ERR_CONFLICT,
                             "version %lld, which the training starts from, was deleted",
                             (long long)row->base_version)
                   : err_set(err, ERR_CONFLICT,
                             "model %.64s has no version to start from; \"start\":\"cold\" "
                             "needs none",
                             row->model);
    }
    return err->code;
}

static enum err_code read_base(struct attempt *attempt, struct err *err)
{
    const char *text = attempt->base != NULL ? attempt->base->model->settings : NULL;
    if (text == NULL) {
        return ERR_OK;
    }
    if (job_json_parse(text, strlen(text), &attempt->base_spec, err) == ERR_OK) {
        attempt->knows_base_spec = true;
    } else if (err->code != ERR_NOMEM) {
        err_clear(err); /* the settings of a registered version may be any text */
    }
    return err->code;
}

/* After the rows: a category can only have got more values since they were stored. */
static enum err_code load_space(struct attempt *attempt, struct err *err)
{
    const struct data *data = &attempt->rows.data;
    const char *model = attempt->row.model;
    if (model_space_load(attempt->settings->db, model, &attempt->space, err) != ERR_OK) {
        return err->code;
    }
    const struct space *space = attempt->space.space;
    if (space != NULL && (space->d != data->d || space->o != data->o)) {
        return err_set(err, ERR_CONFLICT,
                       "the rows have %d inputs and %d outputs, the space of model %.64s has %d "
                       "and %d",
                       data->d, data->o, model, space->d, space->o);
    }
    return ERR_OK;
}

/* Columns of the rows that are no targets, in their roles. */
static enum err_code take_columns(struct attempt *attempt, struct err *err)
{
    struct space *space = attempt->space.space;
    attempt->stored = attempt->rows.data;
    attempt->stored_space = space != NULL ? space_ref(space) : NULL;
    return train_roles_apply(&attempt->spec.train.roles, &attempt->rows.data, &attempt->space.space,
                             &attempt->columns, err);
}

/* Runs failed where rows have no output. */
static struct train_load load_of(const struct data *data)
{
    struct train_load load = {.n_rows = data->n};
    for (int i = 0; i < data->n; i++) {
        const double *y = data->y + (size_t)i * (size_t)data->o;
        int missing = 0;
        for (int j = 0; j < data->o; j++) {
            missing += isnan(y[j]);
        }
        load.failed = load.failed || missing == data->o;
        load.holes = load.holes || missing > 0;
    }
    return load;
}

static enum err_code prepare_training(struct attempt *attempt, struct err *err)
{
    if (load_rows(attempt, err) != ERR_OK || load_space(attempt, err) != ERR_OK ||
        take_columns(attempt, err) != ERR_OK || load_base(attempt, err) != ERR_OK ||
        read_base(attempt, err) != ERR_OK) {
        return err->code;
    }
    const struct data *data = &attempt->rows.data;
    const struct train_load load = load_of(data);
    int width = attempt->space.space != NULL ? space_width(attempt->space.space) : data->d;
    /* What auto chooses from is resolved and checked with the choice. */
    if (!attempt->spec.choice.on &&
        (train_resolve(&attempt->spec.train, width, data->o, err) != ERR_OK ||
         (!attempt->is_launched &&
          train_memory_check(&attempt->spec.train, &load, attempt->settings->n_threads,
                             attempt->settings->max.bytes, err) != ERR_OK))) {
        return err->code;
    }
    return job_store_set_data(attempt->settings->db, attempt->row.id, &attempt->rows.origin,
                              attempt->base != NULL ? attempt->base->version : 0, err);
}

/* ---- training ---- */

static enum err_code train_once(struct attempt *attempt, struct checkpoints *checkpoints,
                                const void *ctx, struct err *err)
{
    struct train_run run = {
        .spec = &attempt->spec.train,
        .data = attempt->rows.data,
        .space = attempt->space.space,
        .base = attempt->base != NULL ? attempt->base->model : NULL,
        .base_spec = attempt->knows_base_spec ? &attempt->base_spec.train : NULL,
        .n_threads = attempt->settings->n_threads,
        .settings_text = attempt->request,
        .cancel = attempt->cancel,
        .checkpoint = &checkpoints->core,
        .progress = attempt->progress,
        .progress_ctx = attempt->progress_ctx,
    };
    return attempt->spec.choice.on ? attempt_choose(attempt, &run, err)
                                   : train_run(&run, &attempt->model, err);
}

enum err_code attempt_with_checkpoints(struct attempt *attempt,
                                       const struct checkpoints_inputs *inputs,
                                       attempt_work_fn *work, const void *ctx, struct err *err)
{
    const struct attempt_settings *s = attempt->settings;
    struct checkpoints *checkpoints = mem_zalloc(sizeof *checkpoints);
    if (checkpoints == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the job's checkpoints");
    }
    checkpoints->db = s->db;
    checkpoints->job = &attempt->row;
    checkpoints->log = s->log;
    checkpoints->metrics = s->metrics;
    checkpoints->curves = attempt->curves;
    checkpoints->ctx = attempt->progress_ctx;
    if (checkpoints_init(checkpoints, s->checkpoint_ms, inputs, err) == ERR_OK &&
        work(attempt, checkpoints, ctx, err) == ERR_CORRUPT && checkpoints->loaded) {
        log_warn(s->log, "checkpoints dropped", JOB_LOG(&attempt->row), "reason", err_msg(err),
                 NULL);
        err_clear(err);
        if (job_store_drop_checkpoints(s->db, attempt->row.id, err) == ERR_OK) {
            err_kept(work(attempt, checkpoints, ctx, err));
        }
    }
    mem_free(checkpoints);
    return err->code;
}

static enum err_code train_with_checkpoints(struct attempt *attempt, struct err *err)
{
    const struct checkpoints_inputs inputs = {
        .request = attempt->request,
        .n_request = attempt->n_request,
        .fingerprint = attempt->rows.origin.fingerprint,
        .space = attempt->space.digest,
        .base_version = attempt->base != NULL ? attempt->base->version : 0};
    return attempt_with_checkpoints(attempt, &inputs, train_once, NULL, err);
}

/* ---- training elsewhere ---- */

/* The training's checkpoints are in its folder; here is noted that it gets on, and its losses. */
static void note_checkpoint(void *ctx)
{
    const struct attempt *attempt = ctx;
    struct bytes_writer curves = {.data = NULL};
    struct err failure = ERR_INIT;
    attempt->curves(attempt->progress_ctx, &curves);
    const struct job_state_bytes state = {.bytes = "launched",
                                          .n_bytes = 8,
                                          .curves = curves.failed ? NULL : curves.data,
                                          .n_curves = curves.size};
    if (job_store_save_checkpoint(attempt->settings->db, attempt->row.id, &state, &failure) !=
        ERR_OK) {
        log_warn(attempt->settings->log, "checkpoint not stored", JOB_LOG(&attempt->row), "reason",
                 err_msg(&failure), NULL);
    }
    mem_free(curves.data);
}

/* What the comparison with the served version asks of the solver that was chosen. */
static enum err_code take_chosen(struct attempt *attempt, struct err *err)
{
    const char *text = attempt->model->settings != NULL ? attempt->model->settings : "";
    struct job_spec chosen;
    if (job_json_parse(text, strlen(text), &chosen, err) != ERR_OK) {
        return err->code;
    }
    if (chosen.choice.on || !chosen.choice.chosen) {
        err_set(err, ERR_CORRUPT, "the version does not say which solver was chosen");
    }
    attempt->spec.train.solver = chosen.train.solver;
    attempt->spec.train.validation = chosen.train.validation;
    train_spec_release(&chosen.train);
    return err->code;
}

static enum err_code train_elsewhere(struct attempt *attempt, struct err *err)
{
    const struct attempt_settings *s = attempt->settings;
    const struct launch_task task = {
        .job = attempt->row.id,
        .model = attempt->row.model,
        .inputs = {.request = attempt->request,
                   .n_request = attempt->n_request,
                   .data = &attempt->stored,
                   .space = attempt->stored_space,
                   .base = attempt->base != NULL ? attempt->base->model : NULL},
        .chooses = attempt->spec.choice.on,
        .n_targets = attempt->rows.data.o,
        .max_bytes = s->max.bytes > 0 ? (size_t)s->max.bytes : MODEL_MAX_BYTES,
        .checkpoint_ms = s->checkpoint_ms > 0 ? s->checkpoint_ms : 1000 * CHECKPOINTS_S,
        .cancel = attempt->cancel,
        .progress = attempt->progress,
        .progress_ctx = attempt->progress_ctx,
        .saved = note_checkpoint,
        .saved_ctx = attempt};
    if (s->launch == NULL || s->launch->command == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the job is for a launcher, and the server has none any more");
    }
    return launch_train(s->launch, &task, &attempt->model, &attempt->cross, err) == ERR_OK &&
                   task.chooses
               ? take_chosen(attempt, err)
               : err->code;
}

/* Reads what goes in and trains, within the memory that the job may have here. */
static enum err_code train_within_memory(struct attempt *attempt, struct err *err)
{
    struct mem_account account = {
        .limit =
            (size_t)(attempt->is_launched ? attempt->settings->max.bytes : attempt->limits.bytes)};
    enum mem_kind kind = mem_kind_use(MEM_TRAINING);
    mem_account_use(&account);
    if (prepare_training(attempt, err) == ERR_OK) {
        err_kept(attempt->is_launched ? train_elsewhere(attempt, err)
                                      : train_with_checkpoints(attempt, err));
    }
    mem_account_use(NULL);
    mem_kind_use(kind);
    if (err->code == ERR_NOMEM && atomic_load(&account.refused)) {
        err_clear(err);
        return err_set(err, ERR_LIMIT, "the training needs more memory than its limit of %lld MB",
                       (long long)(account.limit / 1000000));
    }
    return err->code;
}

/* ---- the gate and the end ---- */

/* The JSON texts of gate, scores and warnings that are stored with the job, in the arena. */
static enum err_code write_texts(const struct attempt *attempt, struct arena *arena,
                                 struct job_result *result, struct err *err)
{
    struct textbuf gate = textbuf_in(arena);
    struct textbuf scores = textbuf_in(arena);
    struct textbuf warnings = textbuf_in(arena);
    if (attempt->judgement.verdict.served_version > 0) {
        gate_write(&gate, &attempt->judgement.verdict);
    }
    struct json_write json = json_write_to(&scores);
    quality_json_summarise_scores(&json, NULL, attempt->model);
    json_write_end(&json);
    json = json_write_to(&warnings);
    quality_json_write_warnings(&json, NULL, &attempt->model->report);
    json_write_end(&json);
    if (textbuf_failed(&gate) || textbuf_failed(&scores) || textbuf_failed(&warnings)) {
        return err_set(err, ERR_NOMEM, "no memory for the report of the job");
    }
    result->gate = gate.data;
    result->scores = scores.data;
    result->warnings = warnings.data;
    return ERR_OK;
}

enum err_code attempt_store_curves(const struct attempt *attempt, struct err *err)
{
    struct bytes_writer curves = {.data = NULL};
    attempt->curves(attempt->progress_ctx, &curves);
    if (!curves.failed) {
        err_kept(job_store_set_curves(attempt->settings->db, attempt->row.id, curves.data,
                                      curves.size, err));
    }
    mem_free(curves.data);
    return err->code;
}

static enum err_code publish_candidate(struct attempt *attempt, struct err *err)
{
    const struct attempt_settings *s = attempt->settings;
    const struct judgement *j = &attempt->judgement;
    bool passed = judgement_passed(j);
    struct version_rows_text rows = {.n_kept = 0};
    unsigned char *bytes = NULL;
    size_t n_bytes = 0;
    struct arena arena = ARENA_INIT;
    if (attempt_store_curves(attempt, err) != ERR_OK ||
        version_rows_encode(&j->training.rows, &rows, err) != ERR_OK ||
        codec_encode(attempt->model, &bytes, &n_bytes, err) != ERR_OK) {
        mem_free(rows.bytes.data);
        return err->code;
    }
    struct put_request put = {.model = attempt->row.model,
                              .bytes = bytes,
                              .n_bytes = n_bytes,
                              .promote = passed && attempt->spec.promote,
                              .origin = PROMOTION_JOB,
                              .job = attempt->row.id,
                              .rows_used =
                                  j->verdict.rows_used[0] != '\0' ? j->verdict.rows_used : NULL,
                              .rows = &rows};
    struct job_result result = {.put = &put,
                                .message = passed ? "" : j->verdict.reason,
                                .judged = j->is_judged,
                                .judged_against = j->served_version};
    if (write_texts(attempt, &arena, &result, err) == ERR_OK &&
        job_store_publish(s->db, attempt->row.id, &result, &attempt->put, err) == ERR_OK) {
        models_follow(s->models, attempt->row.model, attempt->model, attempt->put.version);
    }
    arena_release(&arena);
    mem_free(rows.bytes.data);
    mem_free(bytes);
    return err->code;
}

/* Judges again when the default was changed while the candidate was compared with the old one. */
static enum err_code judge_and_publish(struct attempt *attempt, struct err *err)
{
    const struct judgement_case the_case = {.db = attempt->settings->db,
                                            .models = attempt->settings->models,
                                            .model = attempt->row.model,
                                            .spec = &attempt->spec,
                                            .data = &attempt->rows.data,
                                            .candidate = attempt->model,
                                            .cross = attempt->cross.n > 0 ? &attempt->cross : NULL,
                                            .base = attempt->base,
                                            .n_threads = attempt->settings->n_threads,
                                            .cancel = attempt->cancel};
    if (judgement_begin(&the_case, &attempt->judgement, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < MAX_JUDGEMENTS; i++) {
        if (judgement_run(&the_case, &attempt->judgement, err) != ERR_OK ||
            publish_candidate(attempt, err) != ERR_PRECONDITION) {
            return err->code;
        }
        err_clear(err);
        /* Whoever changed it may not have refreshed the model in memory yet. */
        if (models_refresh(attempt->settings->models, attempt->row.model, NULL, 0, err) != ERR_OK &&
            err->code != ERR_CORRUPT) {
            return err->code;
        }
        err_clear(err);
    }
    return err_set(err, ERR_BUSY, "the default version keeps changing; try again later");
}

enum err_code attempt_run(struct attempt *attempt, struct err *err)
{
    if (attempt->row.kind != JOB_TRAIN) {
        return analysis_run(attempt, err);
    }
    return train_within_memory(attempt, err) == ERR_OK ? judge_and_publish(attempt, err)
                                                       : err->code;
}
