/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/figure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_MARKS 8
#define MAX_BINS    40

struct panel *figure_panel(struct figure *figure)
{
    if (figure->n_panels == FIGURE_MAX_PANELS) {
        figure->failed = true;
        figure->spare_panel = (struct panel){.empty = true};
        return &figure->spare_panel;
    }
    struct panel *panel = &figure->panels[figure->n_panels++];
    *panel = (struct panel){.empty = false};
    return panel;
}

struct mark *figure_mark(struct figure *figure, struct panel *panel, enum mark_kind kind, size_t n)
{
    if (panel->n_marks == panel->capacity) {
        size_t capacity = panel->capacity > 0 ? 2 * panel->capacity : FIRST_MARKS;
        struct mark *grown = arena_alloc_array(figure->arena, capacity, sizeof *grown);
        if (grown == NULL) {
            figure->failed = true;
            figure->spare = (struct mark){.kind = kind};
            return &figure->spare;
        }
        if (panel->n_marks > 0) {
            memcpy(grown, panel->marks, panel->n_marks * sizeof *grown);
        }
        panel->marks = grown;
        panel->capacity = capacity;
    }
    struct mark *mark = &panel->marks[panel->n_marks++];
    *mark = (struct mark){.kind = kind, .n = n, .thickness = 0.7};
    return mark;
}

double *figure_numbers(struct figure *figure, size_t n)
{
    double *numbers = arena_alloc_array(figure->arena, n, sizeof *numbers);
    for (size_t i = 0; numbers != NULL && i < n; i++) {
        numbers[i] = NAN;
    }
    figure->failed = figure->failed || numbers == NULL;
    return numbers;
}

const char *figure_text(struct figure *figure, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = len >= 0 ? arena_alloc(figure->arena, (size_t)len + 1) : NULL;
    if (text == NULL) {
        figure->failed = true;
        return "";
    }
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

/* ---- rules ---- */

static void add_rule(struct figure *figure, struct panel *panel, double x, double y)
{
    struct mark *mark = figure_mark(figure, panel, MARK_RULE, 1);
    double *at = figure_numbers(figure, 2);
    if (at != NULL) {
        at[0] = x;
        at[1] = y;
        mark->x = at;
        mark->y = at + 1;
    } else {
        mark->n = 0;
    }
    mark->colour = MARK_INK;
    mark->dashed = true;
}

void figure_diagonal(struct figure *figure, struct panel *panel)
{
    add_rule(figure, panel, NAN, NAN);
}

void figure_rule_x(struct figure *figure, struct panel *panel, double x)
{
    add_rule(figure, panel, x, NAN);
}

void figure_rule_y(struct figure *figure, struct panel *panel, double y)
{
    add_rule(figure, panel, NAN, y);
}

/* ---- histograms ---- */

static void widen(struct extent *extent, double value)
{
    if (isfinite(value)) {
        extent->low = extent->low <= value ? extent->low : value;
        extent->high = extent->high >= value ? extent->high : value;
    }
}

/* Sturges' number of bins times two, which suits more than normal data. */
static size_t choose_bins(size_t n)
{
    size_t bins = 2 * ((size_t)ceil(log2((double)n + 1.0)) + 1);
    return bins > MAX_BINS ? MAX_BINS : bins;
}

static size_t find_bin(const struct extent *range, double value, size_t bins)
{
    double share = (0.5 * value - 0.5 * range->low) / (0.5 * range->high - 0.5 * range->low);
    size_t bin = (size_t)(share * (double)bins);
    return bin < bins ? bin : bins - 1;
}

void figure_histogram(struct figure *figure, struct panel *panel, const double *values, size_t n)
{
    struct extent range = {NAN, NAN};
    for (size_t i = 0; i < n; i++) {
        widen(&range, values[i]);
    }
    bool constant = !(range.low < range.high);
    if (constant) {
        double half = isfinite(range.low) && range.low != 0.0 ? 0.05 * fabs(range.low) : 0.5;
        range = (struct extent){range.low - half, range.high + half};
    }
    size_t bins = constant ? 1 : choose_bins(n);
    struct mark *mark = figure_mark(figure, panel, MARK_STEPS, bins);
    double *numbers = figure_numbers(figure, 4 * bins);
    if (numbers == NULL || isnan(range.low)) {
        mark->n = 0;
        return;
    }
    double *counts = numbers + 3 * bins;
    for (size_t b = 0; b < bins; b++) {
        double step = range.high / (double)bins - range.low / (double)bins;
        numbers[b] = range.low + ((double)b + 0.5) * step;
        numbers[bins + b] = range.low + (double)b * step;
        numbers[2 * bins + b] = range.low + (double)(b + 1) * step;
        counts[b] = 0.0;
    }
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            counts[find_bin(&range, values[i], bins)] += 1.0;
        }
    }
    mark->x = numbers;
    mark->lower = numbers + bins;
    mark->upper = numbers + 2 * bins;
    mark->y = counts;
}

/* ---- extremes ---- */

static void widen_by_list(struct extent *extent, const double *values, size_t n)
{
    for (size_t i = 0; values != NULL && i < n; i++) {
        widen(extent, values[i]);
    }
}

/* Half a cell beyond the centres; of an axis in logarithms half in these. */
static void widen_by_cells(struct extent *extent, const double *centres, size_t n, bool log)
{
    if (n == 1 && centres != NULL) {
        widen(extent, centres[0] - 0.5);
        widen(extent, centres[0] + 0.5);
    } else if (n > 1 && centres != NULL && log) {
        widen(extent, centres[0] / sqrt(centres[1] / centres[0]));
        widen(extent, centres[n - 1] * sqrt(centres[n - 1] / centres[n - 2]));
    } else if (n > 1 && centres != NULL) {
        widen(extent, centres[0] - 0.5 * (centres[1] - centres[0]));
        widen(extent, centres[n - 1] + 0.5 * (centres[n - 1] - centres[n - 2]));
    }
}

struct extent figure_extent(const struct panel *panel, bool along_x)
{
    struct extent extent = {NAN, NAN};
    for (size_t k = 0; k < panel->n_marks; k++) {
        const struct mark *mark = &panel->marks[k];
        bool spread_along_x = mark->kind == MARK_ERRORS || mark->kind == MARK_STEPS;
        if (mark->kind == MARK_MAP) {
            widen_by_cells(&extent, along_x ? mark->x : mark->y, along_x ? mark->n_x : mark->n_y,
                           along_x ? panel->x.log : panel->y.log);
            continue;
        }
        widen_by_list(&extent, along_x ? mark->x : mark->y, mark->n);
        if (along_x == spread_along_x) {
            widen_by_list(&extent, mark->lower, mark->n);
            widen_by_list(&extent, mark->upper, mark->n);
        }
        if ((mark->kind == MARK_BARS && along_x) || (mark->kind == MARK_STEPS && !along_x)) {
            widen(&extent, 0.0);
        }
    }
    return extent;
}
