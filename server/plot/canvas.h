/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page to draw on: lines, areas, discs and text, by Cairo. Places are in pixels of 1/96 inch from
 * the upper left corner, y down, whatever the format.
 *
 * Drawing cannot fail by itself; what went wrong is kept and reported by canvas_finish. There is
 * neither a date nor a random name in a file, so processes that make the same calls write the same
 * bytes. (Within a process Cairo counts its surfaces, and an SVG has the number.) Fonts are those
 * of the machine.
 */
#ifndef CANVAS_H
#define CANVAS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "plot/theme.h"

#include <stdbool.h>
#include <stddef.h>

#define CANVAS_PIXELS_PER_INCH 96.0
#define CANVAS_MAX_PIXELS      20000 /* of a PNG, either way */

enum canvas_format { CANVAS_SVG, CANVAS_PNG, CANVAS_PDF };

struct canvas;

struct canvas_page {
    enum canvas_format format;
    double width, height; /* in pixels of 1/96 inch */
    double dpi;           /* of a PNG: dots per inch */
};

struct box {
    double left, top, right, bottom;
};

struct pen {
    struct colour colour;
    double alpha; /* 0 to 1 */
    double width; /* pixels */
    bool dashed;
    bool crisp; /* areas end at whole dots, so that neighbours leave nothing between them */
};

enum text_align { TEXT_LEFT, TEXT_MIDDLE, TEXT_RIGHT };

struct text_style {
    double size; /* pixels */
    struct colour colour;
    enum text_align align;
    bool bold;
    bool upwards; /* turned by a quarter to the left */
};

/* ERR_UNSUPPORTED (cairo_api.h), ERR_LIMIT (a PNG beyond CANVAS_MAX_PIXELS), ERR_NOMEM. */
enum err_code canvas_open(const struct canvas_page *page, struct canvas **out,
                          struct err *err) MUST_CHECK;

/* The file, by mem; nothing can be drawn afterwards. ERR_NOMEM; ERR_INTERNAL: another fault of
 * Cairo. */
enum err_code canvas_finish(struct canvas *canvas, char **bytes, size_t *n,
                            struct err *err) MUST_CHECK;

/* NULL is fine. */
void canvas_close(struct canvas *canvas);

/* A path is begun, continued by points, and then drawn as a line or filled. */
void canvas_move(struct canvas *canvas, double x, double y);
void canvas_to(struct canvas *canvas, double x, double y);
void canvas_stroke(struct canvas *canvas, const struct pen *pen);
void canvas_fill(struct canvas *canvas, const struct pen *pen);

void canvas_line(struct canvas *canvas, const struct box *ends, const struct pen *pen);
void canvas_rectangle(struct canvas *canvas, const struct box *box, const struct pen *pen);
void canvas_frame(struct canvas *canvas, const struct box *box, const struct pen *pen);
void canvas_disc(struct canvas *canvas, double x, double y, double radius, const struct pen *pen);

/* Until canvas_unclip nothing is drawn outside the box. */
void canvas_clip(struct canvas *canvas, const struct box *box);
void canvas_unclip(struct canvas *canvas);

/* x, y: the end or the middle of the base line. */
void canvas_text(struct canvas *canvas, double x, double y, const struct text_style *style,
                 const char *text);
double canvas_text_width(struct canvas *canvas, const struct text_style *style, const char *text);

/* The text, or as much of its two ends as fits into `width` around an ellipsis, since long names
 * often differ at the end alone; in the arena. "" when memory is short. */
const char *canvas_cut(struct canvas *canvas, const struct text_style *style, const char *text,
                       double width, struct arena *arena);

#endif
