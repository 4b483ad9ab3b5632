/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains are split in halves, so that a drift within a chain counts like a difference between
 * chains. Effective sample sizes sum autocorrelations in pairs while these are positive and
 * falling (Geyer's initial monotone sequence), as [1, section 3.2].
 *
 * All autocovariances of a quantity come at once from a fast Fourier transform of the centred and
 * zero-padded chains: chains that mix badly need very many lags, and a sum for each would take
 * longer than the sampling. Two real chains go as one complex sequence z = x1 + i x2, for the real
 * part of z's autocovariance is the sum of theirs.
 */
#include "sample/chain.h"

#include "base/mem.h"
#include "math/normal.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

struct split {
    int c; /* chains after splitting */
    int n; /* draws of each */
    int total;
    double *values;       /* [c x n] */
    double *scratch;      /* [total] */
    struct ranked *order; /* [total] */
    int n_fft;            /* a power of 2, at least 2 n: no lag wraps around */
    double *z;            /* [2 n_fft] real and imaginary parts in turn */
    double *power;        /* [n_fft] */
    double *turn;         /* [n_fft] cosine and sine of 2 pi k / n_fft, k < n_fft / 2 */
};

struct ranked {
    double value;
    int index;
};

static int compare_ranked(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->value;
    double y = ((const struct ranked *)b)->value;
    return (x > y) - (x < y);
}

static void split_release(struct split *s)
{
    mem_free(s->values);
    mem_free(s->scratch);
    mem_free(s->order);
    mem_free(s->z);
}

/* Splits each chain into halves of n / 2 draws; when n is odd the middle draw is left out. */
static enum err_code split_init(struct split *s, int c, int n, const double *draws, struct err *err)
{
    int half = n / 2;
    *s = (struct split){.c = 2 * c, .n = half, .total = 2 * c * half};
    s->values = mem_alloc_array((size_t)s->total, sizeof *s->values);
    s->scratch = mem_alloc_array((size_t)s->total, sizeof *s->scratch);
    s->order = mem_alloc_array((size_t)s->total, sizeof *s->order);
    for (s->n_fft = 2; s->n_fft < 2 * half;) {
        s->n_fft *= 2;
    }
    s->z = mem_alloc_array(4 * (size_t)s->n_fft, sizeof *s->z);
    if (s->values == NULL || s->scratch == NULL || s->order == NULL || s->z == NULL) {
        split_release(s);
        return err_set(err, ERR_NOMEM, "no memory for the diagnostics of %d chains", c);
    }
    s->power = s->z + 2 * (size_t)s->n_fft;
    s->turn = s->power + s->n_fft;
    for (int k = 0; k < s->n_fft / 2; k++) {
        double angle = 2.0 * M_PI * (double)k / (double)s->n_fft;
        s->turn[2 * k] = cos(angle);
        s->turn[2 * k + 1] = sin(angle);
    }
    for (int k = 0; k < c; k++) {
        const double *from = draws + (size_t)k * (size_t)n;
        memcpy(s->values + (size_t)(2 * k) * (size_t)half, from, (size_t)half * sizeof *from);
        memcpy(s->values + (size_t)(2 * k + 1) * (size_t)half, from + (n - half),
               (size_t)half * sizeof *from);
    }
    return ERR_OK;
}

/* s->order <- the values sorted, each with its index. */
static void sort_values(struct split *s, const double *values)
{
    for (int i = 0; i < s->total; i++) {
        s->order[i] = (struct ranked){values[i], i};
    }
    qsort(s->order, (size_t)s->total, sizeof *s->order, compare_ranked);
}

/* z <- normal scores of the ranks of `values`, equal values sharing their mean rank. */
static void normal_scores(struct split *s, const double *values, double *z)
{
    sort_values(s, values);
    for (int i = 0; i < s->total;) {
        int end = i;
        while (end < s->total && s->order[end].value == s->order[i].value) {
            end++;
        }
        double rank = 0.5 * (double)(i + 1 + end);
        double score = normal_quantile((rank - 0.375) / ((double)s->total + 0.25));
        for (; i < end; i++) {
            z[s->order[i].index] = score;
        }
    }
}

static double quantile(struct split *s, const double *values, double level)
{
    sort_values(s, values);
    double at = level * (double)(s->total - 1);
    int below = (int)at;
    int above = below + 1 < s->total ? below + 1 : below;
    double low = s->order[below].value;
    return low + (at - (double)below) * (s->order[above].value - low);
}

/*
 * Distances from the median, less a constant. The number of values is even, so the median lies
 * between the two middle values, and each distance is taken from the nearer of these. That leaves
 * the ranks as they are, and the two middle values tie exactly, which a rounded median would
 * prevent.
 */
static void fold_at_median(struct split *s)
{
    sort_values(s, s->values);
    double below = s->order[s->total / 2 - 1].value;
    double above = s->order[s->total / 2].value;
    for (int i = 0; i < s->total; i++) {
        double value = s->values[i];
        s->values[i] = value <= below ? below - value : value - above;
    }
}

/* Means of the chains, the mean of their variances (n - 1), and the variance of the means. */
static void chain_moments(int c, int n, const double *v, double *within, double *between)
{
    double mean_of_means = 0.0;
    double m2 = 0.0;
    *within = 0.0;
    for (int k = 0; k < c; k++) {
        const double *x = v + (size_t)k * (size_t)n;
        double mean = 0.0;
        double square = 0.0;
        for (int i = 0; i < n; i++) {
            double delta = x[i] - mean;
            mean += delta / (double)(i + 1);
            square += delta * (x[i] - mean);
        }
        *within += square / (double)(n - 1) / (double)c;
        double delta = mean - mean_of_means;
        mean_of_means += delta / (double)(k + 1);
        m2 += delta * (mean - mean_of_means);
    }
    *between = m2 / (double)(c - 1);
}

static double rhat(int c, int n, const double *v)
{
    double within;
    double between;
    chain_moments(c, n, v, &within, &between);
    double pooled = (double)(n - 1) / (double)n * within + between;
    return sqrt(pooled / within);
}

/* z <- its discrete Fourier transform, by decimation in time. */
static void fourier(const struct split *s, double *z)
{
    int n = s->n_fft;
    for (int i = 1, j = 0; i < n; i++) {
        int bit = n / 2;
        for (; j & bit; bit /= 2) {
            j ^= bit;
        }
        j ^= bit;
        if (i < j) {
            double re = z[2 * i];
            double im = z[2 * i + 1];
            z[2 * i] = z[2 * j];
            z[2 * i + 1] = z[2 * j + 1];
            z[2 * j] = re;
            z[2 * j + 1] = im;
        }
    }
    for (int half = 1; half < n; half *= 2) {
        int stride = n / (2 * half);
        for (int first = 0; first < n; first += 2 * half) {
            for (int k = 0; k < half; k++) {
                double *a = z + 2 * (first + k);
                double *b = a + 2 * half;
                double c = s->turn[2 * k * stride];
                double d = -s->turn[2 * k * stride + 1];
                double re = c * b[0] - d * b[1];
                double im = c * b[1] + d * b[0];
                b[0] = a[0] - re;
                b[1] = a[1] - im;
                a[0] += re;
                a[1] += im;
            }
        }
    }
}

/* One chain's deviations from its mean as real (part 0) or imaginary (1) parts of z. */
static void put_deviations(const struct split *s, const double *x, int part)
{
    double mean = 0.0;
    for (int i = 0; i < s->n; i++) {
        mean += x[i] / (double)s->n;
    }
    for (int i = 0; i < s->n; i++) {
        s->z[2 * i + part] = x[i] - mean;
    }
}

/* z[2 t] <- mean over chains of the autocovariance at lag t < n, divided by n. */
static void autocovariances(const struct split *s, const double *v)
{
    int m = s->n_fft;
    memset(s->power, 0, (size_t)m * sizeof *s->power);
    for (int k = 0; k < s->c; k += 2) {
        memset(s->z, 0, 2 * (size_t)m * sizeof *s->z);
        put_deviations(s, v + (size_t)k * (size_t)s->n, 0);
        put_deviations(s, v + (size_t)(k + 1) * (size_t)s->n, 1);
        fourier(s, s->z);
        for (int f = 0; f < m; f++) {
            s->power[f] += s->z[2 * f] * s->z[2 * f] + s->z[2 * f + 1] * s->z[2 * f + 1];
        }
    }
    /* The inverse transform is the conjugate's transform; of it only real parts are wanted. */
    double scale = 1.0 / ((double)m * (double)s->n * (double)s->c);
    for (int f = 0; f < m; f++) {
        s->z[2 * f] = s->power[f] * scale;
        s->z[2 * f + 1] = 0.0;
    }
    fourier(s, s->z);
}

static double ess(const struct split *s, const double *v)
{
    int c = s->c;
    int n = s->n;
    double within;
    double between;
    double total = (double)c * (double)n;
    chain_moments(c, n, v, &within, &between);
    double pooled = (double)(n - 1) / (double)n * within + between;
    if (!(pooled > 0.0) || !(within > 0.0)) {
        return NAN;
    }
    autocovariances(s, v);
    double last = INFINITY;
    double sum = 0.0;
    for (int t = 0; 2 * t + 1 < n; t++) {
        double even = 1.0 - (within - s->z[4 * t]) / pooled;
        double odd = 1.0 - (within - s->z[4 * t + 2]) / pooled;
        double pair = t == 0 ? 1.0 + odd : even + odd;
        if (!(pair > 0.0)) {
            break;
        }
        last = fmin(last, pair);
        sum += last;
    }
    double tau = fmax(2.0 * sum - 1.0, 1.0 / log10(total));
    return total / tau;
}

static void mark_below(const struct split *s, double threshold, double *out)
{
    for (int i = 0; i < s->total; i++) {
        out[i] = s->values[i] <= threshold ? 1.0 : 0.0;
    }
}

static bool is_finite_and_moves(const struct split *s)
{
    bool moved = false;
    for (int i = 0; i < s->total; i++) {
        if (!isfinite(s->values[i])) {
            return false;
        }
        moved = moved || s->values[i] != s->values[0];
    }
    return moved;
}

enum err_code chain_summarise(int c, int n, const double *draws, struct chain_summary *out,
                              struct err *err)
{
    struct split s;
    *out = (struct chain_summary){NAN, NAN, NAN};
    if (split_init(&s, c, n, draws, err) != ERR_OK) {
        return err->code;
    }
    if (is_finite_and_moves(&s)) {
        double low = quantile(&s, s.values, 0.05);
        double high = quantile(&s, s.values, 0.95);
        mark_below(&s, low, s.scratch);
        out->ess_tail = ess(&s, s.scratch);
        mark_below(&s, high, s.scratch);
        out->ess_tail = fmin(out->ess_tail, ess(&s, s.scratch));
        normal_scores(&s, s.values, s.scratch);
        out->ess_bulk = ess(&s, s.scratch);
        out->rhat = rhat(s.c, s.n, s.scratch);
        fold_at_median(&s);
        normal_scores(&s, s.values, s.scratch);
        out->rhat = fmax(out->rhat, rhat(s.c, s.n, s.scratch));
    }
    split_release(&s);
    return ERR_OK;
}

void chain_energy_add(struct chain_energy *energy, double value)
{
    double delta = value - energy->mean;
    double change = energy->n > 0 ? value - energy->last : 0.0;
    energy->n++;
    energy->mean += delta / (double)energy->n;
    energy->m2 += delta * (value - energy->mean);
    energy->change += change * change;
    energy->last = value;
}

double chain_energy_ebfmi(const struct chain_energy *energy)
{
    return energy->m2 > 0.0 ? energy->change / energy->m2 : NAN;
}
