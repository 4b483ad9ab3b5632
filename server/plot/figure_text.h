/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of a figure as text: CSV, and what an SVG says of itself. */
#ifndef FIGURE_TEXT_H
#define FIGURE_TEXT_H

#include "base/textbuf.h"
#include "plot/figure_layout.h"

/*
 * A line for each number that is drawn: panel,series,x,y,lower,upper,value. Of a category there is
 * its name. Numbers have the shortest form that reads back as the same double; a number that is
 * missing is an empty field.
 */
void figure_write_csv(const struct figure *figure, struct textbuf *out);

/*
 * Puts title, description and metadata into an SVG: JSON with the kind of the figure and, for each
 * panel and axis, the numbers at the two ends and their places in the picture, so that a program
 * reads numbers back from places. *bytes, by mem, is replaced, and freed when that fails:
 * ERR_NOMEM, ERR_INTERNAL (it is no SVG).
 */
enum err_code figure_annotate(const struct figure *figure, const struct layout *layout,
                              char **bytes, size_t *n, struct err *err) MUST_CHECK;

#endif
