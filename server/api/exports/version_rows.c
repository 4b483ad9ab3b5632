/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/models/{m}/versions/{v}/rows: what each stored row was to a version, in the order in
 * which the rows are exported. Of each row only a digit is sent, while the rows are read
 * (data_cursor).
 */
#include "api/handlers.h"

#include "api/exports/answer_room.h"
#include "api/exports/version_lookup.h"
#include "api/reply.h"
#include "jobs/row_history.h"
#include "store/data/data_cursor.h"
#include "store/data/data_read.h"

#include <string.h>

enum row_part { PART_TRAINED, PART_KEPT_OUT, PART_UNKNOWN, PART_LATER };

static const char *const part_names[] = {
    [PART_TRAINED] = "trained",
    [PART_KEPT_OUT] = "kept_out",
    [PART_UNKNOWN] = "unknown",
    [PART_LATER] = "later",
};
#define N_PARTS (sizeof part_names / sizeof *part_names)

/* Numbers whose prints are made before the thread looks after others: at 1 GB/s about 0.3 ms; a
 * wide row may have more. */
#define NUMBERS_A_TURN 32768
#define ROWS_A_TURN    512

static const char tail[] = "]}";

/* In the arena of the request. */
struct listing {
    struct data_cursor cursor;
    struct version_rows rows;
    int64_t n_unsure; /* so many first rows may have trained the version */
    int64_t at;       /* number of the next row */
    bool separated;   /* the comma before it is written */
    int64_t n, i;     /* rows of the piece in memory, and the next of them */
    const char *text; /* head or tail: what is left of it is sent first */
    size_t n_text;
    bool ended; /* `text` is the tail */
    struct log *log;
};

static enum err_code find_part(const struct listing *list, const double *row, enum row_part *part,
                               struct err *err)
{
    uint32_t print = 0;
    size_t width = (size_t)(list->cursor.d + list->cursor.o);
    if (row_set_print_one(row, width, &print, err) != ERR_OK) {
        return err->code;
    }
    *part = row_set_has(&list->rows.trained, print) ? PART_TRAINED
            : list->at < list->n_unsure             ? PART_UNKNOWN
            : row_set_has(&list->rows.kept, print)  ? PART_KEPT_OUT
                                                    : PART_LATER;
    return ERR_OK;
}

/* Digits of the rows in memory, with a comma before all but the first; *used: bytes so far. */
static enum err_code write_digits(struct listing *list, char *out, size_t size, size_t *used,
                                  struct err *err)
{
    size_t width = (size_t)(list->cursor.d + list->cursor.o);
    size_t most = width < NUMBERS_A_TURN ? NUMBERS_A_TURN / width : 1;
    most = most < ROWS_A_TURN ? most : ROWS_A_TURN;
    for (size_t k = 0; k < most && list->i < list->n && *used < size;) {
        enum row_part part = PART_LATER;
        if (list->at > 0 && !list->separated) {
            out[(*used)++] = ',';
            list->separated = true;
            continue;
        }
        if (find_part(list, list->cursor.rows + (size_t)list->i * width, &part, err) != ERR_OK) {
            return err->code;
        }
        out[(*used)++] = (char)('0' + (int)part);
        list->separated = false;
        list->at++;
        list->i++;
        k++;
    }
    return ERR_OK;
}

/* The next piece, or the end. */
static enum err_code read_piece(struct listing *list, struct err *err)
{
    list->i = list->n = 0;
    if (list->cursor.n_read < list->cursor.n_rows) {
        return data_cursor_next(&list->cursor, &list->n, err);
    }
    list->text = tail;
    list->n_text = sizeof tail - 1;
    list->ended = true;
    return ERR_OK;
}

static size_t read_listing(void *ctx, char *out, size_t size)
{
    struct listing *list = ctx;
    struct err err = ERR_INIT;
    size_t used = 0;
    if (list->n_text == 0 && !list->ended && list->i == list->n &&
        read_piece(list, &err) != ERR_OK) {
        log_warn(list->log, "answer cut", "reason", err_msg(&err), NULL);
        return BODY_SOURCE_FAILED;
    }
    if (list->n_text > 0) {
        used = list->n_text < size ? list->n_text : size;
        memcpy(out, list->text, used);
        list->text += used;
        list->n_text -= used;
    } else if (!list->ended && write_digits(list, out, size, &used, &err) != ERR_OK) {
        log_warn(list->log, "answer cut", "reason", err_msg(&err), NULL);
        return BODY_SOURCE_FAILED;
    }
    return used;
}

static void release_listing(void *ctx)
{
    struct listing *list = ctx;
    data_cursor_close(&list->cursor);
    version_rows_release(&list->rows);
}

static enum err_code write_head(struct listing *list, const struct request *req, const char *model,
                                int64_t version, struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    json_write_text(&json, "model", model);
    json_write_int(&json, "version", version);
    json_write_array(&json, "parts");
    for (size_t i = 0; i < N_PARTS; i++) {
        json_write_text(&json, NULL, part_names[i]);
    }
    json_write_array_end(&json);
    json_write_array(&json, "rows");
    json_write_array_end(&json);
    json_write_object_end(&json);
    json_write_end(&json);
    if (textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    list->text = text.data;
    list->n_text = text.len - (sizeof tail - 1); /* which comes after the rows */
    return ERR_OK;
}

/* Of the rows that are listed, those of batches up to rows.unsure_to come first. */
static enum err_code count_unsure(struct app *app, const char *model, int64_t batch,
                                  struct listing *list, struct err *err)
{
    int64_t last = list->rows.unsure_to;
    if (batch > 0) {
        list->n_unsure = batch <= last ? list->cursor.n_rows : 0;
        return ERR_OK;
    }
    return last > 0 ? data_store_rows_until(app->db, model, last, &list->n_unsure, err) : ERR_OK;
}

static enum err_code begin(struct app *app, const struct request *req, struct listing *list,
                           struct answer_claim *claim, struct err *err)
{
    struct model_view view = {.n_versions = 0};
    const struct version_row *row = NULL;
    const char *model = req->params[0];
    int64_t batch = 0;
    int64_t version = 0;
    if (reply_query_int(req, "batch", 1, INT64_MAX, &batch, err) == ERR_OK &&
        version_lookup(app, req, &view, &row, err) == ERR_OK) {
        version = row->version;
    }
    model_view_release(&view);
    if (err->code != ERR_OK ||
        data_cursor_open(app->db, model, batch, &list->cursor, err) != ERR_OK ||
        row_history_on_record(app->db, model, version, &list->rows, err) != ERR_OK ||
        count_unsure(app, model, batch, list, err) != ERR_OK ||
        write_head(list, req, model, version, err) != ERR_OK) {
        return err->code;
    }
    size_t n_prints = list->rows.trained.n + list->rows.kept.n;
    return answer_room_claim_always(
        app, data_cursor_bytes(&list->cursor) + n_prints * sizeof *list->rows.trained.prints, claim,
        err);
}

enum err_code handle_version_rows(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    struct listing *list = arena_zalloc_array(req->arena, 1, sizeof *list);
    struct answer_claim *claim = arena_zalloc_array(req->arena, 1, sizeof *claim);
    if (list == NULL || claim == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    list->log = app->log;
    if (begin(app, req, list, claim, err) != ERR_OK) {
        answer_room_release(claim);
        release_listing(list);
        return err->code;
    }
    res->status = 200;
    res->content_type = "application/json";
    res->source =
        (struct body_source){.read = read_listing, .release = release_listing, .ctx = list};
    answer_room_hand_over(claim, res);
    return ERR_OK;
}
