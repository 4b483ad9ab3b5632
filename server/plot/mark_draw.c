/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/mark_draw.h"

#include "plot/palette.h"

#include <math.h>
#include <stdio.h>

#define LINE      1.6
#define THIN      0.9
#define OVERLAP   0.35 /* of cells of a map, so that no paper shines through between them */
#define MANY      400  /* points, from where on they are drawn smaller and paler */
#define VERY_MANY 3000
#define CAP       2.5 /* half the length of the ends of bars of error */

static struct colour colour_of(const struct brush *brush, const struct mark *mark)
{
    return mark->colour == MARK_INK ? brush->theme->ink : theme_series(brush->theme, mark->colour);
}

static struct pen pen_of(const struct brush *brush, const struct mark *mark, double width)
{
    return (struct pen){
        .colour = colour_of(brush, mark), .alpha = 1.0, .width = width, .dashed = mark->dashed};
}

/* ---- points ---- */

/* Small ones in small panels. */
static double radius_of(const struct frame *frame, size_t n)
{
    double radius = n >= VERY_MANY ? 1.1 : n >= MANY ? 1.6 : 2.4;
    return fmin(radius, fmax(1.0, (frame->box.right - frame->box.left) / 70.0));
}

static void draw_point_errors(const struct brush *brush, const struct frame *frame,
                              const struct mark *mark)
{
    struct pen pen = pen_of(brush, mark, THIN);
    pen.alpha = mark->n >= MANY ? 0.25 : 0.5;
    for (size_t i = 0; i < mark->n; i++) {
        double x = scale_at(&frame->x, mark->x[i]);
        double from = scale_at(&frame->y, mark->lower[i]);
        double to = scale_at(&frame->y, mark->upper[i]);
        if (isfinite(x) && isfinite(from) && isfinite(to)) {
            canvas_line(brush->canvas, &(struct box){x, from, x, to}, &pen);
        }
    }
}

static void draw_points(const struct brush *brush, const struct frame *frame,
                        const struct mark *mark)
{
    struct pen pen = pen_of(brush, mark, 1.0);
    pen.alpha = mark->n >= VERY_MANY ? 0.35 : mark->n >= MANY ? 0.55 : 0.85;
    if (mark->lower != NULL) {
        draw_point_errors(brush, frame, mark);
    }
    for (size_t i = 0; i < mark->n; i++) {
        double x = scale_at(&frame->x, mark->x[i]);
        double y = scale_at(&frame->y, mark->y[i]);
        if (isfinite(x) && isfinite(y)) {
            canvas_disc(brush->canvas, x, y, radius_of(frame, mark->n), &pen);
        }
    }
}

/* ---- lines and bands ---- */

/* A number that is missing interrupts the line. */
static void draw_line(const struct brush *brush, const struct frame *frame, const struct mark *mark)
{
    struct pen pen = pen_of(brush, mark, mark->thin ? THIN : LINE);
    bool drawing = false;
    pen.alpha = mark->thin ? 0.55 : 1.0;
    for (size_t i = 0; i < mark->n; i++) {
        double x = scale_at(&frame->x, mark->x[i]);
        double y = scale_at(&frame->y, mark->y[i]);
        bool there = isfinite(x) && isfinite(y);
        if (there && drawing) {
            canvas_to(brush->canvas, x, y);
        } else if (there) {
            canvas_move(brush->canvas, x, y);
        }
        drawing = there;
    }
    canvas_stroke(brush->canvas, &pen);
}

/* Grey is for what is expected, and stays behind. */
static double alpha_of_band(const struct mark *mark)
{
    return mark->colour == MARK_INK ? 0.6 * THEME_BAND_ALPHA : THEME_BAND_ALPHA;
}

static void draw_band(const struct brush *brush, const struct frame *frame, const struct mark *mark)
{
    struct pen pen = pen_of(brush, mark, 1.0);
    bool begun = false;
    pen.alpha = alpha_of_band(mark);
    for (size_t i = 0; i < 2 * mark->n; i++) {
        bool there = i < mark->n;
        size_t at = there ? i : 2 * mark->n - 1 - i;
        double x = scale_at(&frame->x, mark->x[at]);
        double y = scale_at(&frame->y, there ? mark->lower[at] : mark->upper[at]);
        if (isfinite(x) && isfinite(y) && begun) {
            canvas_to(brush->canvas, x, y);
        } else if (isfinite(x) && isfinite(y)) {
            canvas_move(brush->canvas, x, y);
            begun = true;
        }
    }
    if (begun) {
        canvas_fill(brush->canvas, &pen);
    }
}

static void draw_rule(const struct brush *brush, const struct frame *frame, const struct mark *mark)
{
    struct pen pen = pen_of(brush, mark, 1.0);
    struct box line = frame->box;
    if (mark->n == 0) {
        return;
    }
    if (isfinite(mark->x[0])) {
        line.left = line.right = scale_at(&frame->x, mark->x[0]);
    } else if (isfinite(mark->y[0])) {
        line.top = line.bottom = scale_at(&frame->y, mark->y[0]);
    } else {
        double low = fmax(frame->x.lo, frame->y.lo);
        double high = fmin(frame->x.hi, frame->y.hi);
        line = (struct box){scale_at(&frame->x, low), scale_at(&frame->y, low),
                            scale_at(&frame->x, high), scale_at(&frame->y, high)};
    }
    pen.colour = mark->colour == MARK_INK ? brush->theme->muted : pen.colour;
    canvas_line(brush->canvas, &line, &pen);
}

/* ---- bars ---- */

static void draw_bars(const struct brush *brush, const struct frame *frame, const struct mark *mark)
{
    struct pen pen = pen_of(brush, mark, 1.0);
    double unit = scale_at(&frame->y, 1.0) - scale_at(&frame->y, 0.0);
    pen.alpha = 0.85;
    for (size_t i = 0; i < mark->n; i++) {
        double middle = scale_at(&frame->y, mark->y[i] + mark->offset);
        double end = scale_at(&frame->x, mark->x[i]);
        double zero = scale_at(&frame->x, fmax(frame->x.lo, fmin(frame->x.hi, 0.0)));
        if (isfinite(end)) {
            const struct box bar = {fmin(zero, end), middle - 0.5 * mark->thickness * unit,
                                    fmax(zero, end), middle + 0.5 * mark->thickness * unit};
            canvas_rectangle(brush->canvas, &bar, &pen);
        }
    }
}

static void draw_errors(const struct brush *brush, const struct frame *frame,
                        const struct mark *mark)
{
    const struct pen pen = pen_of(brush, mark, 1.3);
    const struct pen end = {.colour = pen.colour, .alpha = 1.0, .width = 1.3};
    for (size_t i = 0; i < mark->n; i++) {
        double y = scale_at(&frame->y, mark->y[i] + mark->offset);
        double from = scale_at(&frame->x, mark->lower[i]);
        double to = scale_at(&frame->x, mark->upper[i]);
        if (isfinite(from) && isfinite(to)) {
            canvas_line(brush->canvas, &(struct box){from, y, to, y}, &pen);
            canvas_line(brush->canvas, &(struct box){from, y - CAP, from, y + CAP}, &end);
            canvas_line(brush->canvas, &(struct box){to, y - CAP, to, y + CAP}, &end);
        }
    }
}

static void draw_steps(const struct brush *brush, const struct frame *frame,
                       const struct mark *mark)
{
    struct pen pen = pen_of(brush, mark, 1.0);
    const struct pen edge = {.colour = brush->theme->background, .alpha = 1.0, .width = 0.7};
    pen.alpha = 0.8;
    for (size_t i = 0; i < mark->n; i++) {
        const struct box bar = {scale_at(&frame->x, mark->lower[i]),
                                scale_at(&frame->y, mark->y[i]),
                                scale_at(&frame->x, mark->upper[i]), scale_at(&frame->y, 0.0)};
        if (mark->y[i] > 0.0) {
            canvas_rectangle(brush->canvas, &bar, &pen);
            canvas_frame(brush->canvas, &bar, &edge);
        }
    }
}

/* ---- maps ---- */

struct colour mark_map_colour(const struct brush *brush, const struct frame *frame, double value)
{
    double low = frame->colours.lo;
    double high = frame->colours.hi;
    double share = (0.5 * value - 0.5 * low) / (0.5 * high - 0.5 * low);
    if (!isfinite(value)) {
        return brush->theme->missing;
    }
    return frame->map->diverging ? palette_diverging(share, brush->theme->background)
                                 : palette_viridis(share);
}

static struct colour readable_on(const struct colour *paper)
{
    static const struct colour black = {0.0, 0.0, 0.0};
    static const struct colour white = {1.0, 1.0, 1.0};
    return palette_luminance(*paper) > 0.18 ? black : white;
}

static void write_cell(const struct brush *brush, const struct box *cell, double value,
                       const struct colour *paper)
{
    char text[32];
    struct text_style style = layout_text(LAYOUT_SMALL);
    style.align = TEXT_MIDDLE;
    style.colour = readable_on(paper);
    snprintf(text, sizeof text, "%s%.2f", value < -0.005 ? "\xe2\x88\x92" : "", fabs(value));
    if (canvas_text_width(brush->canvas, &style, text) < cell->right - cell->left &&
        cell->bottom - cell->top > LAYOUT_SMALL) {
        canvas_text(brush->canvas, 0.5 * (cell->left + cell->right),
                    0.5 * (cell->top + cell->bottom) + 3.5, &style, text);
    }
}

struct span {
    double from, to;
};

/* From half-way to the cell before to half-way to the one after, on the paper: of an axis in
 * logarithms half-way in these. Cells at the ends are as wide on both sides. */
static struct span span_of_cell(const struct scale *scale, const double *centres, size_t n,
                                size_t i)
{
    double at = scale_at(scale, centres[i]);
    double before = i > 0 ? scale_at(scale, centres[i - 1]) : NAN;
    double after = i + 1 < n ? scale_at(scale, centres[i + 1]) : NAN;
    if (n < 2) {
        before = scale_at(scale, centres[i] - 1.0);
        after = scale_at(scale, centres[i] + 1.0);
    } else if (i == 0) {
        before = 2.0 * at - after;
    } else if (i + 1 == n) {
        after = 2.0 * at - before;
    }
    double a = 0.5 * (before + at);
    double b = 0.5 * (at + after);
    return (struct span){fmin(a, b), fmax(a, b)};
}

static void draw_map(const struct brush *brush, const struct frame *frame, const struct mark *mark)
{
    for (size_t j = 0; j < mark->n_y; j++) {
        for (size_t i = 0; i < mark->n_x; i++) {
            double value = mark->values[j * mark->n_x + i];
            struct span across = span_of_cell(&frame->x, mark->x, mark->n_x, i);
            struct span up = span_of_cell(&frame->y, mark->y, mark->n_y, j);
            const struct box cell = {across.from, up.from, across.to, up.to};
            const struct pen pen = {
                .colour = mark_map_colour(brush, frame, value), .alpha = 1.0, .crisp = true};
            const struct box wide = {cell.left, cell.top - OVERLAP, cell.right + OVERLAP,
                                     cell.bottom};
            canvas_rectangle(brush->canvas, &wide, &pen);
            if (mark->written && isfinite(value)) {
                write_cell(brush, &cell, value, &pen.colour);
            }
        }
    }
}

void mark_draw(const struct brush *brush, const struct frame *frame, const struct mark *mark)
{
    static void (*const draw[])(const struct brush *, const struct frame *, const struct mark *) = {
        [MARK_POINTS] = draw_points, [MARK_LINE] = draw_line,     [MARK_BAND] = draw_band,
        [MARK_BARS] = draw_bars,     [MARK_ERRORS] = draw_errors, [MARK_STEPS] = draw_steps,
        [MARK_MAP] = draw_map,       [MARK_RULE] = draw_rule};
    draw[mark->kind](brush, frame, mark);
}

/* ---- the legend ---- */

void mark_draw_key(const struct brush *brush, const struct key *key)
{
    const struct mark *mark = key->mark;
    struct pen pen = pen_of(brush, mark, LINE);
    const struct box line = {key->x, key->y, key->x + LAYOUT_KEY, key->y};
    const struct box area = {key->x, key->y - 5.0, key->x + LAYOUT_KEY, key->y + 5.0};
    double middle = key->x + 0.5 * LAYOUT_KEY;
    struct text_style style = layout_text(LAYOUT_TEXT);
    style.colour = brush->theme->ink;
    if (mark->kind == MARK_POINTS) {
        if (mark->lower != NULL) {
            pen.width = THIN;
            canvas_line(brush->canvas, &(struct box){middle, key->y - 6.0, middle, key->y + 6.0},
                        &pen);
        }
        canvas_disc(brush->canvas, middle, key->y, 2.6, &pen);
    } else if (mark->kind == MARK_BAND) {
        pen.alpha = 1.5 * alpha_of_band(mark);
        canvas_rectangle(brush->canvas, &area, &pen);
    } else if (mark->kind == MARK_BARS || mark->kind == MARK_STEPS) {
        canvas_rectangle(brush->canvas, &area, &pen);
    } else {
        if (mark->kind == MARK_RULE && mark->colour == MARK_INK) {
            pen.colour = brush->theme->muted;
        }
        canvas_line(brush->canvas, &line, &pen);
        if (mark->kind == MARK_ERRORS) {
            pen.dashed = false;
            canvas_line(brush->canvas,
                        &(struct box){area.left, key->y - 3.0, area.left, key->y + 3.0}, &pen);
            canvas_line(brush->canvas,
                        &(struct box){area.right, key->y - 3.0, area.right, key->y + 3.0}, &pen);
        }
    }
    canvas_text(brush->canvas, key->x + LAYOUT_KEY + 6.0, key->y + 4.0, &style, mark->name);
}
