/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/figure_draw.h"

#include "plot/figure_text.h"
#include "plot/mark_draw.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define TICK 4.0

static struct text_style text_in(double size, struct colour colour, enum text_align align)
{
    struct text_style style = layout_text(size);
    style.colour = colour;
    style.align = align;
    return style;
}

/* ---- axes ---- */

static void draw_x_labels(const struct brush *brush, const struct frame *frame)
{
    const struct axis *axis = &frame->panel->x;
    struct text_style style =
        text_in(LAYOUT_SMALL, brush->theme->ink, frame->upright ? TEXT_RIGHT : TEXT_MIDDLE);
    double y = frame->box.bottom + TICK + (frame->upright ? 2.0 : LAYOUT_SMALL + 1.0);
    style.upwards = frame->upright;
    for (int i = 0; axis->categories != NULL && i < axis->n_categories; i++) {
        double width = frame->upright ? frame->label_height
                                      : (frame->box.right - frame->box.left) / axis->n_categories;
        canvas_text(brush->canvas, scale_at(&frame->x, i) + (frame->upright ? 3.5 : 0.0), y, &style,
                    canvas_cut(brush->canvas, &style, axis->categories[i], width, brush->arena));
    }
    for (int i = 0; axis->categories == NULL && !axis->bare && i < frame->x_ticks.n; i++) {
        canvas_text(brush->canvas, scale_at(&frame->x, frame->x_ticks.at[i]), y, &style,
                    frame->x_ticks.labels[i]);
    }
}

static void draw_y_labels(const struct brush *brush, const struct frame *frame)
{
    const struct axis *axis = &frame->panel->y;
    const struct text_style style = text_in(axis->categories != NULL ? LAYOUT_TEXT : LAYOUT_SMALL,
                                            brush->theme->ink, TEXT_RIGHT);
    double x = frame->box.left - TICK - 3.0;
    for (int i = 0; axis->categories != NULL && i < axis->n_categories; i++) {
        canvas_text(brush->canvas, x, scale_at(&frame->y, i) + 3.8, &style,
                    canvas_cut(brush->canvas, &style, axis->categories[i], frame->label_width,
                               brush->arena));
    }
    for (int i = 0; axis->categories == NULL && !axis->bare && i < frame->y_ticks.n; i++) {
        canvas_text(brush->canvas, x, scale_at(&frame->y, frame->y_ticks.at[i]) + 3.6, &style,
                    frame->y_ticks.labels[i]);
    }
}

/* Lines behind the marks. */
static void draw_grid(const struct brush *brush, const struct frame *frame)
{
    const struct pen pen = {.colour = brush->theme->grid, .alpha = 1.0, .width = 0.8};
    const struct box *box = &frame->box;
    for (int i = 0; frame->panel->x.categories == NULL && i < frame->x_ticks.n; i++) {
        double x = scale_at(&frame->x, frame->x_ticks.at[i]);
        canvas_line(brush->canvas, &(struct box){x, box->top, x, box->bottom}, &pen);
    }
    for (int i = 0; frame->panel->y.categories == NULL && i < frame->y_ticks.n; i++) {
        double y = scale_at(&frame->y, frame->y_ticks.at[i]);
        canvas_line(brush->canvas, &(struct box){box->left, y, box->right, y}, &pen);
    }
}

static void draw_ticks(const struct brush *brush, const struct frame *frame)
{
    const struct pen pen = {.colour = brush->theme->axis, .alpha = 1.0, .width = 1.0};
    const struct box *box = &frame->box;
    for (int i = 0; frame->panel->x.categories == NULL && i < frame->x_ticks.n; i++) {
        double x = scale_at(&frame->x, frame->x_ticks.at[i]);
        canvas_line(brush->canvas, &(struct box){x, box->bottom, x, box->bottom + TICK}, &pen);
    }
    for (int i = 0; frame->panel->y.categories == NULL && i < frame->y_ticks.n; i++) {
        double y = scale_at(&frame->y, frame->y_ticks.at[i]);
        canvas_line(brush->canvas, &(struct box){box->left - TICK, y, box->left, y}, &pen);
    }
    canvas_frame(brush->canvas, box, &pen);
}

/* In the upper left corner, on paper of its own. */
static void draw_note(const struct brush *brush, const struct box *box, const char *note)
{
    const struct text_style small = text_in(LAYOUT_SMALL, brush->theme->muted, TEXT_LEFT);
    const struct pen paper = {.colour = brush->theme->background, .alpha = 0.8};
    const char *text =
        canvas_cut(brush->canvas, &small, note, box->right - box->left - 12.0, brush->arena);
    double width = canvas_text_width(brush->canvas, &small, text);
    canvas_rectangle(
        brush->canvas,
        &(struct box){box->left + 4.0, box->top + 4.0, box->left + 10.0 + width, box->top + 19.0},
        &paper);
    canvas_text(brush->canvas, box->left + 7.0, box->top + 15.0, &small, text);
}

static void draw_titles(const struct brush *brush, const struct frame *frame)
{
    const struct box *box = &frame->box;
    const struct panel *panel = frame->panel;
    struct text_style style = text_in(LAYOUT_TEXT, brush->theme->ink, TEXT_MIDDLE);
    if (panel->x.title != NULL) {
        canvas_text(
            brush->canvas, 0.5 * (box->left + box->right),
            box->bottom + TICK + frame->label_height + LAYOUT_TEXT, &style,
            canvas_cut(brush->canvas, &style, panel->x.title, frame->label_room, brush->arena));
    }
    if (panel->y.title != NULL) {
        style.upwards = true;
        canvas_text(brush->canvas, frame->title_x, 0.5 * (box->top + box->bottom), &style,
                    canvas_cut(brush->canvas, &style, panel->y.title, box->bottom - box->top + 6.0,
                               brush->arena));
    }
    if (panel->title != NULL) {
        struct text_style bold = text_in(LAYOUT_HEADING, brush->theme->ink, TEXT_LEFT);
        bold.bold = true;
        canvas_text(
            brush->canvas, box->left, frame->title_y, &bold,
            canvas_cut(brush->canvas, &bold, panel->title, frame->title_room, brush->arena));
    }
    if (panel->note != NULL) {
        draw_note(brush, box, panel->note);
    }
}

/* ---- colours ---- */

#define N_COLOURS 64

static void draw_colours(const struct brush *brush, const struct frame *frame)
{
    const struct box bar = {frame->box.right + LAYOUT_COLOURS, frame->box.top,
                            frame->box.right + 2.0 * LAYOUT_COLOURS, frame->box.bottom};
    const struct pen line = {.colour = brush->theme->axis, .alpha = 1.0, .width = 1.0};
    const struct text_style small = text_in(LAYOUT_SMALL, brush->theme->ink, TEXT_LEFT);
    struct text_style title = text_in(LAYOUT_TEXT, brush->theme->ink, TEXT_MIDDLE);
    double step = (bar.bottom - bar.top) / N_COLOURS;
    double widest = 0.0;
    for (int i = 0; i < N_COLOURS; i++) {
        double share = (i + 0.5) / N_COLOURS;
        double value = frame->colours.lo * (1.0 - share) + frame->colours.hi * share;
        const struct pen pen = {
            .colour = mark_map_colour(brush, frame, value), .alpha = 1.0, .crisp = true};
        double y = bar.bottom - (i + 1) * step;
        canvas_rectangle(brush->canvas, &(struct box){bar.left, y, bar.right, y + step + 0.4},
                         &pen);
    }
    canvas_frame(brush->canvas, &bar, &line);
    for (int i = 0; i < frame->colour_ticks.n; i++) {
        double y = scale_at(&frame->colours, frame->colour_ticks.at[i]);
        canvas_line(brush->canvas, &(struct box){bar.right, y, bar.right + 3.0, y}, &line);
        canvas_text(brush->canvas, bar.right + 5.0, y + 3.6, &small, frame->colour_ticks.labels[i]);
        widest =
            fmax(widest, canvas_text_width(brush->canvas, &small, frame->colour_ticks.labels[i]));
    }
    if (frame->map->scale != NULL) {
        title.upwards = true;
        canvas_text(brush->canvas, bar.right + 5.0 + widest + LAYOUT_TEXT + 2.0,
                    0.5 * (bar.top + bar.bottom), &title,
                    canvas_cut(brush->canvas, &title, frame->map->scale,
                               bar.bottom - bar.top + 20.0, brush->arena));
    }
}

/* ---- the page ---- */

static void draw_frame(const struct brush *brush, const struct frame *frame)
{
    if (frame->panel->empty) {
        return;
    }
    if (frame->map == NULL) {
        draw_grid(brush, frame);
    }
    canvas_clip(brush->canvas, &frame->box);
    for (size_t k = 0; k < frame->panel->n_marks; k++) {
        mark_draw(brush, frame, &frame->panel->marks[k]);
    }
    canvas_unclip(brush->canvas);
    draw_ticks(brush, frame);
    draw_x_labels(brush, frame);
    draw_y_labels(brush, frame);
    draw_titles(brush, frame);
    if (frame->map != NULL) {
        draw_colours(brush, frame);
    }
}

static void draw_page(const struct brush *brush, const struct figure *figure,
                      const struct layout *layout)
{
    const struct pen paper = {.colour = brush->theme->background, .alpha = 1.0};
    struct text_style title = text_in(LAYOUT_TITLE, brush->theme->ink, TEXT_LEFT);
    const struct text_style small = text_in(LAYOUT_TEXT, brush->theme->muted, TEXT_LEFT);
    double room = layout->width - 2.0 * LAYOUT_MARGIN;
    title.bold = true;
    canvas_rectangle(brush->canvas, &(struct box){0.0, 0.0, layout->width, layout->height}, &paper);
    if (figure->title != NULL) {
        canvas_text(brush->canvas, LAYOUT_MARGIN, layout->title_y, &title,
                    canvas_cut(brush->canvas, &title, figure->title, room, brush->arena));
    }
    if (figure->subtitle != NULL) {
        canvas_text(brush->canvas, LAYOUT_MARGIN, layout->subtitle_y, &small,
                    canvas_cut(brush->canvas, &small, figure->subtitle, room, brush->arena));
    }
    for (int i = 0; i < layout->n_keys; i++) {
        mark_draw_key(brush, &layout->keys[i]);
    }
    for (int i = 0; i < layout->n_frames; i++) {
        draw_frame(brush, &layout->frames[i]);
    }
}

/* The height of the page must be known before it is opened, and only a page can measure text. */
static enum err_code find_layout(const struct figure *figure, const struct figure_look *look,
                                 struct layout *layout, struct err *err)
{
    const struct canvas_page page = {
        .format = CANVAS_PNG, .width = 1.0, .height = 1.0, .dpi = CANVAS_PIXELS_PER_INCH};
    struct canvas *canvas = NULL;
    if (canvas_open(&page, &canvas, err) == ERR_OK) {
        layout_figure(figure, canvas, look->width, look->height, layout);
    }
    canvas_close(canvas);
    return err->code;
}

static enum err_code draw(const struct figure *figure, const struct figure_look *look,
                          const struct layout *layout, char **bytes, size_t *n, struct err *err)
{
    const struct canvas_page page = {
        .format = look->format, .width = layout->width, .height = layout->height, .dpi = look->dpi};
    struct canvas *canvas = NULL;
    if (canvas_open(&page, &canvas, err) != ERR_OK) {
        return err->code;
    }
    draw_page(&(struct brush){.canvas = canvas, .theme = look->theme, .arena = figure->arena},
              figure, layout);
    err_kept(canvas_finish(canvas, bytes, n, err));
    canvas_close(canvas);
    return err->code;
}

enum err_code figure_draw(const struct figure *figure, const struct figure_look *look, char **bytes,
                          size_t *n, struct err *err)
{
    if (figure->failed || figure->n_panels == 0) {
        return err_set(err, figure->failed ? ERR_NOMEM : ERR_INTERNAL, "%s",
                       figure->failed ? "no memory for the picture" : "a picture without panels");
    }
    struct layout *layout = mem_alloc(sizeof *layout);
    if (layout == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    if (find_layout(figure, look, layout, err) == ERR_OK &&
        draw(figure, look, layout, bytes, n, err) == ERR_OK && look->format == CANVAS_SVG) {
        err_kept(figure_annotate(figure, layout, bytes, n, err));
    }
    mem_free(layout);
    return err->code;
}
