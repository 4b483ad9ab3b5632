/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments: those of an upload are computed in two passes (the mean, then deviations from it) and
 * joined by the pairwise formula of Chan, Golub and LeVeque [1], which does not cancel as sums of
 * squares would.
 *
 * Quantiles: a merging t-digest [2]. The values of a column are represented by at most
 * COLUMN_POINTS centroids with weights. Joining sorts the centroids of both sides and merges
 * neighbours as long as the scale function k(q) = delta / (2 pi) asin(2 q - 1) grows by at most 1,
 * so centroids are small near the extremes and hold about 9 % of the values in the middle. That is
 * coarse, but enough: the quartiles are only used to find values ten times farther out.
 *
 * Where we differ:
 * - Of an upload of more than SAMPLE_ROWS rows only that many enter the sketch, with the weight of
 *   all, because sorting all would cost more than reading them. One row is drawn from each of
 *   SAMPLE_ROWS equal stretches. They are not taken at equal distances, which could agree with the
 *   loops of a grid and pick the same value each time. The rank of an estimated quartile has a
 *   standard error of about 1.4 %.
 * - Equal values form one centroid, whatever their weight, and a value that more than an eighth of
 *   the rows have is neither averaged with others nor interpolated. So the quartiles of a column of
 *   zeros and ones are zeros and ones, and not a little above zero, which would make each one an
 *   outlier.
 *
 * That values are missing shows in the mean, which is NaN then, so that complete columns cost
 * nothing more. Such columns are computed once more, from what is there.
 *
 * [1] Updating formulae and a pairwise algorithm for computing sample variances, 1979.
 * [2] T. Dunning, O. Ertl, Computing extremely accurate quantiles using t-digests, 2019.
 */
#include "store/data/column_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI          3.14159265358979323846
#define DELTA       (COLUMN_POINTS - 2) /* at most DELTA + 1 centroids come out */
#define SAMPLE_ROWS 1024
#define HEAVY       8 /* a centroid of more than n / HEAVY rows is a single value */

struct centroid {
    double at;
    double weight;
};

/* Makes one of sorted centroids at the same place. Returns how many are left. */
static int join_equal(struct centroid *list, int n)
{
    int m = 0;
    for (int i = 0; i < n; i++) {
        if (m > 0 && list[m - 1].at == list[i].at) {
            list[m - 1].weight += list[i].weight;
        } else {
            list[m++] = list[i];
        }
    }
    return m;
}

/* Between a and b, whose difference may exceed the largest double. */
static double interpolate(double a, double b, double share)
{
    return a == b ? a : a * (1.0 - share) + b * share;
}

/* Merges sorted centroids [n], which it changes, into a sketch. */
static void make_sketch(struct centroid *in, int n, double total, struct column_stats *out)
{
    int m = 0;
    double before = 0.0; /* weight of the finished centroids */
    double limit = 0.0;
    n = join_equal(in, n);
    for (int i = 0; i < n; i++) {
        bool fits = m > 0 && (m == COLUMN_POINTS ||
                              before + out->weight[m - 1] + in[i].weight <= limit * total);
        if (fits) {
            out->weight[m - 1] += in[i].weight;
            out->at[m - 1] =
                interpolate(out->at[m - 1], in[i].at, in[i].weight / out->weight[m - 1]);
            continue;
        }
        before += m > 0 ? out->weight[m - 1] : 0.0;
        double angle = asin(fmin(1.0, fmax(-1.0, 2.0 * before / total - 1.0))) + 2.0 * PI / DELTA;
        limit = angle >= PI / 2.0 ? 1.0 : (sin(angle) + 1.0) / 2.0;
        out->at[m] = in[i].at;
        out->weight[m] = in[i].weight;
        m++;
    }
    out->n_points = (double)m;
}

static int compare_places(const void *a, const void *b)
{
    double x = ((const struct centroid *)a)->at;
    double y = ((const struct centroid *)b)->at;
    return (x > y) - (x < y);
}

/* A number in [0, 1) that depends on i alone (SplitMix64). */
static double hash_to_unit(uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* One column of rows [n x k] that lacks some of its values. */
struct column {
    const double *rows;
    int64_t n;
    size_t k;
    size_t j;
};

static double column_value(const struct column *column, int64_t row)
{
    return column->rows[(size_t)row * column->k + column->j];
}

/* Samples as sketch_column does, the m values that are there. */
static void sketch_present(const struct column *column, int64_t m, struct column_stats *stats)
{
    struct centroid sample[SAMPLE_ROWS];
    int64_t count = m < SAMPLE_ROWS ? m : SAMPLE_ROWS;
    int64_t row = -1;
    int64_t seen = 0; /* values up to this row */
    for (int64_t i = 0; i < count; i++) {
        double place = count < m ? (double)i + hash_to_unit((uint64_t)i) : (double)i;
        int64_t wanted = (int64_t)(place * ((double)m / (double)count));
        wanted = wanted < m ? wanted : m - 1;
        while (seen <= wanted) {
            row++;
            seen += isnan(column_value(column, row)) ? 0 : 1;
        }
        sample[i] = (struct centroid){column_value(column, row), (double)m / (double)count};
    }
    /* cppcheck-suppress uninitvar ; the first `count` are set, and no others are read */
    qsort(sample, (size_t)count, sizeof *sample, compare_places);
    make_sketch(sample, (int)count, (double)m, stats);
}

/* Statistics of the values that are there. */
static void stats_of_present(const struct column *column, struct column_stats *stats)
{
    int64_t m = 0;
    memset(stats, 0, sizeof *stats);
    for (int64_t i = 0; i < column->n; i++) {
        m += isnan(column_value(column, i)) ? 0 : 1;
    }
    if (m == 0) {
        return;
    }
    stats->n = (double)m;
    stats->low = INFINITY;
    stats->high = -INFINITY;
    for (int64_t i = 0; i < column->n; i++) {
        double value = column_value(column, i);
        stats->mean += isnan(value) ? 0.0 : value / (double)m;
        stats->low = fmin(stats->low, value);
        stats->high = fmax(stats->high, value);
    }
    for (int64_t i = 0; i < column->n; i++) {
        double deviation = column_value(column, i) - stats->mean;
        stats->m2 += isnan(deviation) ? 0.0 : deviation * deviation;
    }
    sketch_present(column, m, stats);
}

/* rows: [n x k] */
static void sketch_column(const double *rows, int64_t n, size_t k, size_t column,
                          struct column_stats *stats)
{
    struct centroid sample[SAMPLE_ROWS];
    int64_t count = n < SAMPLE_ROWS ? n : SAMPLE_ROWS;
    for (int64_t i = 0; i < count; i++) {
        double place = count < n ? (double)i + hash_to_unit((uint64_t)i) : (double)i;
        size_t row = (size_t)(place * ((double)n / (double)count));
        row = row < (size_t)n ? row : (size_t)n - 1;
        sample[i] = (struct centroid){rows[row * k + column], (double)n / (double)count};
    }
    /* cppcheck-suppress uninitvar ; the first `count` are set, and no others are read */
    qsort(sample, (size_t)count, sizeof *sample, compare_places);
    make_sketch(sample, (int)count, (double)n, stats);
}

void column_stats_of(const double *rows, int64_t n, size_t width, size_t k,
                     struct column_stats *stats)
{
    for (size_t j = 0; j < k; j++) {
        memset(&stats[j], 0, sizeof *stats);
        stats[j].n = (double)n;
        stats[j].low = stats[j].high = rows[j];
    }
    for (int64_t i = 0; i < n; i++) {
        const double *row = rows + (size_t)i * width;
        for (size_t j = 0; j < k; j++) {
            stats[j].mean += row[j] / (double)n;
            stats[j].low = row[j] < stats[j].low ? row[j] : stats[j].low;
            stats[j].high = row[j] > stats[j].high ? row[j] : stats[j].high;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        const double *row = rows + (size_t)i * width;
        for (size_t j = 0; j < k; j++) {
            double deviation = row[j] - stats[j].mean;
            stats[j].m2 += deviation * deviation;
        }
    }
    for (size_t j = 0; j < k; j++) {
        if (isnan(stats[j].mean)) {
            stats_of_present(&(struct column){rows, n, width, j}, &stats[j]);
        } else {
            sketch_column(rows, n, width, j, &stats[j]);
        }
    }
}

static void join_points(struct column_stats *into, const struct column_stats *from, double total)
{
    struct centroid both[2 * COLUMN_POINTS];
    int n_into = (int)into->n_points;
    int n_from = (int)from->n_points;
    int i = 0;
    int j = 0;
    while (i < n_into || j < n_from) {
        bool first = j == n_from || (i < n_into && into->at[i] <= from->at[j]);
        both[i + j] = first ? (struct centroid){into->at[i], into->weight[i]}
                            : (struct centroid){from->at[j], from->weight[j]};
        i += first;
        j += !first;
    }
    make_sketch(both, n_into + n_from, total, into);
}

void column_stats_join(struct column_stats *into, const struct column_stats *from, size_t k)
{
    for (size_t j = 0; j < k; j++) {
        struct column_stats *a = &into[j];
        const struct column_stats *b = &from[j];
        if (a->n == 0.0) {
            *a = *b;
            continue;
        }
        if (b->n == 0.0) {
            continue;
        }
        double n = a->n + b->n;
        double step = b->mean - a->mean;
        join_points(a, b, n);
        a->mean += step * (b->n / n);
        a->m2 += b->m2 + step * step * (a->n * b->n / n);
        a->low = b->low < a->low ? b->low : a->low;
        a->high = b->high > a->high ? b->high : a->high;
        a->n = n;
    }
}

/* Is it a single value (see above)? Merged centroids do not become so heavy. */
static bool is_heavy(const struct column_stats *stats, int i)
{
    return stats->weight[i] > 1.0 && stats->weight[i] * HEAVY > stats->n;
}

double column_stats_quantile(const struct column_stats *stats, double level)
{
    double target = level * stats->n;
    double at = stats->low; /* of the weight `before` */
    double before = 0.0;
    double sum = 0.0;
    int m = (int)stats->n_points;
    for (int i = 0; i <= m; i++) {
        bool heavy = i < m && is_heavy(stats, i);
        double half = i < m && !heavy ? stats->weight[i] / 2.0 : 0.0;
        double next = i < m ? sum + half : stats->n;
        double value = i < m ? stats->at[i] : stats->high;
        if (target <= next && next > before) {
            return interpolate(at, value, (target - before) / (next - before));
        }
        sum += i < m ? stats->weight[i] : 0.0;
        if (heavy && target <= sum) {
            return value;
        }
        before = heavy ? sum : next;
        at = value;
    }
    return stats->high;
}

double column_stats_deviation(const struct column_stats *stats)
{
    return stats->n > 1.0 ? sqrt(stats->m2 / (stats->n - 1.0)) : 0.0;
}

bool column_stats_usual(const struct column_stats *stats, double *range)
{
    if (stats->n < COLUMN_MIN_ROWS || stats->low == stats->high) {
        return false;
    }
    double first = column_stats_quantile(stats, 0.25);
    double third = column_stats_quantile(stats, 0.75);
    double spread = third > first ? third - first : column_stats_deviation(stats);
    range[0] = first - COLUMN_FENCE * spread;
    range[1] = third + COLUMN_FENCE * spread;
    return spread > 0.0 && isfinite(range[0]) && isfinite(range[1]);
}
