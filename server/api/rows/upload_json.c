/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upload as JSON: rows as arrays or objects, and, beside them, the names of their columns or the
 * whole space of a model that has none yet.
 */
#include "api/rows/upload_priv.h"

#include "api/reply.h"
#include "api/rows/named_rows.h"
#include "api/rows/run_status.h"
#include "base/mem.h"
#include "base/phrase.h"
#include "documents/space_json.h"

#include <string.h>

static enum err_code read_provenance(const json_t *body, struct arena *arena, struct upload *up,
                                     struct err *err)
{
    const json_t *value = json_object_get(body, "provenance");
    char *text = NULL;
    if (value == NULL) {
        return ERR_OK;
    }
    if (!json_is_object(value)) {
        return err_set(err, ERR_INVALID, "provenance is %s, an object is needed",
                       json_read_kind(value));
    }
    if (json_read_dump(value, UPLOAD_PROVENANCE_MAX, "provenance", &text, err) != ERR_OK) {
        return err->code;
    }
    up->data.provenance = arena_strndup(arena, text, strlen(text));
    mem_free(text);
    return up->data.provenance != NULL ? ERR_OK
                                       : err_set(err, ERR_NOMEM, "no memory for the provenance");
}

/* [0.1, 0.2] may be one row or a column of them. */
static enum err_code refuse_flat(const struct json_tensor *t, struct err *err)
{
    if (!t->flat) {
        return ERR_OK;
    }
    return err_set_at(err, ERR_SHAPE, 0, -1,
                      "%s is a list of numbers, a list of rows is needed: [[..], [..]], each row "
                      "with the numbers of one simulation",
                      t->key);
}

/* ---- names ---- */

/* Where the values of arrays belong; NULL: where they are. */
struct places {
    int *x;
    int *y;
};

/* "space": that of a model without one, or the same again. */
static enum err_code read_space(const json_t *body, struct upload *up, struct err *err)
{
    const json_t *document = json_object_get(body, "space");
    if (document == NULL) {
        return ERR_OK;
    }
    if (space_json_read(document, &up->own, err) != ERR_OK) {
        err_prefix(err, "space");
        return err->code;
    }
    if (up->space.space == NULL) {
        up->data.space_first = !space_is_plain(up->own);
        return ERR_OK;
    }
    bool same = false;
    if (upload_compare_space(up->own, &up->space, &same, err) != ERR_OK) {
        return err->code;
    }
    space_unref(up->own);
    up->own = NULL;
    return same ? ERR_OK
                : err_set(err, ERR_CONFLICT,
                          "the model has another space; PUT /v1/models/NAME/space changes it");
}

static enum err_code match_names(const struct space *space, const struct space *names,
                                 struct places *places, struct arena *arena, struct err *err)
{
    size_t k = (size_t)names->d + (size_t)names->o;
    const char **list = arena_alloc_array(arena, k, sizeof *list);
    int *place = arena_alloc_array(arena, k, sizeof *place);
    if (list == NULL || place == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of columns");
    }
    for (size_t j = 0; j < k; j++) {
        list[j] = space_column_name(names, (int)j);
    }
    if (space_match(space, SPACE_INPUTS, list, names->d, place, err) != ERR_OK) {
        err_prefix(err, "names: inputs");
        return err->code;
    }
    if (space_match(space, SPACE_OUTPUTS, list + names->d, names->o, place + names->d, err) !=
        ERR_OK) {
        err_prefix(err, "names: outputs");
        return err->code;
    }
    *places = (struct places){place, place + names->d};
    return ERR_OK;
}

/* "names", and the names of rows that are objects. */
static enum err_code read_names(const json_t *body, struct upload *up, struct places *places,
                                struct arena *arena, struct err *err)
{
    const json_t *object = json_object_get(body, "names");
    struct space *names = NULL;
    if (object == NULL) {
        return upload_space(up) != NULL
                   ? ERR_OK
                   : named_rows_space(json_object_get(body, "inputs"),
                                      json_object_get(body, "outputs"), &up->own, err);
    }
    if (space_json_read_names(object, &names, err) != ERR_OK) {
        return err->code;
    }
    if (upload_space(up) == NULL) {
        up->own = names;
        return ERR_OK;
    }
    err_kept(match_names(upload_space(up), names, places, arena, err));
    space_unref(names);
    return err->code;
}

/* ---- rows ---- */

/* Inputs and outputs side by side. */
static enum err_code join(const struct json_tensor *x, const struct json_tensor *y,
                          struct arena *arena, struct upload *up, struct err *err)
{
    if (x->n != y->n) {
        return err_set(err, ERR_SHAPE, "inputs has %s, outputs has %s",
                       phrase_count(x->n, "row").text, phrase_count(y->n, "row").text);
    }
    size_t d = (size_t)x->k;
    size_t o = (size_t)y->k;
    double *rows = arena_alloc_array(arena, (size_t)x->n * (d + o), sizeof *rows);
    if (rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < (size_t)x->n; i++) {
        memcpy(rows + i * (d + o), x->values + i * d, d * sizeof *rows);
        memcpy(rows + i * (d + o) + d, y->values + i * o, o * sizeof *rows);
    }
    up->data.n = x->n;
    up->data.d = x->k;
    up->data.o = y->k;
    up->data.rows = rows;
    return ERR_OK;
}

static enum err_code settle(const json_t *body, const struct places *places, struct arena *arena,
                            const struct upload *up, struct json_tensor *tensors, struct err *err)
{
    struct named_rows x = {.space = upload_space(up),
                           .part = SPACE_INPUTS,
                           .key = "inputs",
                           .holes = true,
                           .place = places->x,
                           .max_rows = tensors[0].max_rows};
    struct named_rows y = x;
    y.part = SPACE_OUTPUTS;
    y.key = "outputs";
    y.place = places->y;
    return named_rows_settle(&x, body, arena, &tensors[0], err) == ERR_OK
               ? named_rows_settle(&y, body, arena, &tensors[1], err)
               : err->code;
}

/* JSON says itself which numbers are outputs; a query that says otherwise is a mistake. */
static enum err_code check_query(const struct request *req, int o, struct err *err)
{
    int64_t outputs = o;
    if (reply_query_int(req, "outputs", 1, SPACE_MAX_OUTPUTS, &outputs, err) == ERR_OK &&
        outputs != o) {
        return err_set(err, ERR_SHAPE, "outputs is %d in the query, but rows of the body have %s",
                       (int)outputs, phrase_count(o, "output").text);
    }
    return err->code;
}

enum err_code upload_read_json(const struct request *req, int max_rows, struct upload *up,
                               struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs",      "provenance", "names",
                                       "space",  RUN_STATUS_KEY, NULL};
    json_t *body = NULL;
    struct places places = {NULL, NULL};
    struct json_tensor tensors[] = {{.key = "inputs",
                                     .max_rows = max_rows,
                                     .max_columns = ARCH_MAX_INPUTS,
                                     .holes = true,
                                     .mixed = true},
                                    {.key = "outputs",
                                     .max_rows = max_rows,
                                     .max_columns = SPACE_MAX_OUTPUTS,
                                     .holes = true,
                                     .mixed = true}};
    if (json_tensor_parse(req->body, req->n_body, (struct json_tensors){tensors, 2, 0}, req->arena,
                          &body, err) != ERR_OK) {
        reply_explain_syntax(req, err);
        return err->code;
    }
    if (json_read_check_keys(body, "body", keys, err) != ERR_OK ||
        read_space(body, up, err) != ERR_OK ||
        read_names(body, up, &places, req->arena, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < 2; i++) {
        if ((!tensors[i].left && json_tensor_check(&tensors[i], body, 0, err) != ERR_OK) ||
            refuse_flat(&tensors[i], err) != ERR_OK) {
            return err->code;
        }
    }
    if (read_provenance(body, req->arena, up, err) != ERR_OK ||
        settle(body, &places, req->arena, up, tensors, err) != ERR_OK ||
        join(&tensors[0], &tensors[1], req->arena, up, err) != ERR_OK ||
        check_query(req, up->data.o, err) != ERR_OK ||
        run_status_read(body, (int)up->data.n, req->arena, &up->failed, err) != ERR_OK) {
        return err->code;
    }
    return upload_apply_policy(req, up, true, err);
}
