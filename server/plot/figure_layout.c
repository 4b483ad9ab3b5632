/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Panels stand in rows and columns. All frames of a column begin at one place, which the widest
 * labels of the column decide, and all frames of a row have one height, so that axes line up.
 */
#include "plot/figure_layout.h"

#include <math.h>
#include <string.h>

#define GAP_X         20.0
#define GAP_Y         14.0
#define GAP_COMPACT   7.0
#define TICK          4.0
#define ASPECT        0.68 /* height of a frame by its width */
#define MAX_FRAME     330.0
#define MAX_SQUARE    430.0
#define MIN_FRAME     60.0
#define CATEGORY      19.0 /* height of a bar with its gap */
#define MAX_LABELS    0.42 /* of a cell's width that labels may take */
#define MAX_UPRIGHT   90.0
#define PIXELS_A_TICK 42.0
#define PIXELS_X_TICK 52.0
#define COLOUR_LABELS 50.0

struct text_style layout_text(double size)
{
    return (struct text_style){.size = size, .align = TEXT_LEFT};
}

/* ---- ranges ---- */

static struct scale range_of(const struct panel *panel, bool along_x)
{
    const struct axis *axis = along_x ? &panel->x : &panel->y;
    if (axis->categories != NULL) {
        return (struct scale){.lo = -0.5,
                              .hi = (axis->n_categories > 0 ? axis->n_categories : 1) - 0.5};
    }
    if (axis->low < axis->high) {
        return (struct scale){.lo = axis->low, .hi = axis->high, .log = axis->log};
    }
    struct extent extent = figure_extent(panel, along_x);
    struct scale scale = scale_around(extent.low, extent.high, axis->log);
    if (axis->tight && extent.low < extent.high) {
        scale.lo = extent.low;
        scale.hi = extent.high;
    }
    if (axis->from_zero && scale.hi > 0.0) {
        scale.lo = 0.0;
    }
    /* Bars stand on the axis. */
    for (size_t k = 0; k < panel->n_marks && !axis->log; k++) {
        enum mark_kind kind = panel->marks[k].kind;
        if (extent.low >= 0.0 && extent.high > 0.0 && kind == (along_x ? MARK_BARS : MARK_STEPS)) {
            scale.lo = 0.0;
        }
    }
    return scale;
}

static void find_ranges(struct frame *frame)
{
    frame->x = range_of(frame->panel, true);
    frame->y = range_of(frame->panel, false);
    if (frame->panel->square) {
        frame->x.lo = frame->y.lo = fmin(frame->x.lo, frame->y.lo);
        frame->x.hi = frame->y.hi = fmax(frame->x.hi, frame->y.hi);
    }
}

static void find_colours(struct frame *frame)
{
    frame->map = NULL;
    for (size_t k = 0; k < frame->panel->n_marks; k++) {
        if (frame->panel->marks[k].kind == MARK_MAP) {
            frame->map = &frame->panel->marks[k];
        }
    }
    if (frame->map == NULL) {
        return;
    }
    const struct mark *map = frame->map;
    double low = map->low;
    double high = map->high;
    for (size_t i = 0; i < map->n && !(map->low < map->high); i++) {
        if (isfinite(map->values[i])) {
            low = i > 0 && low <= map->values[i] ? low : map->values[i];
            high = i > 0 && high >= map->values[i] ? high : map->values[i];
        }
    }
    struct scale safe = scale_around(low, high, false);
    bool differ = high - low > 1e-12 * fmax(fabs(low), fabs(high));
    frame->colours = (struct scale){.lo = differ ? low : safe.lo, .hi = differ ? high : safe.hi};
}

/* ---- labels ---- */

static double widest_category(struct canvas *canvas, const struct axis *axis)
{
    const struct text_style style = layout_text(LAYOUT_TEXT);
    double widest = 0.0;
    for (int i = 0; i < axis->n_categories; i++) {
        widest = fmax(widest, canvas_text_width(canvas, &style, axis->categories[i]));
    }
    return widest;
}

static double widest_tick(struct canvas *canvas, const struct ticks *ticks)
{
    const struct text_style style = layout_text(LAYOUT_SMALL);
    double widest = 0.0;
    for (int i = 0; i < ticks->n; i++) {
        widest = fmax(widest, canvas_text_width(canvas, &style, ticks->labels[i]));
    }
    return widest;
}

static double distance_of_ticks(const struct frame *frame, double width)
{
    struct scale scale = frame->x;
    scale.from = 0.0;
    scale.to = width;
    return scale_at(&scale, frame->x_ticks.at[1]) - scale_at(&scale, frame->x_ticks.at[0]);
}

/* Leaves every other tick out. */
static void thin_ticks(struct ticks *ticks)
{
    int n = 0;
    for (int i = 0; i < ticks->n; i += 2) {
        ticks->at[n] = ticks->at[i];
        memmove(ticks->labels[n++], ticks->labels[i], sizeof ticks->labels[i]);
    }
    ticks->n = n;
}

static bool is_crowded(struct canvas *canvas, const struct frame *frame, double width)
{
    return frame->x_ticks.n > 1 &&
           widest_tick(canvas, &frame->x_ticks) + 8.0 > distance_of_ticks(frame, width);
}

/* Ticks of the x axis, fewer of them until their labels are apart. */
static void find_x_ticks(struct canvas *canvas, struct frame *frame, double width)
{
    int want = (int)(width / PIXELS_X_TICK);
    do {
        ticks_find(&frame->x, want, &frame->x_ticks);
        want--;
    } while (want >= 2 && is_crowded(canvas, frame, width));
    while (is_crowded(canvas, frame, width)) {
        thin_ticks(&frame->x_ticks);
    }
}

static void find_x_labels(struct canvas *canvas, struct frame *frame, double width)
{
    const struct axis *axis = &frame->panel->x;
    frame->upright = false;
    frame->label_height = LAYOUT_SMALL + 6.0;
    if (axis->categories == NULL) {
        find_x_ticks(canvas, frame, width);
        frame->label_height = axis->bare ? 0.0 : frame->label_height;
        return;
    }
    double widest = widest_category(canvas, axis);
    frame->upright = (widest + 8.0) * axis->n_categories > width;
    if (frame->upright) {
        frame->label_height = fmin(widest, MAX_UPRIGHT) + 6.0;
    }
}

static double find_y_labels(struct canvas *canvas, struct frame *frame, double height, double cell)
{
    const struct axis *axis = &frame->panel->y;
    if (axis->categories != NULL) {
        frame->label_width = fmin(widest_category(canvas, axis), MAX_LABELS * cell) + 2.0;
    } else {
        ticks_find(&frame->y, (int)(height / PIXELS_A_TICK), &frame->y_ticks);
        frame->label_width = axis->bare ? 0.0 : widest_tick(canvas, &frame->y_ticks);
    }
    return frame->label_width + TICK + 3.0 + (axis->title != NULL ? LAYOUT_TEXT + 7.0 : 0.0);
}

/* ---- rows and columns ---- */

struct grid {
    int n_columns, n_rows;
    double gap_x, gap_y;             /* between columns and rows of panels */
    double cell;                     /* width of a column, if all were alike */
    double width;                    /* of all frames */
    double left[FIGURE_MAX_PANELS];  /* of a column: from its cell to its frames */
    double right[FIGURE_MAX_PANELS]; /* beyond its frames */
    double top[FIGURE_MAX_PANELS];   /* of a row: above its frames */
    double frame[FIGURE_MAX_PANELS]; /* height of its frames */
    double below[FIGURE_MAX_PANELS];
};

static double wanted_height(const struct figure *figure, const struct frame *frame, double width)
{
    const struct panel *panel = frame->panel;
    if (panel->square) {
        return fmin(width, MAX_SQUARE);
    }
    if (panel->y.categories != NULL && frame->map == NULL) {
        return fmax(MIN_FRAME, CATEGORY * panel->y.n_categories + 8.0);
    }
    if (panel->y.categories != NULL) {
        return fmax(MIN_FRAME, fmin(width, fmax(CATEGORY, width / panel->x.n_categories) *
                                               panel->y.n_categories));
    }
    return figure->panel_height > 0.0 ? figure->panel_height
                                      : fmin((figure->compact ? 0.85 : ASPECT) * width, MAX_FRAME);
}

static void measure_columns(struct canvas *canvas, struct layout *layout, struct grid *grid)
{
    for (int i = 0; i < layout->n_frames; i++) {
        struct frame *frame = &layout->frames[i];
        int column = i % grid->n_columns;
        if (!frame->panel->empty) {
            double known = grid->frame[i / grid->n_columns];
            double height = known > 0.0 ? known : ASPECT * grid->cell;
            grid->left[column] =
                fmax(grid->left[column], find_y_labels(canvas, frame, height, grid->cell));
            grid->right[column] =
                fmax(grid->right[column], frame->map != NULL
                                              ? 2.0 * LAYOUT_COLOURS + COLOUR_LABELS +
                                                    (frame->map->scale != NULL ? LAYOUT_TEXT : 0.0)
                                              : 4.0);
        }
    }
}

/* What labels leave of the page, in equal parts. */
static void find_width(struct grid *grid, double page)
{
    double room = page - 2.0 * LAYOUT_MARGIN - grid->gap_x * (grid->n_columns - 1);
    for (int c = 0; c < grid->n_columns; c++) {
        room -= grid->left[c] + grid->right[c];
    }
    grid->width = fmax(room / grid->n_columns, 10.0);
}

static void measure_rows(const struct figure *figure, struct canvas *canvas, struct layout *layout,
                         struct grid *grid)
{
    for (int i = 0; i < layout->n_frames; i++) {
        struct frame *frame = &layout->frames[i];
        int row = i / grid->n_columns;
        if (frame->panel->empty) {
            continue;
        }
        find_x_labels(canvas, frame, grid->width);
        double below =
            frame->label_height + TICK + (frame->panel->x.title != NULL ? LAYOUT_TEXT + 6.0 : 0.0);
        grid->below[row] = fmax(grid->below[row], below);
        grid->top[row] = fmax(grid->top[row], frame->panel->title != NULL ? 20.0 : 5.0);
        grid->frame[row] = fmax(grid->frame[row], wanted_height(figure, frame, grid->width));
    }
}

/* Rows that share a given height. */
static void fit_rows(struct grid *grid, double room)
{
    double fixed = grid->gap_y * (grid->n_rows - 1);
    double frames = 0.0;
    for (int r = 0; r < grid->n_rows; r++) {
        fixed += grid->top[r] + grid->below[r];
        frames += grid->frame[r];
    }
    double share = (room - fixed) / frames;
    for (int r = 0; r < grid->n_rows; r++) {
        grid->frame[r] = fmax(MIN_FRAME / 2.0, grid->frame[r] * share);
    }
}

/* ---- places ---- */

static void place_frame(struct canvas *canvas, struct frame *frame, const struct box *room)
{
    struct box box = *room;
    if (frame->panel->square) {
        double side = fmin(box.right - box.left, box.bottom - box.top);
        box.right = box.left + side;
        box.bottom = box.top + side;
    }
    frame->box = box;
    frame->x.from = box.left;
    frame->x.to = box.right;
    frame->y.from = box.bottom;
    frame->y.to = box.top;
    if (frame->panel->y.categories != NULL) {
        /* The first one is at the top. */
        frame->y.from = box.top;
        frame->y.to = box.bottom;
    } else {
        ticks_find(&frame->y, (int)((box.bottom - box.top) / PIXELS_A_TICK), &frame->y_ticks);
    }
    if (frame->panel->x.categories == NULL) {
        find_x_ticks(canvas, frame, box.right - box.left);
    }
    if (frame->panel->square && frame->panel->x.categories == NULL) {
        frame->y_ticks = frame->x_ticks; /* both axes have one range */
    }
    if (frame->map != NULL) {
        frame->colours.from = box.bottom;
        frame->colours.to = box.top;
        ticks_find(&frame->colours, (int)((box.bottom - box.top) / PIXELS_A_TICK),
                   &frame->colour_ticks);
    }
}

static double place_panels(struct canvas *canvas, struct layout *layout, const struct grid *grid,
                           double top)
{
    double y = top;
    double x = LAYOUT_MARGIN;
    for (int i = 0; i < layout->n_frames; i++) {
        struct frame *frame = &layout->frames[i];
        int column = i % grid->n_columns;
        int row = i / grid->n_columns;
        if (column > 0) {
            x += grid->left[column - 1] + grid->width + grid->right[column - 1] + grid->gap_x;
        } else {
            x = LAYOUT_MARGIN;
        }
        if (column == 0 && row > 0) {
            y += grid->top[row - 1] + grid->frame[row - 1] + grid->below[row - 1] + grid->gap_y;
        }
        const struct box room = {.left = x + grid->left[column],
                                 .top = y + grid->top[row],
                                 .right = x + grid->left[column] + grid->width,
                                 .bottom = y + grid->top[row] + grid->frame[row]};
        frame->title_y = room.top - 7.0;
        frame->title_x = x + LAYOUT_TEXT - 2.0;
        frame->title_room = grid->width + grid->right[column];
        frame->label_room = grid->width + grid->gap_x - 3.0;
        if (!frame->panel->empty) {
            place_frame(canvas, frame, &room);
        }
    }
    int last = grid->n_rows - 1;
    return y + grid->top[last] + grid->frame[last] + grid->below[last];
}

/* ---- the legend ---- */

static bool has_key(const struct layout *layout, const struct mark *mark)
{
    for (int i = 0; i < layout->n_keys; i++) {
        if (strcmp(layout->keys[i].mark->name, mark->name) == 0) {
            return true;
        }
    }
    return false;
}

/* Each name once, in the order of the panels. The y below the legend. */
static double place_keys(const struct figure *figure, struct canvas *canvas, struct layout *layout,
                         double top)
{
    const struct text_style style = layout_text(LAYOUT_TEXT);
    double x = LAYOUT_MARGIN;
    double y = top + 0.5 * LAYOUT_LINE;
    for (int p = 0; p < figure->n_panels; p++) {
        const struct panel *panel = &figure->panels[p];
        for (size_t k = 0; k < panel->n_marks && layout->n_keys < LAYOUT_MAX_KEYS; k++) {
            const struct mark *mark = &panel->marks[k];
            if (mark->name == NULL || mark->quiet || has_key(layout, mark)) {
                continue;
            }
            double width = LAYOUT_KEY + 6.0 + canvas_text_width(canvas, &style, mark->name);
            if (x > LAYOUT_MARGIN && x + width > layout->width - LAYOUT_MARGIN) {
                x = LAYOUT_MARGIN;
                y += LAYOUT_LINE;
            }
            layout->keys[layout->n_keys++] = (struct key){.mark = mark, .x = x, .y = y};
            x += width + 16.0;
        }
    }
    return layout->n_keys > 0 ? y + 0.5 * LAYOUT_LINE + 6.0 : top;
}

void layout_figure(const struct figure *figure, struct canvas *canvas, double width, double height,
                   struct layout *out)
{
    struct grid grid = {.n_columns = figure->n_columns,
                        .gap_x = figure->compact ? GAP_COMPACT : GAP_X,
                        .gap_y = figure->compact ? GAP_COMPACT : GAP_Y};
    double top = LAYOUT_MARGIN;
    *out = (struct layout){.width = width, .n_frames = figure->n_panels};
    if (figure->title != NULL) {
        out->title_y = top + LAYOUT_TITLE - 2.0;
        top += LAYOUT_TITLE + 6.0;
    }
    if (figure->subtitle != NULL) {
        out->subtitle_y = top + LAYOUT_TEXT - 1.0;
        top += LAYOUT_TEXT + 9.0;
    }
    top = place_keys(figure, canvas, out, top);
    grid.n_rows = (figure->n_panels + grid.n_columns - 1) / grid.n_columns;
    grid.cell = (width - 2.0 * LAYOUT_MARGIN - grid.gap_x * (grid.n_columns - 1)) / grid.n_columns;
    for (int i = 0; i < out->n_frames; i++) {
        out->frames[i].panel = &figure->panels[i];
        find_ranges(&out->frames[i]);
        find_colours(&out->frames[i]);
    }
    /* Labels take room from the frames, whose heights decide on the labels: a second round starts
     * from heights that are nearly right. */
    for (int round = 0; round < 2; round++) {
        measure_columns(canvas, out, &grid);
        find_width(&grid, width);
        measure_rows(figure, canvas, out, &grid);
    }
    if (height > 0.0) {
        fit_rows(&grid, height - top - LAYOUT_MARGIN);
    }
    double bottom = place_panels(canvas, out, &grid, top);
    out->height = height > 0.0 ? height : ceil(bottom + LAYOUT_MARGIN);
}
