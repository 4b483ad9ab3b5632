/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/canvas.h"

#include "plot/cairo_api.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#define POINTS_PER_INCH 72.0
#define FONT            "sans-serif"
#define FULL_TURN       6.283185307179586
#define ELLIPSIS        "\xe2\x80\xa6"

struct canvas {
    struct cairo_api api;
    struct canvas_page page;
    cairo_surface_t *surface;
    cairo_t *cr;
    char *bytes; /* of the file, as it grows; mem */
    size_t n, capacity;
    bool no_memory;
};

/* Receives the file piece by piece. */
static cairo_status_t take_bytes(void *ctx, const unsigned char *data, unsigned int len)
{
    struct canvas *canvas = ctx;
    if (len > canvas->capacity - canvas->n) {
        size_t wanted = 2 * canvas->capacity + len;
        char *grown = mem_realloc_array(canvas->bytes, wanted, 1);
        if (grown == NULL) {
            canvas->no_memory = true;
            return CAIRO_STATUS_WRITE_ERROR;
        }
        canvas->bytes = grown;
        canvas->capacity = wanted;
    }
    memcpy(canvas->bytes + canvas->n, data, len);
    canvas->n += len;
    return CAIRO_STATUS_SUCCESS;
}

static void open_surface(struct canvas *canvas)
{
    const struct cairo_api *api = &canvas->api;
    const struct canvas_page *page = &canvas->page;
    double points = POINTS_PER_INCH / CANVAS_PIXELS_PER_INCH;
    double dots = page->dpi / CANVAS_PIXELS_PER_INCH;
    switch (page->format) {
    case CANVAS_SVG:
        canvas->surface =
            api->cairo_svg_surface_create_for_stream(take_bytes, canvas, page->width, page->height);
        api->cairo_svg_surface_set_document_unit(canvas->surface, CAIRO_SVG_UNIT_PX);
        break;
    case CANVAS_PDF:
        canvas->surface = api->cairo_pdf_surface_create_for_stream(
            take_bytes, canvas, page->width * points, page->height * points);
        /* The time would differ from one file to the next. */
        api->cairo_pdf_surface_set_metadata(canvas->surface, CAIRO_PDF_METADATA_CREATE_DATE,
                                            "2000-01-01T00:00:00Z");
        break;
    case CANVAS_PNG:
        canvas->surface = api->cairo_image_surface_create(
            CAIRO_FORMAT_RGB24, (int)lround(page->width * dots), (int)lround(page->height * dots));
        break;
    }
}

/* The error that a status of Cairo stands for. */
static enum err_code check(struct canvas *canvas, cairo_status_t status, struct err *err)
{
    if (status == CAIRO_STATUS_SUCCESS) {
        return ERR_OK;
    }
    if (status == CAIRO_STATUS_NO_MEMORY || canvas->no_memory) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    return err_set(err, ERR_INTERNAL, "Cairo: %s", canvas->api.cairo_status_to_string(status));
}

static enum err_code begin(struct canvas *canvas, struct err *err)
{
    const struct cairo_api *api = &canvas->api;
    open_surface(canvas);
    if (check(canvas, api->cairo_surface_status(canvas->surface), err) != ERR_OK) {
        return err->code;
    }
    canvas->cr = api->cairo_create(canvas->surface);
    if (check(canvas, api->cairo_status(canvas->cr), err) != ERR_OK) {
        return err->code;
    }
    double unit = canvas->page.format == CANVAS_PNG   ? canvas->page.dpi / CANVAS_PIXELS_PER_INCH
                  : canvas->page.format == CANVAS_PDF ? POINTS_PER_INCH / CANVAS_PIXELS_PER_INCH
                                                      : 1.0;
    api->cairo_scale(canvas->cr, unit, unit);
    api->cairo_set_line_join(canvas->cr, CAIRO_LINE_JOIN_ROUND);
    api->cairo_set_line_cap(canvas->cr, CAIRO_LINE_CAP_BUTT);
    return ERR_OK;
}

enum err_code canvas_open(const struct canvas_page *page, struct canvas **out, struct err *err)
{
    double dots = page->dpi / CANVAS_PIXELS_PER_INCH;
    if (page->format == CANVAS_PNG &&
        (page->width * dots > CANVAS_MAX_PIXELS || page->height * dots > CANVAS_MAX_PIXELS)) {
        return err_set(err, ERR_LIMIT,
                       "the picture would have %.0f x %.0f dots; at most %d are possible either "
                       "way: a smaller --dpi or --size, or SVG",
                       page->width * dots, page->height * dots, CANVAS_MAX_PIXELS);
    }
    struct canvas *canvas = mem_zalloc(sizeof *canvas);
    if (canvas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    canvas->page = *page;
    if (cairo_api_load(&canvas->api, err) != ERR_OK || begin(canvas, err) != ERR_OK) {
        canvas_close(canvas);
        return err->code;
    }
    *out = canvas;
    return ERR_OK;
}

enum err_code canvas_finish(struct canvas *canvas, char **bytes, size_t *n, struct err *err)
{
    const struct cairo_api *api = &canvas->api;
    if (check(canvas, api->cairo_status(canvas->cr), err) != ERR_OK) {
        return err->code;
    }
    cairo_status_t status = CAIRO_STATUS_SUCCESS;
    if (canvas->page.format == CANVAS_PNG) {
        status = api->cairo_surface_write_to_png_stream(canvas->surface, take_bytes, canvas);
    } else {
        api->cairo_surface_finish(canvas->surface);
        status = api->cairo_surface_status(canvas->surface);
    }
    if (check(canvas, canvas->no_memory ? CAIRO_STATUS_NO_MEMORY : status, err) == ERR_OK) {
        *bytes = canvas->bytes;
        *n = canvas->n;
        canvas->bytes = NULL;
    }
    return err->code;
}

void canvas_close(struct canvas *canvas)
{
    if (canvas == NULL) {
        return;
    }
    if (canvas->cr != NULL) {
        canvas->api.cairo_destroy(canvas->cr);
    }
    if (canvas->surface != NULL) {
        canvas->api.cairo_surface_destroy(canvas->surface);
    }
    mem_free(canvas->bytes);
    mem_free(canvas);
}

/* ---- paths ---- */

void canvas_move(struct canvas *canvas, double x, double y)
{
    canvas->api.cairo_move_to(canvas->cr, x, y);
}

void canvas_to(struct canvas *canvas, double x, double y)
{
    canvas->api.cairo_line_to(canvas->cr, x, y);
}

static void take_pen(struct canvas *canvas, const struct pen *pen)
{
    const double dashes[] = {5.0, 3.5};
    canvas->api.cairo_set_source_rgba(canvas->cr, pen->colour.red, pen->colour.green,
                                      pen->colour.blue, pen->alpha);
    canvas->api.cairo_set_antialias(canvas->cr,
                                    pen->crisp ? CAIRO_ANTIALIAS_NONE : CAIRO_ANTIALIAS_DEFAULT);
    canvas->api.cairo_set_line_width(canvas->cr, pen->width);
    canvas->api.cairo_set_dash(canvas->cr, dashes, pen->dashed ? 2 : 0, 0.0);
}

void canvas_stroke(struct canvas *canvas, const struct pen *pen)
{
    take_pen(canvas, pen);
    canvas->api.cairo_stroke(canvas->cr);
}

void canvas_fill(struct canvas *canvas, const struct pen *pen)
{
    take_pen(canvas, pen);
    canvas->api.cairo_close_path(canvas->cr);
    canvas->api.cairo_fill(canvas->cr);
}

void canvas_line(struct canvas *canvas, const struct box *ends, const struct pen *pen)
{
    canvas_move(canvas, ends->left, ends->top);
    canvas_to(canvas, ends->right, ends->bottom);
    canvas_stroke(canvas, pen);
}

static void add_box(struct canvas *canvas, const struct box *box)
{
    canvas->api.cairo_rectangle(canvas->cr, box->left, box->top, box->right - box->left,
                                box->bottom - box->top);
}

void canvas_rectangle(struct canvas *canvas, const struct box *box, const struct pen *pen)
{
    add_box(canvas, box);
    take_pen(canvas, pen);
    canvas->api.cairo_fill(canvas->cr);
}

void canvas_frame(struct canvas *canvas, const struct box *box, const struct pen *pen)
{
    add_box(canvas, box);
    canvas_stroke(canvas, pen);
}

void canvas_disc(struct canvas *canvas, double x, double y, double radius, const struct pen *pen)
{
    canvas->api.cairo_new_sub_path(canvas->cr);
    canvas->api.cairo_arc(canvas->cr, x, y, radius, 0.0, FULL_TURN);
    canvas_fill(canvas, pen);
}

void canvas_clip(struct canvas *canvas, const struct box *box)
{
    canvas->api.cairo_save(canvas->cr);
    add_box(canvas, box);
    canvas->api.cairo_clip(canvas->cr);
}

void canvas_unclip(struct canvas *canvas)
{
    canvas->api.cairo_restore(canvas->cr);
}

/* ---- text ---- */

static void take_font(struct canvas *canvas, const struct text_style *style)
{
    canvas->api.cairo_select_font_face(canvas->cr, FONT, CAIRO_FONT_SLANT_NORMAL,
                                       style->bold ? CAIRO_FONT_WEIGHT_BOLD
                                                   : CAIRO_FONT_WEIGHT_NORMAL);
    canvas->api.cairo_set_font_size(canvas->cr, style->size);
}

double canvas_text_width(struct canvas *canvas, const struct text_style *style, const char *text)
{
    cairo_text_extents_t extents = {.x_advance = 0.0};
    take_font(canvas, style);
    canvas->api.cairo_text_extents(canvas->cr, text, &extents);
    return extents.x_advance;
}

void canvas_text(struct canvas *canvas, double x, double y, const struct text_style *style,
                 const char *text)
{
    const struct cairo_api *api = &canvas->api;
    double width = style->align == TEXT_LEFT ? 0.0 : canvas_text_width(canvas, style, text);
    take_font(canvas, style);
    api->cairo_save(canvas->cr);
    api->cairo_translate(canvas->cr, x, y);
    if (style->upwards) {
        api->cairo_rotate(canvas->cr, -FULL_TURN / 4.0);
    }
    api->cairo_set_source_rgba(canvas->cr, style->colour.red, style->colour.green,
                               style->colour.blue, 1.0);
    api->cairo_move_to(canvas->cr, style->align == TEXT_MIDDLE ? -0.5 * width : -width, 0.0);
    api->cairo_show_text(canvas->cr, text);
    api->cairo_restore(canvas->cr);
}

/* The place at or before `at` where a character of UTF-8 begins. */
static size_t begin_of_character(const char *text, size_t at)
{
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80) {
        at--;
    }
    return at;
}

const char *canvas_cut(struct canvas *canvas, const struct text_style *style, const char *text,
                       double width, struct arena *arena)
{
    size_t len = strlen(text);
    if (canvas_text_width(canvas, style, text) <= width) {
        return text;
    }
    char *cut = arena_alloc(arena, len + sizeof ELLIPSIS);
    for (size_t kept = len; cut != NULL && kept > 1; kept--) {
        size_t head = begin_of_character(text, (kept + 1) / 2);
        size_t tail = begin_of_character(text, len - kept / 2);
        memcpy(cut, text, head);
        memcpy(cut + head, ELLIPSIS, sizeof ELLIPSIS - 1);
        memcpy(cut + head + sizeof ELLIPSIS - 1, text + tail, len - tail + 1);
        if (tail > head && canvas_text_width(canvas, style, cut) <= width) {
            return cut;
        }
    }
    return "";
}
