/* SPDX-License-Identifier: Apache-2.0 */
/* The marks of a panel, and their samples in the legend. */
#ifndef MARK_DRAW_H
#define MARK_DRAW_H

#include "plot/figure_layout.h"

/* What drawing needs beside the marks. */
struct brush {
    struct canvas *canvas;
    const struct theme *theme;
    struct arena *arena; /* for texts that are cut */
};

void mark_draw(const struct brush *brush, const struct frame *frame, const struct mark *mark);
void mark_draw_key(const struct brush *brush, const struct key *key);

/* The colour of a number of a map. */
struct colour mark_map_colour(const struct brush *brush, const struct frame *frame, double value);

#endif
