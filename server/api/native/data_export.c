/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body is a list of parts. Each part is a fixed text and then some columns of all rows. JSON has
 * all inputs first and then all outputs, so it reads the rows twice.
 */
#include "api/native/data_export.h"

#include "base/numtext.h"
#include "base/textbuf.h"
#include "formats/media_type.h"
#include "formats/npy.h"

#include <string.h>

#define MAX_PARTS 3

/* A text, and then the columns [from, to) of all rows; from = to: no columns. */
struct part {
    const char *text;
    size_t n_text;
    int from;
    int to;
};

enum style { STYLE_JSON, STYLE_CSV, STYLE_NPY };

struct export
{
    struct data_cursor cursor;
    struct log *log;
    enum style style;
    struct part parts[MAX_PARTS];
    int n_parts;
    int part;       /* the present one */
    size_t text_at; /* bytes of its text that have been written */
    int64_t n;      /* rows of the cursor's present piece */
    int64_t row;
    int column;
    bool any; /* a row of this part has been written */
    char spill[NUMTEXT_MAX + 8];
    size_t n_spill;
    size_t spill_at;
};

static size_t copy_piece(char *out, size_t room, const char *from, size_t len)
{
    size_t n = len < room ? len : room;
    memcpy(out, from, n);
    return n;
}

/* The next number with its brackets, comma or line end. to: [NUMTEXT_MAX + 8]. */
static size_t write_number(struct export *e, char *to)
{
    const struct part *part = &e->parts[e->part];
    size_t width = (size_t)(e->cursor.d + e->cursor.o);
    bool last = e->column + 1 == part->to;
    size_t len = 0;
    if (e->style == STYLE_JSON && e->column == part->from) {
        if (e->any) {
            to[len++] = ',';
        }
        to[len++] = '[';
    }
    len += numtext_write(e->cursor.rows[(size_t)e->row * width + (size_t)e->column], to + len);
    if (!last) {
        to[len++] = ',';
    } else if (e->style == STYLE_JSON) {
        to[len++] = ']';
    } else {
        to[len++] = '\r';
        to[len++] = '\n';
    }
    e->any = true;
    e->column = last ? part->from : e->column + 1;
    e->row += last;
    return len;
}

/* Writes numbers while the longest one would fit; when there is not even room for one, into
 * spill. */
static size_t write_numbers(struct export *e, char *out, size_t room)
{
    size_t used = 0;
    while (e->row < e->n && room - used >= sizeof e->spill) {
        used += write_number(e, out + used);
    }
    if (used == 0 && e->row < e->n) {
        e->n_spill = write_number(e, e->spill);
        e->spill_at = 0;
    }
    return used;
}

/* Bytes of the numbers themselves; here `column` counts bytes within a row. */
static size_t write_bytes(struct export *e, char *out, size_t room)
{
    size_t row_bytes = (size_t)(e->cursor.d + e->cursor.o) * sizeof(double);
    size_t at = (size_t)e->row * row_bytes + (size_t)e->column;
    size_t n =
        copy_piece(out, room, (const char *)e->cursor.rows + at, (size_t)e->n * row_bytes - at);
    e->row = (int64_t)((at + n) / row_bytes);
    e->column = (int)((at + n) % row_bytes);
    return n;
}

/* Begins the next part, or reads more rows for this one. False: they cannot be read. */
static bool next_rows_or_part(struct export *e)
{
    struct err err = ERR_INIT;
    const struct part *part = &e->parts[e->part];
    if (part->from == part->to || e->cursor.n_read == e->cursor.n_rows) {
        e->part++;
        e->text_at = 0;
        e->n = e->row = 0;
        e->any = false;
        e->column = e->part < e->n_parts ? e->parts[e->part].from : 0;
        data_cursor_rewind(&e->cursor);
        return true;
    }
    e->row = 0;
    if (data_cursor_next(&e->cursor, &e->n, &err) != ERR_OK) {
        log_warn(e->log, "export cut", "reason", err_msg(&err), NULL);
        return false;
    }
    return true;
}

static size_t read_export(void *ctx, char *out, size_t size)
{
    struct export *e = ctx;
    size_t used = 0;
    while (used < size && e->part < e->n_parts) {
        const struct part *part = &e->parts[e->part];
        if (e->spill_at < e->n_spill) {
            size_t left = e->n_spill - e->spill_at;
            size_t n = copy_piece(out + used, size - used, e->spill + e->spill_at, left);
            e->spill_at += n;
            used += n;
        } else if (e->text_at < part->n_text) {
            size_t left = part->n_text - e->text_at;
            size_t n = copy_piece(out + used, size - used, part->text + e->text_at, left);
            e->text_at += n;
            used += n;
        } else if (e->row < e->n) {
            used += e->style == STYLE_NPY ? write_bytes(e, out + used, size - used)
                                          : write_numbers(e, out + used, size - used);
        } else if (!next_rows_or_part(e)) {
            return BODY_SOURCE_FAILED;
        }
    }
    return used;
}

static void release_export(void *ctx)
{
    struct export *e = ctx;
    data_cursor_close(&e->cursor);
}

static void add_part(struct export *e, const char *text, size_t n_text, int from, int to)
{
    e->parts[e->n_parts++] = (struct part){.text = text, .n_text = n_text, .from = from, .to = to};
}

static enum err_code prepare_csv(struct export *e, struct arena *arena, struct err *err)
{
    struct textbuf head = textbuf_in(arena);
    int width = e->cursor.d + e->cursor.o;
    for (int j = 0; j < width; j++) {
        bool input = j < e->cursor.d;
        textbuf_printf(&head, "%s%c%d", j > 0 ? "," : "", input ? 'x' : 'y',
                       input ? j + 1 : j + 1 - e->cursor.d);
    }
    textbuf_puts(&head, "\r\n");
    if (textbuf_failed(&head)) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    add_part(e, head.data, head.len, 0, width);
    e->style = STYLE_CSV;
    return ERR_OK;
}

static enum err_code prepare(struct export *e, const char *format, struct arena *arena,
                             struct response *res, struct err *err)
{
    static const char inputs[] = "{\"inputs\":[";
    static const char outputs[] = "],\"outputs\":[";
    static const char end[] = "]}";
    int d = e->cursor.d;
    int o = e->cursor.o;
    if (strcmp(format, "json") == 0) {
        add_part(e, inputs, sizeof inputs - 1, 0, d);
        add_part(e, outputs, sizeof outputs - 1, d, d + o);
        add_part(e, end, sizeof end - 1, 0, 0);
        e->style = STYLE_JSON;
        res->content_type = "application/json";
    } else if (strcmp(format, "csv") == 0) {
        res->content_type = "text/csv; header=present";
        return prepare_csv(e, arena, err);
    } else if (strcmp(format, "npy") == 0) {
        size_t shape[] = {(size_t)e->cursor.n_rows, (size_t)(d + o)};
        char *head = arena_alloc(arena, NPY_HEAD_MAX);
        if (head == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the answer");
        }
        add_part(e, head, npy_head(2, shape, false, head), 0, d + o);
        e->style = STYLE_NPY;
        res->content_type = MEDIA_TYPE_NPY;
    } else {
        return err_set(err, ERR_UNSUPPORTED,
                       "format \"%.40s\" is not supported; json, csv and npy are", format);
    }
    return ERR_OK;
}

enum err_code data_export(struct data_cursor *cursor, const char *format, struct log *log,
                          struct arena *arena, struct response *res, struct err *err)
{
    struct export *e = arena_zalloc_array(arena, 1, sizeof *e);
    char *rows = arena_printf(arena, "%lld", (long long)cursor->n_rows);
    char *inputs = arena_printf(arena, "%d", cursor->d);
    char *outputs = arena_printf(arena, "%d", cursor->o);
    if (e == NULL || rows == NULL || inputs == NULL || outputs == NULL) {
        data_cursor_close(cursor);
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    e->cursor = *cursor;
    e->log = log;
    *cursor = (struct data_cursor){.db = NULL};
    if (prepare(e, format, arena, res, err) != ERR_OK) {
        data_cursor_close(&e->cursor);
        return err->code;
    }
    response_header(res, "Surrogate-Rows", rows);
    response_header(res, "Surrogate-Inputs", inputs);
    response_header(res, "Surrogate-Outputs", outputs);
    res->status = 200;
    res->source = (struct body_source){.read = read_export, .release = release_export, .ctx = e};
    return ERR_OK;
}
