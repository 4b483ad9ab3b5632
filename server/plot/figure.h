/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a picture shows, apart from how it is drawn: panels in rows, each with two axes and marks
 * that hold numbers. From one figure come the picture (figure_draw.h), its numbers as CSV and the
 * note by which a program reads numbers back from an SVG (figure_text.h).
 *
 * Everything lives in the arena; what is pointed to is borrowed and must live as long. Adding sets
 * `failed` when memory is short and gives a place to write to all the same, so that it is enough to
 * look at the end.
 */
#ifndef FIGURE_H
#define FIGURE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define FIGURE_MAX_PANELS 64

enum mark_kind {
    MARK_POINTS, /* discs at x, y; with lower and upper, bars of error through them */
    MARK_LINE,   /* through x, y */
    MARK_BAND,   /* between lower and upper along x */
    MARK_BARS,   /* lying bars from 0 to x at category y */
    MARK_ERRORS, /* lying bars of error from lower to upper at category y */
    MARK_STEPS,  /* standing bars from 0 to y between lower and upper: a histogram */
    MARK_MAP, /* cells [n_y x n_x] of values, x along, y up; its colours have a scale beside it */
    MARK_RULE /* a line across: at x[0], at y[0], or the diagonal when there is neither */
};

struct mark {
    enum mark_kind kind;
    const char *name; /* in the legend and the CSV; NULL: none */
    int colour;       /* of theme_series; MARK_INK: that of text */
    bool dashed;
    bool thin;  /* a line among many */
    bool quiet; /* named in the CSV, but not in the legend */
    size_t n;
    const double *x, *y;         /* [n] */
    const double *lower, *upper; /* [n], or NULL */
    double offset;               /* of bars and errors, in categories: those of a group */
    double thickness;            /* of bars, in categories */
    /* MARK_MAP: n = n_x n_y values; x [n_x] and y [n_y] are the centres of cells */
    const double *values;
    size_t n_x, n_y;
    double low, high;  /* the numbers at both ends of the colours; low >= high: by the values */
    bool diverging;    /* colours for signed numbers; else viridis */
    bool written;      /* numbers stand in the cells */
    const char *scale; /* title of the colours */
};

#define MARK_INK (-1)

struct axis {
    const char *title; /* NULL: none */
    double low, high;  /* low < high: this range; else that of the marks */
    bool log;
    bool tight;                    /* no margin beyond the marks */
    bool from_zero;                /* nothing below 0 is shown */
    bool bare;                     /* ticks without labels, as the next panel has them */
    const char *const *categories; /* [n_categories] names at 0, 1, ..; NULL: numbers */
    int n_categories;
};

struct panel {
    const char *title; /* NULL: none */
    const char *note;  /* in a corner; NULL: none */
    struct axis x, y;
    bool square; /* both axes have the same range, and the frame is a square */
    bool empty;  /* a place in the rows where there is none */
    struct mark *marks;
    size_t n_marks, capacity;
};

struct figure {
    struct arena *arena;
    const char *kind;     /* as the command line names it */
    const char *title;    /* NULL: none */
    const char *subtitle; /* NULL: none */
    int n_columns;        /* panels in a row */
    double panel_height;  /* of the frame, about; 0: by the width */
    bool compact;         /* panels are close to each other */
    struct panel panels[FIGURE_MAX_PANELS];
    int n_panels;
    bool failed;       /* memory was short */
    struct mark spare; /* where a mark goes that has no place */
    struct panel spare_panel;
};

/* Adds an empty panel. Beyond FIGURE_MAX_PANELS the figure has failed. */
struct panel *figure_panel(struct figure *figure);

/* Adds a mark with n numbers to a panel. */
struct mark *figure_mark(struct figure *figure, struct panel *panel, enum mark_kind kind, size_t n);

/* n numbers to write to, NaN at first; NULL when memory is short. */
double *figure_numbers(struct figure *figure, size_t n);

/* Text in the arena; "" when memory is short. */
const char *figure_text(struct figure *figure, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The rule of a panel that is the diagonal, or lies across at x or y. */
void figure_diagonal(struct figure *figure, struct panel *panel);
void figure_rule_x(struct figure *figure, struct panel *panel, double x);
void figure_rule_y(struct figure *figure, struct panel *panel, double y);

/* Counts of values [n] in n_bins equal bins between the extremes, as a mark MARK_STEPS. */
void figure_histogram(struct figure *figure, struct panel *panel, const double *values, size_t n);

/* The extremes of what a panel's marks show along x or y; NaN when there is nothing. */
struct extent {
    double low, high;
};
struct extent figure_extent(const struct panel *panel, bool along_x);

#endif
