/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/models/{m}/compare: versions of a model on the same rows, sent or stored. The versions
 * are scored one after another, as evaluate scores one. For each after the first the answer also
 * tells how the losses of the rows differ from those of the first (core/predict/paired).
 *
 * Versions and rows may have to be read from the disk, so the request goes to the writing threads
 * first. The scoring may take minutes and must not occupy one of them: its blocks take turns among
 * the predictions (block_run.h).
 */
#include "api/handlers.h"

#include "api/native/block_run.h"
#include "api/native/compare_request.h"
#include "api/native/scoring.h"
#include "api/quota.h"
#include "api/reply.h"
#include "jobs/model_space.h"
#include "jobs/rows/row_roles.h"
#include "model/space_rows.h"
#include "base/mem.h"
#include "base/phrase.h"
#include "predict/paired.h"
#include "store/data/data_newest.h"

#include <math.h>
#include <string.h>

struct comparison {
    struct app *app;
    const struct request *req;
    const char *model;
    struct compare_request request;
    struct served *served[COMPARE_MAX_VERSIONS];
    struct data rows;
    double *first; /* [rows.n x PAIRED_N] losses of the first version */
    double *other; /* the same of one block of another version */
    struct paired_rule rule;
    struct textbuf text;    /* the answer as far as it is known .. */
    struct json_write json; /* .. and its writer */

    int at; /* the version being scored */
    struct scoring scoring;
    struct paired paired;
    struct block_run run;
    struct err err;
};

/* ---- versions and rows ---- */

/* Does a row mean the same to both? Where both have the same number of inputs. */
static bool same_categories(const struct model *a, const struct model *b)
{
    if (!model_has_categories(a) || !model_has_categories(b)) {
        return model_has_categories(a) == model_has_categories(b) || a->d != b->d;
    }
    return a->d != b->d || space_same_categories(a->space, b->space);
}

static enum err_code find_versions(struct comparison *c, struct err *err)
{
    for (int i = 0; i < c->request.n_versions; i++) {
        if (models_find(c->app->models, c->model, &c->request.refs[i], &c->served[i], err) !=
            ERR_OK) {
            return err->code;
        }
        const struct model *first = c->served[0]->model;
        const struct model *m = c->served[i]->model;
        if (!same_categories(first, m)) {
            return err_set(err, ERR_SHAPE, "versions %lld and %lld have other categories",
                           (long long)c->served[i]->version, (long long)c->served[0]->version);
        }
        if (m->d != first->d || m->o != first->o) {
            return err_set(err, ERR_SHAPE, "version %lld has %s and %s, version %lld has %d and %d",
                           (long long)c->served[i]->version, phrase_count(m->d, "input").text,
                           phrase_count(m->o, "output").text, (long long)c->served[0]->version,
                           first->d, first->o);
        }
    }
    return ERR_OK;
}

/* Of rows as they are stored, those columns that the version predicts. */
static enum err_code leave_targets(struct comparison *c, const struct model *version,
                                   struct data_newest *rows, struct err *err)
{
    struct model_space space;
    if (version->o == rows->o || model_space_load(c->app->db, c->model, &space, err) != ERR_OK) {
        return err->code;
    }
    err_kept(row_roles_leave_targets(version, space.space, rows, err));
    model_space_release(&space);
    return err->code;
}

static enum err_code load_stored(struct comparison *c, struct err *err)
{
    const struct model *model = c->served[0]->model;
    struct data_newest newest = {.rows = NULL};
    if (data_store_newest(c->app->db, c->model, c->request.after_batch, c->request.limit, &newest,
                          err) != ERR_OK) {
        return err->code;
    }
    if (leave_targets(c, model, &newest, err) != ERR_OK) {
        mem_free(newest.rows);
        return err->code;
    }
    if (newest.d != model->d || newest.o != model->o) {
        err_set(err, ERR_SHAPE, "stored rows have %s and %s, version %lld has %d and %d",
                phrase_count(newest.d, "input").text, phrase_count(newest.o, "output").text,
                (long long)c->served[0]->version, model->d, model->o);
    } else {
        const struct data shape = {.n = (int)newest.n, .d = newest.d, .o = newest.o};
        err_kept(labelled_split(newest.rows, &shape, c->req->arena, &c->rows, err));
    }
    mem_free(newest.rows);
    return err->code;
}

static enum err_code find_rows(struct comparison *c, struct err *err)
{
    const struct model *model = c->served[0]->model;
    if ((c->request.stored != NULL
             ? load_stored(c, err)
             : labelled_rows(&c->request.labelled, c->req, model, &c->rows, err)) != ERR_OK) {
        return err->code;
    }
    quota_charge_rows(c->app, c->req, c->rows.n);
    size_t n = (size_t)c->rows.n * PAIRED_N;
    c->first = arena_alloc_array(c->req->arena, n, sizeof *c->first);
    c->other = arena_alloc_array(c->req->arena, n, sizeof *c->other);
    return c->first != NULL && c->other != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the comparison");
}

/* ---- the answer ---- */

static void write_differences(struct json_write *json, const struct paired *paired)
{
    static const char *const names[PAIRED_N] = {
        [PAIRED_SQUARE] = "squared_error", [PAIRED_NLL] = "nll", [PAIRED_CRPS] = "crps"};
    json_write_object(json, "difference");
    for (int k = 0; k < PAIRED_N; k++) {
        if (paired->n == 0 || !isfinite(paired->mean[k])) {
            json_write_null(json, names[k]);
            continue;
        }
        json_write_object(json, names[k]);
        json_write_real(json, "mean", paired->mean[k]);
        json_write_real(json, "standard_error", paired_standard_error(paired, (enum paired_loss)k));
        json_write_real(json, "better", (double)paired->better[k] / (double)paired->n);
        json_write_object_end(json);
    }
    json_write_object_end(json);
}

static void write_head(struct comparison *c)
{
    struct json_write *json = &c->json;
    json_write_object(json, NULL);
    json_write_text(json, "model", c->model);
    json_write_int(json, "rows", c->rows.n);
    if (c->request.stored != NULL) {
        json_write_object(json, "data");
        json_write_int(json, "after_batch", c->request.after_batch);
        json_write_int(json, "limit", c->request.limit);
        json_write_object_end(json);
        json_write_array(json, "warnings");
        json_write_object(json, NULL);
        json_write_text(json, "code", "seen");
        json_write_text(json, "text", "the versions may have been trained on these rows");
        json_write_object_end(json);
        json_write_array_end(json);
    }
    json_write_array(json, "versions");
}

/* ---- one version after another, block by block ---- */

/* A version that has an output as a constant gives no density for it. */
static bool is_constant_in_some(const struct comparison *c, int output)
{
    bool found = false;
    for (int i = 0; i < c->request.n_versions; i++) {
        found = found || scaler_is_constant(&c->served[i]->model->out[output]);
    }
    return found;
}

/* The range of the first version, and the outputs that have a density in all, are those of all
 * versions, so that losses are comparable. */
static enum err_code set_rule(struct comparison *c, struct err *err)
{
    size_t o = (size_t)c->rows.o;
    double *range = arena_alloc_array(c->req->arena, 2 * o, sizeof *range);
    bool *constant = arena_alloc_array(c->req->arena, o, sizeof *constant);
    if (range == NULL || constant == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the comparison");
    }
    memcpy(range, scoring_range(&c->scoring), 2 * o * sizeof *range);
    c->rule = (struct paired_rule){.o = c->rows.o, .range = range, .constant = constant};
    for (size_t j = 0; j < o; j++) {
        constant[j] = is_constant_in_some(c, (int)j);
    }
    return ERR_OK;
}

static enum err_code begin_version(struct comparison *c, struct err *err)
{
    const struct served *served = c->served[c->at];
    c->paired = (struct paired){.n = 0};
    if (scoring_begin(&c->scoring, served->model, &c->rows, c->req->arena, err) != ERR_OK ||
        (c->at == 0 && set_rule(c, err) != ERR_OK)) {
        return err->code;
    }
    c->rule.noise = c->scoring.evaluation.noise;
    c->rule.exponents = served->model->exponents;
    json_write_object(&c->json, NULL);
    json_write_int(&c->json, "version", served->version);
    return block_run_begin(&c->run, served->model, &c->rows, &c->scoring.block, err);
}

static enum err_code end_version(struct comparison *c, struct err *err)
{
    if (scoring_write(&c->scoring, &c->json, err) != ERR_OK) {
        return err->code;
    }
    if (c->at > 0) {
        write_differences(&c->json, &c->paired);
    }
    json_write_object_end(&c->json);
    metrics_add(&c->app->metrics->predicted_rows, c->rows.n);
    scoring_release(&c->scoring);
    c->at++;
    return ERR_OK;
}

static void add_block(struct comparison *c)
{
    const struct block_run *run = &c->run;
    const double *y = c->rows.y + (size_t)run->row * (size_t)c->rows.o;
    double *first = c->first + (size_t)run->row * PAIRED_N;
    scoring_add(&c->scoring, &run->result, y, run->block.n);
    paired_losses(&c->rule, &run->result, y, run->block.n, c->at == 0 ? first : c->other);
    if (c->at > 0) {
        paired_add(&c->paired, first, c->other, run->block.n);
    }
}

/* Adds the predicted block; false after the last version's last one, or an error, in c->err. */
static bool add_and_go_on(void *ctx)
{
    struct comparison *c = ctx;
    int at = c->at;
    if (c->run.item.err.code != ERR_OK) {
        c->err = c->run.item.err;
    } else {
        add_block(c);
        if (!block_run_next(&c->run) && end_version(c, &c->err) == ERR_OK &&
            c->at < c->request.n_versions) {
            err_kept(begin_version(c, &c->err));
        }
    }
    if (c->err.code == ERR_NUMERIC) {
        err_prefix(&c->err, "version %lld", (long long)c->served[at]->version);
    }
    return c->err.code == ERR_OK && c->at < c->request.n_versions;
}

/* ---- the request ---- */

static void drop_work(void *ctx)
{
    struct comparison *c = ctx;
    scoring_release(&c->scoring);
    block_run_release(&c->run);
    for (int i = 0; i < c->request.n_versions; i++) {
        served_unref(c->served[i]);
    }
}

static enum err_code finish_work(void *ctx, struct response *res, struct err *err)
{
    struct comparison *c = ctx;
    if (c->err.code != ERR_OK) {
        *err = c->err;
    } else {
        json_write_array_end(&c->json);
        json_write_object_end(&c->json);
        err_kept(reply_json(res, 200, &c->json, err));
    }
    drop_work(c);
    return err->code;
}

/* Back on the connection's thread. */
static enum err_code start_blocks(void *ctx, struct response *res, struct err *err)
{
    struct comparison *c = ctx;
    const struct later later = {.run = finish_work, .drop = drop_work, .ctx = c};
    bool waits = false;
    if (block_run_all(&c->run, res, &later, &waits, err) != ERR_OK) {
        drop_work(c);
        return err->code;
    }
    return waits ? ERR_OK : finish_work(c, res, err);
}

enum err_code handle_compare(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct comparison *c = arena_zalloc_array(req->arena, 1, sizeof *c);
    if (c == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    c->app = app;
    c->req = req;
    c->text = textbuf_in(req->arena);
    c->json = json_write_to(&c->text);
    err_clear(&c->err);
    if (reply_model_name(req->params[0], &c->model, err) == ERR_OK &&
        compare_request_read(req, app->config->max_rows, &c->request, err) == ERR_OK &&
        find_versions(c, err) == ERR_OK && find_rows(c, err) == ERR_OK) {
        c->run = (struct block_run){.app = app,
                                    .req = req,
                                    .deadline_ns = c->request.deadline_ns,
                                    .add = add_and_go_on,
                                    .ctx = c};
        write_head(c);
        err_kept(begin_version(c, err));
    }
    if (err->code != ERR_OK) {
        drop_work(c);
        return err->code;
    }
    res->later = (struct later){.run = start_blocks, .drop = drop_work, .ctx = c};
    return ERR_OK;
}
