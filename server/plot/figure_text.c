/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/figure_text.h"

#include "formats/json_write.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

/* ---- CSV ---- */

/* In quotes where CSV needs them. */
static void put_field(struct textbuf *out, const char *text)
{
    bool quoted = strpbrk(text, ",\"\n\r") != NULL;
    textbuf_puts(out, quoted ? "\"" : "");
    for (; *text != '\0'; text++) {
        textbuf_puts(out, *text == '"' ? "\"" : "");
        textbuf_put_char(out, *text);
    }
    textbuf_puts(out, quoted ? "\"" : "");
}

static void put_number(struct textbuf *out, const double *values, size_t i)
{
    textbuf_put_char(out, ',');
    if (values != NULL && isfinite(values[i])) {
        textbuf_put_number(out, values[i]);
    }
}

/* A number, or the name of a category. */
static void put_place(struct textbuf *out, const struct axis *axis, const double *values, size_t i)
{
    if (axis->categories == NULL || values == NULL || !(values[i] >= 0.0) ||
        !(values[i] < axis->n_categories)) {
        put_number(out, values, i);
        return;
    }
    textbuf_put_char(out, ',');
    put_field(out, axis->categories[(int)values[i]]);
}

static void put_names(struct textbuf *out, const struct panel *panel, const struct mark *mark)
{
    put_field(out, panel->title != NULL ? panel->title : "");
    textbuf_put_char(out, ',');
    put_field(out, mark->name != NULL ? mark->name : "");
}

static void put_map(struct textbuf *out, const struct panel *panel, const struct mark *mark)
{
    for (size_t j = 0; j < mark->n_y; j++) {
        for (size_t i = 0; i < mark->n_x; i++) {
            put_names(out, panel, mark);
            put_place(out, &panel->x, mark->x, i);
            put_place(out, &panel->y, mark->y, j);
            textbuf_puts(out, ",,");
            put_number(out, mark->values, j * mark->n_x + i);
            textbuf_put_char(out, '\n');
        }
    }
}

static void put_mark(struct textbuf *out, const struct panel *panel, const struct mark *mark)
{
    if (mark->kind == MARK_MAP) {
        put_map(out, panel, mark);
        return;
    }
    for (size_t i = 0; mark->kind != MARK_RULE && i < mark->n; i++) {
        put_names(out, panel, mark);
        put_place(out, &panel->x, mark->x, i);
        put_place(out, &panel->y, mark->y, i);
        put_number(out, mark->lower, i);
        put_number(out, mark->upper, i);
        textbuf_puts(out, ",\n");
    }
}

void figure_write_csv(const struct figure *figure, struct textbuf *out)
{
    textbuf_puts(out, "panel,series,x,y,lower,upper,value\n");
    for (int p = 0; p < figure->n_panels; p++) {
        for (size_t k = 0; k < figure->panels[p].n_marks; k++) {
            put_mark(out, &figure->panels[p], &figure->panels[p].marks[k]);
        }
    }
}

/* ---- SVG ---- */

static void put_xml(struct textbuf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const char *entity = *text == '&'   ? "&amp;"
                             : *text == '<' ? "&lt;"
                             : *text == '>' ? "&gt;"
                                            : NULL;
        /* Control characters have no place in XML, not even escaped. */
        char plain[2] = {(unsigned char)*text < ' ' && *text != '\n' ? ' ' : *text, '\0'};
        textbuf_puts(out, entity != NULL ? entity : plain);
    }
}

static void write_axis(struct json_write *json, const char *key, const struct axis *axis,
                       const struct scale *scale)
{
    json_write_object(json, key);
    json_write_text(json, "title", axis->title);
    json_write_bool(json, "log", scale->log);
    const double numbers[] = {scale->lo, scale->hi};
    const double places[] = {scale->from, scale->to};
    json_write_reals(json, "numbers", numbers, 2);
    json_write_reals(json, "places", places, 2);
    json_write_object_end(json);
}

static void write_note(const struct figure *figure, const struct layout *layout,
                       struct textbuf *text)
{
    struct json_write json = json_write_to(text);
    json_write_object(&json, NULL);
    json_write_text(&json, "kind", figure->kind);
    json_write_array(&json, "panels");
    for (int i = 0; i < layout->n_frames; i++) {
        const struct frame *frame = &layout->frames[i];
        if (!frame->panel->empty) {
            json_write_object(&json, NULL);
            json_write_text(&json, "title", frame->panel->title);
            write_axis(&json, "x", &frame->panel->x, &frame->x);
            write_axis(&json, "y", &frame->panel->y, &frame->y);
            json_write_object_end(&json);
        }
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    json_write_end(&json);
}

static void write_head(const struct figure *figure, const struct layout *layout,
                       struct textbuf *out)
{
    struct textbuf note = textbuf_in(figure->arena);
    textbuf_puts(out, "\n<title>");
    put_xml(out, figure->title != NULL ? figure->title : figure->kind);
    textbuf_puts(out, "</title>\n<desc>");
    put_xml(out, figure->subtitle != NULL ? figure->subtitle : "");
    textbuf_puts(out, "</desc>\n<metadata>");
    write_note(figure, layout, &note);
    put_xml(out, textbuf_failed(&note) ? "" : note.data);
    textbuf_puts(out, "</metadata>");
    out->failed = out->failed || note.failed;
}

/* The place behind the tag <svg ..>; 0: there is none. */
static size_t find_end_of_tag(const char *svg, size_t n)
{
    for (size_t i = 0; i + 4 < n; i++) {
        if (memcmp(svg + i, "<svg", 4) == 0) {
            const char *end = memchr(svg + i, '>', n - i);
            return end != NULL ? (size_t)(end - svg) + 1 : 0;
        }
    }
    return 0;
}

enum err_code figure_annotate(const struct figure *figure, const struct layout *layout,
                              char **bytes, size_t *n, struct err *err)
{
    struct textbuf head = textbuf_in(figure->arena);
    size_t before = find_end_of_tag(*bytes, *n);
    char *whole = NULL;
    write_head(figure, layout, &head);
    if (before == 0) {
        err_set(err, ERR_INTERNAL, "Cairo has made something else than SVG");
    } else if (!textbuf_failed(&head)) {
        whole = mem_alloc(*n + head.len);
        if (whole != NULL) {
            memcpy(whole, *bytes, before);
            memcpy(whole + before, head.data, head.len);
            memcpy(whole + before + head.len, *bytes + before, *n - before);
        }
    }
    mem_free(*bytes);
    *bytes = whole;
    *n = whole != NULL ? *n + head.len : 0;
    return whole != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the picture");
}
