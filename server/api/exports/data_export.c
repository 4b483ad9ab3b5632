/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body is a list of parts. Each part is a fixed text and then some columns of all rows. JSON has
 * all inputs first and then all outputs, so it reads the rows twice. An output that is missing is
 * null in JSON, an empty field in CSV, and NaN in npy. npz is no list of parts: rows_archive.h.
 */
#include "api/exports/data_export.h"

#include "api/exports/rows_archive.h"
#include "base/numtext.h"
#include "base/textbuf.h"
#include "documents/space_json.h"
#include "formats/media_type.h"
#include "formats/npy.h"
#include "formats/npy_head.h"
#include "model/space_rows.h"

#include <math.h>
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
    struct model_space space;
    char ***members; /* [d] texts of the members of categories, [n_values]; NULL: there are none */
    struct log *log;
    struct rows_archive *archive; /* NULL: the parts are sent */
    enum style style;
    struct part parts[MAX_PARTS];
    int n_parts;
    int part;       /* the present one */
    size_t text_at; /* bytes of its text that have been written */
    int64_t n;      /* rows of the cursor's present piece */
    int64_t row;
    int column;
    bool any;       /* a row of this part has been written */
    char *spill;    /* [longest] */
    size_t longest; /* bytes that a value takes, with what stands around it */
    size_t n_spill;
    size_t spill_at;
};

static size_t copy_piece(char *out, size_t room, const char *from, size_t len)
{
    size_t n = len < room ? len : room;
    memcpy(out, from, n);
    return n;
}

/* What stands for an output that is missing. */
static size_t write_missing(const struct export *e, char *to)
{
    static const char null[] = "null";
    size_t len = e->style == STYLE_JSON ? sizeof null - 1 : 0;
    memcpy(to, null, len);
    return len;
}

/* A number, or the member that it stands for. */
static size_t write_value(const struct export *e, double value, char *to)
{
    char **members = e->members != NULL && e->column < e->cursor.d ? e->members[e->column] : NULL;
    if (isnan(value)) {
        return write_missing(e, to);
    }
    if (members == NULL) {
        return numtext_write(value, to);
    }
    int place = (int)value;
    const char *text = place >= 0 && place < e->space.space->inputs[e->column].n_values
                           ? members[place]
                           : "null"; /* of a space that has been changed by hand */
    size_t len = strlen(text);
    memcpy(to, text, len);
    return len;
}

/* The next value with its brackets, comma or line end. to: [longest]. */
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
    len += write_value(e, e->cursor.rows[(size_t)e->row * width + (size_t)e->column], to + len);
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
    while (e->row < e->n && room - used >= e->longest) {
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

/* The next bytes of npz, which writes whole numbers: into spill when there is no room for one. */
static bool read_archive(struct export *e, char *out, size_t room, size_t *used)
{
    struct err err = ERR_INIT;
    bool spill = room < sizeof(double);
    size_t n = 0;
    if (rows_archive_read(e->archive, &e->cursor, spill ? e->spill : out,
                          spill ? sizeof(double) : room, &n, &err) != ERR_OK) {
        log_warn(e->log, "export cut", "reason", err_msg(&err), NULL);
        return false;
    }
    if (spill) {
        e->n_spill = n;
        e->spill_at = 0;
    } else {
        *used += n;
    }
    e->part += n == 0; /* the end of the only part */
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
        } else if (e->archive != NULL) {
            if (!read_archive(e, out + used, size - used, &used)) {
                return BODY_SOURCE_FAILED;
            }
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
    model_space_release(&e->space);
}

static void add_part(struct export *e, const char *text, size_t n_text, int from, int to)
{
    e->parts[e->n_parts++] = (struct part){.text = text, .n_text = n_text, .from = from, .to = to};
}

/* A name as a field of CSV: in quotes where it must be. */
static void put_field(struct textbuf *text, const char *name)
{
    if (name[strcspn(name, ",;\"#%\t\r\n")] == '\0') {
        textbuf_puts(text, name);
        return;
    }
    textbuf_puts(text, "\"");
    for (const char *c = name; *c != '\0'; c++) {
        textbuf_puts(text, *c == '"' ? "\"" : "");
        textbuf_put(text, c, 1);
    }
    textbuf_puts(text, "\"");
}

static enum err_code prepare_csv(struct export *e, struct arena *arena, struct err *err)
{
    struct textbuf head = textbuf_in(arena);
    const struct space *space = e->space.space;
    int width = e->cursor.d + e->cursor.o;
    for (int j = 0; j < width; j++) {
        bool input = j < e->cursor.d;
        textbuf_puts(&head, j > 0 ? "," : "");
        if (space != NULL) {
            put_field(&head, space_column_name(space, j));
        } else {
            textbuf_printf(&head, "%c%d", input ? 'x' : 'y', input ? j + 1 : j + 1 - e->cursor.d);
        }
    }
    textbuf_puts(&head, "\r\n");
    if (textbuf_failed(&head)) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    add_part(e, head.data, head.len, 0, width);
    e->style = STYLE_CSV;
    return ERR_OK;
}

#define AROUND 8 /* brackets, comma, line end */

/* The members of categories as they are written in this style. */
static enum err_code prepare_members(struct export *e, struct arena *arena, struct err *err)
{
    const struct space *space = e->space.space;
    bool ok = true;
    if (space == NULL || space_first_category(space) < 0) {
        return ERR_OK;
    }
    e->members = arena_zalloc_array(arena, (size_t)space->d, sizeof *e->members);
    for (int j = 0; e->members != NULL && j < space->d && ok; j++) {
        const struct space_input *input = &space->inputs[j];
        char **texts = arena_alloc_array(arena, (size_t)input->n_values + 1, sizeof *texts);
        e->members[j] = input->type == SPACE_CATEGORY ? texts : NULL;
        ok = texts != NULL;
        for (int i = 0; ok && i < input->n_values; i++) {
            struct textbuf text = textbuf_in(arena);
            struct json_write json = json_write_to(&text);
            if (e->style == STYLE_JSON) {
                json_write_text(&json, NULL, input->values[i]);
            } else {
                put_field(&text, input->values[i]);
            }
            ok = !textbuf_failed(&text);
            texts[i] = text.data;
            e->longest = ok && text.len + AROUND > e->longest ? text.len + AROUND : e->longest;
        }
    }
    return e->members != NULL && ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the answer");
}

static enum err_code prepare_json(struct export *e, struct arena *arena, struct err *err)
{
    static const char outputs[] = "],\"outputs\":[";
    static const char end[] = "]}";
    int d = e->cursor.d;
    int o = e->cursor.o;
    struct textbuf head = textbuf_in(arena);
    struct json_write names = json_write_to(&head);
    textbuf_puts(&head, "{");
    if (e->space.space != NULL) {
        textbuf_puts(&head, "\"names\":");
        space_json_write_names(&names, NULL, e->space.space);
        textbuf_puts(&head, ",");
    }
    textbuf_puts(&head, "\"inputs\":[");
    if (textbuf_failed(&head)) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    add_part(e, head.data, head.len, 0, d);
    add_part(e, outputs, sizeof outputs - 1, d, d + o);
    add_part(e, end, sizeof end - 1, 0, 0);
    e->style = STYLE_JSON;
    return ERR_OK;
}

static enum err_code refuse_categories(const struct export *e, struct err *err)
{
    bool any = e->space.space != NULL && space_first_category(e->space.space) >= 0;
    return any ? err_set(err, ERR_UNSUPPORTED,
                         "npy and npz have numbers only: rows with categories are exported as json "
                         "or csv")
               : ERR_OK;
}

static enum err_code prepare_npy(struct export *e, struct arena *arena, struct err *err)
{
    int width = e->cursor.d + e->cursor.o;
    size_t shape[] = {(size_t)e->cursor.n_rows, (size_t)width};
    char *head = arena_alloc(arena, NPY_HEAD_MAX);
    if (head == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    if (refuse_categories(e, err) != ERR_OK) {
        return err->code;
    }
    add_part(e, head, npy_head(2, shape, false, head), 0, width);
    e->style = STYLE_NPY;
    return ERR_OK;
}

/* Inputs and outputs as arrays of their own. */
static enum err_code prepare_npz(struct export *e, struct arena *arena, struct err *err)
{
    if (refuse_categories(e, err) != ERR_OK) {
        return err->code;
    }
    e->archive = rows_archive_new(&e->cursor, arena);
    if (e->archive == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    e->n_parts = 1;
    return ERR_OK;
}

/* The same numbers as records, whose fields have the names of the columns. */
static enum err_code prepare_structured(struct export *e, struct arena *arena, struct err *err)
{
    const struct space *space = e->space.space;
    const int width = e->cursor.d + e->cursor.o;
    const char **names = arena_alloc_array(arena, (size_t)width, sizeof *names);
    const char *head = NULL;
    size_t len = 0;
    if (names == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    if (space == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "a structured array has names, and the model's columns have none: name them "
                       "(PUT /v1/models/NAME/space), or take npy");
    }
    for (int j = 0; j < width; j++) {
        names[j] = space_column_name(space, j);
    }
    const struct npy_records records = {names, width, (size_t)e->cursor.n_rows};
    if (refuse_categories(e, err) == ERR_OK &&
        npy_head_write(&records, arena, &head, &len, err) == ERR_OK) {
        add_part(e, head, len, 0, width);
        e->style = STYLE_NPY;
    }
    return err->code;
}

static enum err_code prepare(struct export *e, const char *format, struct arena *arena,
                             struct response *res, struct err *err)
{
    if (strcmp(format, "json") == 0) {
        res->content_type = "application/json";
        err_kept(prepare_json(e, arena, err));
    } else if (strcmp(format, "csv") == 0) {
        res->content_type = "text/csv; header=present";
        err_kept(prepare_csv(e, arena, err));
    } else if (strcmp(format, "npy") == 0) {
        res->content_type = MEDIA_TYPE_NPY;
        err_kept(prepare_npy(e, arena, err));
    } else if (strcmp(format, "npz") == 0) {
        res->content_type = MEDIA_TYPE_NPZ;
        err_kept(prepare_npz(e, arena, err));
    } else if (strcmp(format, "structured") == 0) {
        res->content_type = MEDIA_TYPE_NPY;
        err_kept(prepare_structured(e, arena, err));
    } else {
        return err_set(err, ERR_UNSUPPORTED,
                       "format \"%.40s\" is not supported; json, csv, npy, npz and structured "
                       "are",
                       format);
    }
    e->longest = NUMTEXT_MAX + AROUND;
    if (err->code != ERR_OK || prepare_members(e, arena, err) != ERR_OK) {
        return err->code;
    }
    e->spill = arena_alloc(arena, e->longest);
    return e->spill != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the answer");
}

/* A space that was made for other rows says nothing of these. */
static void take_space(struct export *e, struct model_space *space)
{
    if (space->space != NULL && space->space->d == e->cursor.d && space->space->o == e->cursor.o) {
        e->space = *space;
        *space = (struct model_space){.space = NULL};
    } else {
        model_space_release(space);
    }
}

enum err_code data_export(struct data_export *what, struct log *log, struct arena *arena,
                          struct response *res, struct err *err)
{
    const struct data_cursor *cursor = &what->cursor;
    struct export *e = arena_zalloc_array(arena, 1, sizeof *e);
    char *rows = arena_printf(arena, "%lld", (long long)cursor->n_rows);
    char *inputs = arena_printf(arena, "%d", cursor->d);
    char *outputs = arena_printf(arena, "%d", cursor->o);
    if (e == NULL || rows == NULL || inputs == NULL || outputs == NULL) {
        data_cursor_close(&what->cursor);
        model_space_release(&what->space);
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    e->cursor = *cursor;
    e->log = log;
    what->cursor = (struct data_cursor){.db = NULL};
    take_space(e, &what->space);
    if (prepare(e, what->format, arena, res, err) != ERR_OK) {
        release_export(e);
        return err->code;
    }
    response_header(res, "Surrogate-Rows", rows);
    response_header(res, "Surrogate-Inputs", inputs);
    response_header(res, "Surrogate-Outputs", outputs);
    res->status = 200;
    res->source = (struct body_source){.read = read_export, .release = release_export, .ctx = e};
    return ERR_OK;
}
