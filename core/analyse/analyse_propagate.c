/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The distribution of the outputs when the inputs are distributed as the space says: moments,
 * covariance, quantiles, and densities as histograms.
 *
 * Moments come from sums relative to the mean of some points. Quantiles are those of each
 * replicate, with linear interpolation, and their mean over the replicates; a level must therefore
 * have some points of a replicate beyond it. The bins of a histogram are equal and the same for all
 * draws: from the lowest to the highest value at some points, and what lies beyond is in the first
 * and the last bin.
 */
#include "analyse/centre.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MIN_BEYOND 4.0       /* points of a replicate beyond the outermost level */
#define MAX_KEPT   (1 << 24) /* values that a replicate holds */
#define N_BUCKETS  512       /* in which values are before their order is looked for */

struct propagate {
    double *centre; /* [m x o] */
    double *range;  /* [2 x o] */
    double *bins;   /* [o x bins] their middles */
};

/* Statistics of a draw: [o x 4] powers of f, [o x o] products, [o x levels], [o x bins]. */
struct layout {
    size_t products, quantiles, counts, all;
};

static struct layout layout_of(const struct analysis *a)
{
    size_t o = (size_t)a->field->o;
    struct layout at = {.products = 4 * o};
    at.quantiles = at.products + o * o;
    at.counts = at.quantiles + o * (size_t)a->spec->n_levels;
    at.all = at.counts + o * (size_t)a->spec->bins;
    return at;
}

static double propagate_rows(const struct analysis *a)
{
    return a->spec->n;
}

static enum err_code propagate_check(const struct analysis *a, struct err *err)
{
    const struct analyse_spec *spec = a->spec;
    if (spec->n_levels > ANALYSE_MAX_LEVELS || spec->bins < 0 || spec->bins > ANALYSE_MAX_BINS) {
        return err_set(err, ERR_INVALID, "at most %d quantiles and %d bins are possible",
                       ANALYSE_MAX_LEVELS, ANALYSE_MAX_BINS);
    }
    for (int i = 0; i < spec->n_levels; i++) {
        double beyond = fmin(spec->levels[i], 1.0 - spec->levels[i]) * spec->n;
        if (!(beyond >= MIN_BEYOND)) {
            return err_set(err, ERR_INVALID,
                           "quantiles[%d] is %.15g, beyond which %d points of a replicate leave "
                           "fewer than %.0f; ask for more points",
                           i, spec->levels[i], spec->n, MIN_BEYOND);
        }
    }
    double kept = (double)spec->n * a->field->m * a->field->o;
    return kept <= MAX_KEPT
               ? ERR_OK
               : err_set(err, ERR_LIMIT,
                         "points, draws and outputs multiply to %.3g, at most %d are allowed; ask "
                         "for fewer points and more replicates",
                         kept, MAX_KEPT);
}

static enum err_code propagate_plan(struct analysis *a, struct err *err)
{
    struct propagate *own = arena_zalloc_array(a->arena, 1, sizeof *own);
    size_t o = (size_t)a->field->o;
    bool ok = own != NULL;
    const struct analyse_axis out = analysis_outputs(a);
    const struct analyse_axis by_output[] = {out,
                                             {.name = "other", .n = out.n, .labels = out.labels}};
    const struct analyse_axis by_level[] = {
        out, {.name = "level", .n = a->spec->n_levels, .values = a->spec->levels}};
    a->own = own;
    static const char *const names[] = {"mean", "std", "skewness", "kurtosis"};
    for (int i = 0; i < 4; i++) {
        analysis_add_table(a, names[i], 1, by_output, &ok);
    }
    analysis_add_table(a, "covariance", 2, by_output, &ok);
    if (a->spec->n_levels > 0) {
        analysis_add_table(a, "quantiles", 2, by_level, &ok);
    }
    for (size_t c = 0; ok && a->spec->bins > 0 && c < o; c++) {
        /* Each output has bins of its own. */
        const char *const *label = a->spec->output_names + c;
        own->bins = c == 0 ? analysis_array(a, o * (size_t)a->spec->bins, &ok) : own->bins;
        const struct analyse_axis by_bin[] = {
            {.name = "output", .n = 1, .labels = label},
            {.name = "bin", .n = a->spec->bins, .values = own->bins + c * (size_t)a->spec->bins}};
        analysis_add_table(a, "density", 2, by_bin, &ok);
    }
    a->n_statistics = layout_of(a).all;
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for an analysis");
}

static double bin_width(const struct analysis *a, size_t c)
{
    const struct propagate *own = a->own;
    double width = own->range[(size_t)a->field->o + c] - own->range[c];
    return (width > 0.0 ? width : 1.0) / a->spec->bins;
}

static enum err_code propagate_prepare(struct analysis *a, struct err *err)
{
    struct propagate *own = a->own;
    size_t o = (size_t)a->field->o;
    size_t bins = (size_t)a->spec->bins;
    if (centre_make(a, &own->centre, &own->range, err) != ERR_OK) {
        return err->code;
    }
    for (size_t c = 0; c < o; c++) {
        for (size_t b = 0; b < bins; b++) {
            own->bins[c * bins + b] = own->range[c] + ((double)b + 0.5) * bin_width(a, c);
        }
    }
    return ERR_OK;
}

/* ---- a replicate ---- */

/*
 * Puts the k-th smallest of v [n] at place k, no larger ones before and no smaller ones behind it:
 * Hoare's selection.
 */
static void select_kth(double *v, ptrdiff_t n, ptrdiff_t k)
{
    ptrdiff_t low = 0;
    ptrdiff_t high = n - 1;
    while (low < high) {
        double pivot = v[low + (high - low) / 2];
        ptrdiff_t i = low;
        ptrdiff_t j = high;
        while (i <= j) {
            while (v[i] < pivot) {
                i++;
            }
            while (v[j] > pivot) {
                j--;
            }
            if (i <= j) {
                double swapped = v[i];
                v[i++] = v[j];
                v[j--] = swapped;
            }
        }
        if (k > j && k < i) {
            return;
        }
        low = k <= j ? low : i;
        high = k <= j ? j : high;
    }
}

/* What the values of a column need. */
struct column {
    double *values;   /* [n] */
    double *ordered;  /* [n] by buckets */
    uint16_t *bucket; /* [n] */
    double lowest, highest;
};

/*
 * ordered <- the values by buckets of equal width, which follow each other in the order of their
 * values; first [N_BUCKETS + 1] <- where each begins. This costs less than one partition by
 * comparisons, whose branches are not foreseen.
 */
static void put_into_buckets(struct column *c, size_t n, uint32_t *first)
{
    double scale = N_BUCKETS / (c->highest - c->lowest);
    uint32_t next[N_BUCKETS] = {0};
    for (size_t i = 0; i < n; i++) {
        double at = (c->values[i] - c->lowest) * scale;
        c->bucket[i] = at < N_BUCKETS - 1 ? (uint16_t)at : N_BUCKETS - 1;
        next[c->bucket[i]]++;
    }
    first[0] = 0;
    for (size_t b = 0; b < N_BUCKETS; b++) {
        first[b + 1] = first[b] + next[b];
        next[b] = first[b];
    }
    for (size_t i = 0; i < n; i++) {
        c->ordered[next[c->bucket[i]]++] = c->values[i];
    }
}

/* The k-th smallest; `bucket` is where an earlier, smaller k was. */
static double order_statistic(struct column *c, const uint32_t *first, size_t k, size_t *bucket)
{
    while (first[*bucket + 1] <= k) {
        (*bucket)++;
    }
    double *part = c->ordered + first[*bucket];
    select_kth(part, (ptrdiff_t)(first[*bucket + 1] - first[*bucket]),
               (ptrdiff_t)(k - first[*bucket]));
    return c->ordered[k];
}

/* As moments_quantiles, without sorting all. */
static void quantiles(struct column *c, size_t n, int n_levels, const double *levels, double *out)
{
    uint32_t first[N_BUCKETS + 1];
    bool flat = !isfinite(N_BUCKETS / (c->highest - c->lowest)); /* or nearly */
    if (flat) {
        memcpy(c->ordered, c->values, n * sizeof *c->ordered);
        memset(first, 0, sizeof first);
        first[N_BUCKETS] = (uint32_t)n;
    } else if (n_levels > 0) {
        put_into_buckets(c, n, first);
    }
    for (int l = 0; l < n_levels; l++) {
        double at = levels[l] * (double)(n - 1);
        size_t k = (size_t)at;
        size_t bucket = 0;
        double value = order_statistic(c, first, k, &bucket);
        double above = k + 1 < n ? order_statistic(c, first, k + 1, &bucket) : value;
        out[l] = value + (at - (double)k) * (above - value);
    }
}

static void add_column(const struct analysis *a, size_t c, struct column *column, double *out)
{
    const struct propagate *own = a->own;
    const struct layout at = layout_of(a);
    size_t n = (size_t)a->spec->n;
    size_t bins = (size_t)a->spec->bins;
    double *counts = out + at.counts + c * bins;
    double lowest = own->range[c];
    double scale = 1.0 / bin_width(a, c);
    double last = (double)bins - 1.0;
    for (size_t i = 0; bins > 0 && i < n; i++) {
        double b = (column->values[i] - lowest) * scale;
        counts[b > 0.0 ? (size_t)(b < last ? b : last) : 0] += 1.0;
    }
    for (size_t b = 0; b < bins; b++) {
        counts[b] /= (double)n;
    }
    quantiles(column, n, a->spec->n_levels, a->spec->levels,
              out + at.quantiles + c * (size_t)a->spec->n_levels);
}

/* y [n x o]: the values of one draw. */
static void add_draw(const struct analysis *a, size_t draw, const double *y, struct column *column,
                     double *out)
{
    const struct propagate *own = a->own;
    const struct layout at = layout_of(a);
    size_t o = (size_t)a->field->o;
    size_t n = (size_t)a->spec->n;
    for (size_t c = 0; c < o; c++) {
        double centre = own->centre[draw * o + c];
        double sums[4] = {0.0};
        column->lowest = column->highest = y[c];
        for (size_t i = 0; i < n; i++) {
            double value = y[i * o + c];
            double f = value - centre;
            sums[0] += f;
            sums[1] += f * f;
            sums[2] += f * f * f;
            sums[3] += f * f * (f * f);
            column->values[i] = value;
            column->lowest = value < column->lowest ? value : column->lowest;
            column->highest = value > column->highest ? value : column->highest;
        }
        for (size_t k = 0; k < 4; k++) {
            out[4 * c + k] = sums[k] / (double)n;
        }
        for (size_t e = 0; e < c; e++) {
            double sum = 0.0;
            for (size_t i = 0; i < n; i++) {
                sum += (y[i * o + c] - centre) * (y[i * o + e] - own->centre[draw * o + e]);
            }
            out[at.products + c * o + e] = sum / (double)n;
        }
        out[at.products + c * o + c] = out[4 * c + 1];
        add_column(a, c, column, out);
    }
}

static enum err_code propagate_replicate(const struct analysis *a, int replicate,
                                         struct arena *scratch, double *out, struct err *err)
{
    size_t n = (size_t)a->spec->n;
    size_t m = (size_t)a->field->m;
    size_t o = (size_t)a->field->o;
    struct points points = {.dims = 0};
    struct arena inner = ARENA_INIT;
    double *u = arena_alloc_array(scratch, n * (size_t)a->n_free, sizeof *u);
    double *x = arena_alloc_array(scratch, n * (size_t)a->field->d, sizeof *x);
    double *y = arena_alloc_array(scratch, m * n * o, sizeof *y);
    struct column column = {.lowest = 0.0};
    column.values = arena_alloc_array(scratch, n, sizeof *column.values);
    column.ordered = arena_alloc_array(scratch, n, sizeof *column.ordered);
    column.bucket = arena_alloc_array(scratch, n, sizeof *column.bucket);
    if (u == NULL || x == NULL || y == NULL || column.values == NULL || column.ordered == NULL ||
        column.bucket == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    memset(out, 0, m * a->n_statistics * sizeof *out);
    if (points_init(&points, a->spec->seed, replicate, a->n_free, err) != ERR_OK) {
        return err->code;
    }
    points_next(&points, (int)n, u);
    points_release(&points);
    analysis_rows(a, (int)n, u, x);
    if (analysis_values(a, (int)n, x, &inner, y, err) == ERR_OK) {
        for (size_t j = 0; j < m; j++) {
            add_draw(a, j, y + j * n * o, &column, out + j * a->n_statistics);
        }
    }
    arena_release(&inner);
    return err->code;
}

/* ---- numbers ---- */

static void finish_moments(const struct analysis *a, size_t c, double centre, const double *s,
                           double *numbers)
{
    const struct analyse_table *t = a->tables;
    double mean = s[0];
    double variance = fmax(s[1] - mean * mean, 0.0);
    double third = s[2] - 3.0 * mean * s[1] + 2.0 * mean * mean * mean;
    double fourth =
        s[3] - 4.0 * mean * s[2] + 6.0 * mean * mean * s[1] - 3.0 * mean * mean * mean * mean;
    numbers[t[0].first + c] = centre + mean;
    numbers[t[1].first + c] = sqrt(variance);
    numbers[t[2].first + c] = variance > 0.0 ? third / (variance * sqrt(variance)) : NAN;
    numbers[t[3].first + c] = variance > 0.0 ? fourth / (variance * variance) : NAN;
}

static enum err_code propagate_finish(const struct analysis *a, int draw, const double *s,
                                      double *numbers, struct err *err)
{
    const struct propagate *own = a->own;
    const struct layout at = layout_of(a);
    const struct analyse_table *t = a->tables;
    size_t o = (size_t)a->field->o;
    size_t bins = (size_t)a->spec->bins;
    for (size_t c = 0; c < o; c++) {
        finish_moments(a, c, own->centre[(size_t)draw * o + c], s + 4 * c, numbers);
        for (size_t e = 0; e <= c; e++) {
            double value = s[at.products + c * o + e] - s[4 * c] * s[4 * e];
            numbers[t[4].first + c * o + e] = value;
            numbers[t[4].first + e * o + c] = value;
        }
    }
    int next = 5;
    if (a->spec->n_levels > 0) {
        memcpy(numbers + t[next++].first, s + at.quantiles,
               o * (size_t)a->spec->n_levels * sizeof *s);
    }
    for (size_t c = 0; bins > 0 && c < o; c++) {
        for (size_t b = 0; b < bins; b++) {
            numbers[t[(size_t)next + c].first + b] = s[at.counts + c * bins + b] / bin_width(a, c);
        }
    }
    return err->code;
}

const struct analyse_ops analyse_propagate_ops = {.points = 1024,
                                                  .check = propagate_check,
                                                  .plan = propagate_plan,
                                                  .prepare = propagate_prepare,
                                                  .replicate = propagate_replicate,
                                                  .finish = propagate_finish,
                                                  .rows = propagate_rows};
