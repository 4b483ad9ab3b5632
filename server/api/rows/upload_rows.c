/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/upload_priv.h"

#include "api/reply.h"
#include "api/rows/array_rows.h"
#include "api/rows/columns.h"
#include "documents/space_json.h"
#include "base/phrase.h"
#include "store/data/data_read.h"
#include "store/models/space_store.h"

#include <string.h>

/* ---- spaces ---- */

const struct space *upload_space(const struct upload *up)
{
    return up->space.space != NULL ? up->space.space : up->own;
}

void upload_release(struct upload *up)
{
    model_space_release(&up->space);
    space_unref(up->own);
    up->own = NULL;
}

/* The text of a space's document; NULL: no memory. */
static const char *write_document(const struct space *space, struct arena *arena)
{
    struct textbuf text = textbuf_in(arena);
    struct json_write json = json_write_to(&text);
    space_json_write(&json, NULL, space);
    json_write_end(&json);
    return textbuf_failed(&text) ? NULL : text.data;
}

enum err_code upload_compare_space(const struct space *space, const struct model_space *of_model,
                                   bool *same, struct err *err)
{
    struct arena arena = ARENA_INIT;
    char digest[DIGEST_HEX_CHARS + 1];
    const char *document = write_document(space, &arena);
    if (document == NULL) {
        err_set(err, ERR_NOMEM, "no memory for an input space");
    } else if (space_store_hash(document, digest, err) == ERR_OK) {
        *same = strcmp(digest, of_model->digest) == 0;
    }
    arena_release(&arena);
    return err->code;
}

static enum err_code note_places(struct arena *arena, struct upload *up, struct err *err)
{
    const struct space *space = upload_space(up);
    if (space == NULL || space_first_category(space) < 0) {
        return ERR_OK;
    }
    bool *places = arena_zalloc_array(arena, (size_t)space->d + (size_t)space->o, sizeof *places);
    if (places == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (int j = 0; j < space->d; j++) {
        places[j] = space->inputs[j].type == SPACE_CATEGORY;
    }
    up->data.places = places;
    return ERR_OK;
}

/* What the store must know of the spaces that the rows were read under. */
static enum err_code note_spaces(const struct request *req, struct upload *up, struct err *err)
{
    if (note_places(req->arena, up, err) != ERR_OK) {
        return err->code;
    }
    up->data.space_digest = up->space.digest;
    up->data.space = up->own != NULL ? write_document(up->own, req->arena) : NULL;
    return up->own == NULL || up->data.space != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for an input space");
}

/* ---- tables, which have inputs and outputs side by side ---- */

/* The number of the outputs of stored rows; without any, the client has to say it. */
static enum err_code count_stored(struct app *app, const char *model, int *o, struct err *err)
{
    struct data_summary summary = {.n_outputs = 0};
    struct err absent = ERR_INIT;
    if (data_store_summary(app->db, model, &summary, &absent) != ERR_OK || summary.n_outputs == 0) {
        /* A failing store must not look like a mistake of the client. */
        return absent.code != ERR_OK && absent.code != ERR_NOT_FOUND
                   ? err_set(err, absent.code, "%s", absent.msg)
                   : err_set(err, ERR_INVALID,
                             "say how many of the last columns are outputs: ?outputs=N");
    }
    *o = summary.n_outputs;
    return ERR_OK;
}

/*
 * The number of output columns: that of the space, or "outputs" in the query, or that of the arrays
 * of an npz (data.o; 0: the body does not say), or as stored.
 */
static enum err_code count_outputs(struct app *app, const struct request *req, const char *model,
                                   struct upload *up, struct err *err)
{
    const struct space *space = up->space.space;
    const char *text = request_query(req, "outputs");
    int told = up->data.o;
    int64_t value = told;
    if (text == NULL && space == NULL) {
        return told > 0 ? ERR_OK : count_stored(app, model, &up->data.o, err);
    }
    if (text != NULL &&
        reply_query_int(req, "outputs", 1, SPACE_MAX_OUTPUTS, &value, err) != ERR_OK) {
        return err->code;
    }
    if (told > 0 && value != told) {
        return err_set(err, ERR_SHAPE, "outputs is %d, array \"y\" has %s", (int)value,
                       phrase_count(told, "column").text);
    }
    if (space != NULL && value > 0 && value != space->o) {
        return err_set(err, ERR_SHAPE, "outputs is %d, the model has %d", (int)value, space->o);
    }
    up->data.o = space != NULL ? space->o : (int)value;
    return ERR_OK;
}

static enum err_code split_columns(struct upload *up, int k, struct err *err)
{
    if (k <= up->data.o) {
        return err_set(err, ERR_SHAPE, "%s cannot hold %s and an input",
                       phrase_count(k, "column").text, phrase_count(up->data.o, "output").text);
    }
    if (k - up->data.o > ARCH_MAX_INPUTS) {
        return err_set(err, ERR_LIMIT, "%d input columns, at most %d are taken", k - up->data.o,
                       ARCH_MAX_INPUTS);
    }
    up->data.d = k - up->data.o;
    return ERR_OK;
}

/* Checks the columns by the model's space, or takes their names for a model that has none. */
static enum err_code settle_columns(const struct request *req, struct upload *up, struct err *err)
{
    const struct text_table_reader *reader = &up->text.reader;
    if (up->space.space != NULL) {
        return columns_check_text(up->space.space, &up->text, req, err);
    }
    if (reader->names == NULL) {
        return ERR_OK;
    }
    if (space_of_names(up->data.d, up->data.o, reader->names, NULL, &up->own, err) != ERR_OK) {
        err_prefix(err, "the header");
    }
    return err->code;
}

static enum err_code read_text(struct app *app, const struct request *req, const char *model,
                               struct upload *up, struct err *err)
{
    struct columns columns;
    const struct space *space = up->space.space;
    columns_init(&columns, space, SPACE_COLUMNS, req->arena);
    if (count_outputs(app, req, model, up, err) != ERR_OK ||
        text_rows_read(req, app->config->max_rows, &columns.members, &up->text, err) != ERR_OK ||
        columns_arrange(&columns, req, &up->text, &up->failed, err) != ERR_OK ||
        split_columns(up, up->text.table.k, err) != ERR_OK ||
        settle_columns(req, up, err) != ERR_OK) {
        return err->code;
    }
    up->text.reader.members = NULL; /* they end with this function */
    up->is_text = true;
    up->data.n = up->text.table.n;
    up->data.rows = up->text.table.values;
    return upload_apply_policy(req, up, true, err);
}

/* Names of columns are those of a model that has none. */
static enum err_code take_field_names(const struct npy *npy, struct upload *up, struct err *err)
{
    if (up->space.space != NULL || npy->names == NULL) {
        return ERR_OK;
    }
    if (space_of_names(up->data.d, up->data.o, npy->names, NULL, &up->own, err) != ERR_OK) {
        err_prefix(err, "the columns of the arrays");
    }
    return err->code;
}

/* A copy of the rows in which numbers that mean members are their places. */
static enum err_code settle_numbers(const struct request *req, struct upload *up, struct err *err)
{
    size_t k = (size_t)up->data.d + (size_t)up->data.o;
    size_t n = (size_t)up->data.n;
    double *copy = arena_alloc_array(req->arena, n * k, sizeof *copy);
    if (copy == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    memcpy(copy, up->data.rows, n * k * sizeof *copy);
    up->data.rows = copy;
    const struct space_rows rows = {n, k, copy};
    return columns_read_numbers(up->space.space, &rows, "", err);
}

/* numpy.save of a list of numbers: a row, or a column of them? */
static enum err_code refuse_flat(const struct npy *npy, struct err *err)
{
    return npy->flat ? err_set(err, ERR_SHAPE,
                               "the npy body has 1 dimension, rows x columns are needed (in NumPy: "
                               ".reshape(1, -1) makes one row)")
                     : ERR_OK;
}

static enum err_code read_arrays(struct app *app, const struct request *req, const char *model,
                                 struct upload *up, struct err *err)
{
    struct npy npy;
    const struct space *space = up->space.space;
    if (array_rows_read(req, app->config->max_rows, &npy, &up->data.o, err) != ERR_OK ||
        count_outputs(app, req, model, up, err) != ERR_OK || refuse_flat(&npy, err) != ERR_OK ||
        columns_arrange_npy(space, SPACE_COLUMNS, req->arena, &npy, err) != ERR_OK ||
        split_columns(up, npy.k, err) != ERR_OK || take_field_names(&npy, up, err) != ERR_OK) {
        return err->code;
    }
    up->data.n = npy.n;
    up->data.rows = npy.values;
    if (space != NULL && up->data.d != space->d) {
        return err_set(err, ERR_SHAPE, "%s, the model's %s and %s need %d",
                       phrase_count(npy.k, "column").text, phrase_count(space->d, "input").text,
                       phrase_count(space->o, "output").text, space->d + space->o);
    }
    if (space != NULL && !space_is_plain(space) && settle_numbers(req, up, err) != ERR_OK) {
        return err->code;
    }
    return upload_apply_policy(req, up, false, err);
}

enum err_code upload_read_rows(struct app *app, const struct request *req, const char *model,
                               struct upload *up, struct err *err)
{
    if (model_space_load(app->db, model, &up->space, err) != ERR_OK) {
        return err->code;
    }
    switch (up->data.format[0]) {
    case 'c':
        err_kept(read_text(app, req, model, up, err));
        break;
    case 'n':
        err_kept(read_arrays(app, req, model, up, err));
        break;
    default:
        err_kept(upload_read_json(req, app->config->max_rows, up, err));
        break;
    }
    return err->code == ERR_OK ? note_spaces(req, up, err) : err->code;
}
