/* SPDX-License-Identifier: Apache-2.0 */
/* The input space of a model: set, show, delete. */
#include "api/handlers.h"

#include "api/native/space_routes.h"
#include "api/reply.h"
#include "base/phrase.h"
#include "base/mem.h"
#include "documents/space_json.h"
#include "http/etag.h"
#include "jobs/model_space.h"
#include "model/space_rows.h"
#include "store/data/data_read.h"
#include "store/data/space_change.h"
#include "store/models/space_store.h"

#include <stdio.h>
#include <string.h>

#define MAX_TRIES 5 /* while others change rows or space */

/* ---- the answer ---- */

static enum err_code space_absent(const char *model, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "model %.64s has no space", model);
}

static enum err_code reply_space(struct app *app, const struct request *req, const char *model,
                                 struct response *res, struct err *err)
{
    struct space_row row;
    bool not_modified = false;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (space_store_find(app->db, model, &row, err) != ERR_OK) {
        return err->code;
    }
    if (row.document == NULL) {
        return space_absent(model, err);
    }
    if (reply_etag(req, res, row.digest, &not_modified, err) == ERR_OK &&
        !(not_modified && req->method == HTTP_GET)) {
        json_write_object(&json, NULL);
        json_write_text(&json, "model", model);
        reply_write_time(&json, "changed", row.changed_ms);
        json_write_text(&json, "origin", row.origin);
        json_write_raw(&json, "space", row.document);
        json_write_object_end(&json);
        err_kept(reply_json(res, 200, &json, err));
    }
    space_row_release(&row);
    return err->code;
}

enum err_code handle_space_get(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    const char *model;
    return reply_model_name(req->params[0], &model, err) == ERR_OK
               ? reply_space(app, req, model, res, err)
               : err->code;
}

/* ---- conditions ---- */

/* If-Match and If-None-Match about the space that is there. */
static enum err_code check_conditions(const struct request *req, const struct model_space *now,
                                      struct err *err)
{
    const char *match = request_header(req, "If-Match");
    const char *none_match = request_header(req, "If-None-Match");
    char tag[DIGEST_HEX_CHARS + 16] = "";
    if (now->space != NULL) {
        snprintf(tag, sizeof tag, "\"sha256-%s\"", now->digest);
    }
    if (match != NULL && (tag[0] == '\0' || !etag_matches(match, tag))) {
        return err_set(err, ERR_PRECONDITION, "the space of the model is none that If-Match names");
    }
    if (none_match != NULL && tag[0] != '\0' && etag_matches(none_match, tag)) {
        return err_set(err, ERR_PRECONDITION,
                       "the space of the model is one that If-None-Match names");
    }
    return ERR_OK;
}

/* ---- rows that are there already ---- */

/* Columns that have to hold integers and did not have to before. */
struct integer_check {
    const struct space *next;
    const struct space *old; /* NULL: there was none */
    int64_t row;
};

/* Nothing has to be known before the rows. */
static enum err_code begin_check(void *ctx, const struct data_summary *summary,
                                 const struct training_data *data, struct err *err)
{
    (void)ctx;
    (void)summary;
    (void)data;
    return err->code;
}

static enum err_code check_run(void *ctx, const struct data_run *run, struct err *err)
{
    struct integer_check *check = ctx;
    struct space_fault fault;
    const struct space_rows rows = {(size_t)run->n, (size_t)run->d + (size_t)run->o,
                                    (double *)run->rows};
    if (space_find_fault(check->next, &rows, &fault)) {
        return err_set(err, ERR_CONFLICT,
                       "inputs[%d].type: stored row %lld has %g for \"%.40s\", which is no integer",
                       fault.column, (long long)(check->row + (int64_t)fault.row), fault.value,
                       check->next->inputs[fault.column].name);
    }
    check->row += run->n;
    return ERR_OK;
}

static bool needs_integers(const struct space *old, const struct space *next)
{
    bool needs = false;
    for (int j = 0; j < next->d; j++) {
        needs = needs || (next->inputs[j].type == SPACE_INTEGER &&
                          (old == NULL || old->inputs[j].type == SPACE_REAL));
    }
    return needs;
}

/* A model without a space has numbers alone. */
static enum err_code check_first_space(const struct data_summary *rows, const struct space *next,
                                       struct err *err)
{
    int category = space_first_category(next);
    if (rows->n_inputs != next->d || rows->n_outputs != next->o) {
        return err_set(err, ERR_CONFLICT,
                       "rows are stored with %s and %s, the space has %d and %d; delete the rows "
                       "first (DELETE .../data), or use a model of another name",
                       phrase_count(rows->n_inputs, "input").text,
                       phrase_count(rows->n_outputs, "output").text, next->d, next->o);
    }
    return category < 0 ? ERR_OK
                        : err_set(err, ERR_CONFLICT,
                                  "inputs[%d].type: rows are stored with numbers, which cannot "
                                  "become a category; delete the rows first (DELETE .../data)",
                                  category);
}

/*
 * Do the rows that are stored fit the new space? *exact: this was found by reading all of them, and
 * holds for these only.
 */
static enum err_code check_rows(struct app *app, const char *model, const struct space *old,
                                const struct space *next, int64_t *n_rows, struct err *err)
{
    struct data_summary rows = {.n_rows = 0};
    struct integer_check check = {.next = next, .old = old};
    const struct data_reading reading = {.begin = begin_check, .visit = check_run, .ctx = &check};
    if (data_store_summary(app->db, model, &rows, err) != ERR_OK) {
        if (err->code == ERR_NOT_FOUND) {
            err_clear(err); /* the space comes before the rows */
            *n_rows = 0;
        }
        return err->code;
    }
    *n_rows = rows.n_rows;
    if (rows.n_rows == 0) {
        return ERR_OK;
    }
    if ((old != NULL ? space_check_successor(old, next, err)
                     : check_first_space(&rows, next, err)) != ERR_OK) {
        return err->code;
    }
    if (needs_integers(old, next)) {
        return data_store_read(app->db, model, &reading, err);
    }
    *n_rows = -1; /* more rows like these fit as well */
    return ERR_OK;
}

/* ---- changing ---- */

static enum err_code put_once(struct app *app, const struct request *req, const struct space *next,
                              struct space_put *put, bool *done, struct err *err)
{
    struct model_space now;
    if (model_space_load(app->db, put->model, &now, err) != ERR_OK && err->code != ERR_CORRUPT) {
        return err->code;
    }
    err_clear(err); /* a damaged one is replaced */
    put->seen.digest = now.digest;
    if (check_conditions(req, &now, err) == ERR_OK &&
        check_rows(app, put->model, now.space, next, &put->seen.n_rows, err) == ERR_OK) {
        err_kept(space_change_put(app->db, put, done, err));
    }
    put->seen.digest = NULL; /* it ends with this function */
    model_space_release(&now);
    return err->code;
}

enum err_code space_change(struct app *app, const struct request *req, const char *model,
                           const char *origin, const struct space *space, struct err *err)
{
    bool done = false;
    struct textbuf document = textbuf_in(req->arena);
    struct json_write json = json_write_to(&document);
    space_json_write(&json, NULL, space);
    if (textbuf_failed(&document)) {
        return err_set(err, ERR_NOMEM, "no memory for an input space");
    }
    struct space_put put = {.model = model, .document = document.data, .origin = origin};
    for (int i = 0; i < MAX_TRIES && !done && err->code == ERR_OK; i++) {
        err_kept(put_once(app, req, space, &put, &done, err));
    }
    return done || err->code != ERR_OK
               ? err->code
               : err_set(err, ERR_BUSY,
                         "rows or space of the model keep changing; try again later");
}

enum err_code handle_space_put(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    const char *model;
    struct space *space = NULL;
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        space_json_parse(req->body, req->n_body, &space, err) != ERR_OK) {
        return err->code;
    }
    err_kept(space_change(app, req, model, "put", space, err));
    space_unref(space);
    return err->code == ERR_OK ? reply_space(app, req, model, res, err) : err->code;
}

/* Rows with members of categories mean nothing without their space. */
static enum err_code delete_once(struct app *app, const struct request *req, const char *model,
                                 bool *done, struct err *err)
{
    struct model_space now;
    struct data_summary rows = {.n_rows = 0};
    struct space_seen seen = {.n_rows = -1};
    if (data_store_summary(app->db, model, &rows, err) != ERR_OK ||
        model_space_load(app->db, model, &now, err) != ERR_OK) {
        return err->code;
    }
    seen.digest = now.digest;
    if (now.space == NULL) {
        return space_absent(model, err);
    }
    if (space_first_category(now.space) >= 0) {
        seen.n_rows = 0;
        if (rows.n_rows > 0) {
            err_set(err, ERR_CONFLICT,
                    "rows are stored with members of categories, which need their space; delete "
                    "the rows first (DELETE .../data)");
        }
    }
    if (check_conditions(req, &now, err) == ERR_OK) {
        err_kept(space_change_delete(app->db, model, &seen, done, err));
    }
    model_space_release(&now);
    return err->code;
}

enum err_code handle_space_delete(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    const char *model;
    bool done = false;
    if (reply_model_name(req->params[0], &model, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < MAX_TRIES && !done && err->code == ERR_OK; i++) {
        err_kept(delete_once(app, req, model, &done, err));
    }
    if (err->code == ERR_OK && !done) {
        return err_set(err, ERR_BUSY, "rows or space of the model keep changing; try again later");
    }
    res->status = 204;
    return err->code;
}
