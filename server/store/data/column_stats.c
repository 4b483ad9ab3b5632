/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments: of an upload in two passes (mean, then deviations), joined by the pairwise formula of
 * Chan, Golub and LeVeque [1], which does not cancel as sums of squares would.
 *
 * Quantiles: a merging t-digest [2]. The values of a column are kept as at most COLUMN_POINTS
 * centroids with weights; joining sorts the centroids of both and merges neighbours as long as the
 * scale function k(q) = delta / (2 pi) asin(2 q - 1) grows by at most 1, so that centroids are
 * small near the extremes and hold about 9 % of the values in the middle. That is coarse and does:
 * the quartiles only tell what is ten times farther out.
 *
 * Where we differ:
 * - Of an upload of more than SAMPLE_ROWS rows only as many enter the sketch, with the weight of
 *   all; sorting all would cost more than reading them. One is drawn from each of as many equal
 *   stretches, and not at equal distances: those agree with the loops of a grid, of which one value
 *   would then be seen. The error of a quartile's rank is about 1.4 % (one standard deviation, 1024
 *   rows).
 * - Equal values are one centroid, whatever their weight, and values of over an eighth of the rows
 *   are not averaged with others or interpolated: of a column of zeros and ones the quartiles are
 *   zeros and ones, and not a little above zero, which would make each one an outlier.
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
#define HEAVY       8 /* a centroid of more than n / HEAVY rows is one value */

struct centroid {
    double at;
    double weight;
};

/* Makes one of centroids at the same place; returns their number. */
static int gather_equal(struct centroid *list, int n)
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

/* Between a and b; their difference may be beyond the largest double. */
static double mix(double a, double b, double share)
{
    return a == b ? a : a * (1.0 - share) + b * share;
}

/* Sorted centroids [n], which it changes, into the sketch. */
static void compress(struct centroid *in, int n, double total, struct column_stats *out)
{
    int m = 0;
    double before = 0.0; /* weight of the finished centroids */
    double limit = 0.0;
    n = gather_equal(in, n);
    for (int i = 0; i < n; i++) {
        bool fits = m > 0 && (m == COLUMN_POINTS ||
                              before + out->weight[m - 1] + in[i].weight <= limit * total);
        if (fits) {
            out->weight[m - 1] += in[i].weight;
            out->at[m - 1] = mix(out->at[m - 1], in[i].at, in[i].weight / out->weight[m - 1]);
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

static int compare(const void *a, const void *b)
{
    double x = ((const struct centroid *)a)->at;
    double y = ((const struct centroid *)b)->at;
    return (x > y) - (x < y);
}

/* A fixed number in [0, 1) for each i (SplitMix64). */
static double scatter(uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void sketch(const double *rows, int64_t n, size_t k, size_t column,
                   struct column_stats *stats)
{
    struct centroid sample[SAMPLE_ROWS];
    int64_t count = n < SAMPLE_ROWS ? n : SAMPLE_ROWS;
    for (int64_t i = 0; i < count; i++) {
        double place = count < n ? (double)i + scatter((uint64_t)i) : (double)i;
        size_t row = (size_t)(place * ((double)n / (double)count));
        row = row < (size_t)n ? row : (size_t)n - 1;
        sample[i] = (struct centroid){rows[row * k + column], (double)n / (double)count};
    }
    qsort(sample, (size_t)count, sizeof *sample, compare);
    compress(sample, (int)count, (double)n, stats);
}

void column_stats_of(const double *rows, int64_t n, size_t k, struct column_stats *stats)
{
    for (size_t j = 0; j < k; j++) {
        memset(&stats[j], 0, sizeof *stats);
        stats[j].n = (double)n;
        stats[j].low = stats[j].high = rows[j];
    }
    for (int64_t i = 0; i < n; i++) {
        const double *row = rows + (size_t)i * k;
        for (size_t j = 0; j < k; j++) {
            stats[j].mean += row[j] / (double)n;
            stats[j].low = row[j] < stats[j].low ? row[j] : stats[j].low;
            stats[j].high = row[j] > stats[j].high ? row[j] : stats[j].high;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        const double *row = rows + (size_t)i * k;
        for (size_t j = 0; j < k; j++) {
            double deviation = row[j] - stats[j].mean;
            stats[j].m2 += deviation * deviation;
        }
    }
    for (size_t j = 0; j < k; j++) {
        sketch(rows, n, k, j, &stats[j]);
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
    compress(both, n_into + n_from, total, into);
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

/* A value of its own (see above): ordinary centroids do not become so heavy. */
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
            return mix(at, value, (target - before) / (next - before));
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
