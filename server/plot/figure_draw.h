/* SPDX-License-Identifier: Apache-2.0 */
/* A figure as a picture: SVG, PNG or PDF. */
#ifndef FIGURE_DRAW_H
#define FIGURE_DRAW_H

#include "plot/canvas.h"
#include "plot/figure.h"

struct figure_look {
    const struct theme *theme;
    enum canvas_format format;
    double width;  /* in pixels of 1/96 inch */
    double height; /* 0: as the figure needs it */
    double dpi;    /* of a PNG */
};

/*
 * The file, by mem. An SVG has the figure's title and description, and as `metadata` the note of
 * figure_text.h. ERR_NOMEM (also when the figure has failed), ERR_LIMIT, ERR_UNSUPPORTED
 * (canvas.h).
 */
enum err_code figure_draw(const struct figure *figure, const struct figure_look *look, char **bytes,
                          size_t *n, struct err *err) MUST_CHECK;

#endif
