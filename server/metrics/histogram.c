/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/histogram.h"

/* About three to a decade: from a prediction of one row to a large upload. */
static const double times[HISTOGRAM_BUCKETS] = {
    5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 10};

/* From a small ensemble to chains that run for days. */
static const double jobs[HISTOGRAM_BUCKETS] = {1,   2.5,  5,    10,   30,    60,    120,   300,
                                               600, 1800, 3600, 7200, 14400, 43200, 86400, 604800};

static const double sizes[HISTOGRAM_BUCKETS] = {1,   2,   4,    8,    16,   32,   64,    128,
                                                256, 512, 1024, 2048, 4096, 8192, 16384, 32768};

static const double *const bounds[] = {
    [HISTOGRAM_TIMES] = times, [HISTOGRAM_JOBS] = jobs, [HISTOGRAM_SIZES] = sizes};

static void observe(struct histogram *histogram, enum histogram_scale scale, double value,
                    long long amount)
{
    int bucket = 0;
    while (bucket < HISTOGRAM_BUCKETS && value > bounds[scale][bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, amount, memory_order_relaxed);
}

void histogram_observe_ns(struct histogram *histogram, enum histogram_scale scale, int64_t ns)
{
    observe(histogram, scale, 1e-9 * (double)ns, ns / 1000);
}

void histogram_observe_size(struct histogram *histogram, long long size)
{
    observe(histogram, HISTOGRAM_SIZES, (double)size, size);
}

double histogram_bound(enum histogram_scale scale, int i)
{
    return bounds[scale][i];
}

void histogram_read(const struct histogram *histogram, enum histogram_scale scale,
                    struct histogram_reading *sum)
{
    for (int i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        long long n = atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        sum->buckets[i] += n;
        sum->count += n;
    }
    double total = (double)atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    sum->sum += scale == HISTOGRAM_SIZES ? total : 1e-6 * total;
}
