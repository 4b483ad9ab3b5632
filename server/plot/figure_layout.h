/* SPDX-License-Identifier: Apache-2.0 */
/* Where everything of a figure goes: computed before anything is drawn, since the height of a page
 * follows from what is on it. Places are those of canvas.h. */
#ifndef FIGURE_LAYOUT_H
#define FIGURE_LAYOUT_H

#include "plot/canvas.h"
#include "plot/figure.h"
#include "plot/ticks.h"

#define LAYOUT_TEXT     11.0 /* sizes of text, pixels */
#define LAYOUT_SMALL    10.0
#define LAYOUT_HEADING  12.0
#define LAYOUT_TITLE    15.0
#define LAYOUT_MARGIN   14.0 /* around the page */
#define LAYOUT_KEY      22.0 /* width of a sample in the legend */
#define LAYOUT_LINE     17.0 /* height of a line of the legend */
#define LAYOUT_COLOURS  10.0 /* width of the scale of colours, and its distance from the frame */
#define LAYOUT_MAX_KEYS 16

/* A panel on the page. */
struct frame {
    const struct panel *panel;
    struct box box;    /* the frame itself */
    struct scale x, y; /* from numbers to places */
    struct ticks x_ticks, y_ticks;
    const struct mark *map; /* NULL: none */
    struct scale colours;   /* from its numbers to places along the scale of colours */
    struct ticks colour_ticks;
    double title_x;    /* base line of the title of the y axis */
    double title_y;    /* and of the panel's */
    double title_room; /* width for the panel's title, and for that of the x axis */
    double label_room;
    double label_width;  /* room of labels at the y axis */
    double label_height; /* room of labels below the x axis */
    bool upright;        /* labels below the x axis are turned */
};

struct key {
    const struct mark *mark;
    double x, y; /* left end, middle */
};

struct layout {
    double width, height; /* of the page */
    double title_y, subtitle_y;
    struct key keys[LAYOUT_MAX_KEYS];
    int n_keys;
    int n_frames;
    struct frame frames[FIGURE_MAX_PANELS];
};

/* The style of a text of that size, in black, from the left. */
struct text_style layout_text(double size);

/*
 * `canvas` measures texts. height 0: as the panels need it; else they share what there is of it.
 */
void layout_figure(const struct figure *figure, struct canvas *canvas, double width, double height,
                   struct layout *out);

#endif
