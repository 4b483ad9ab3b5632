/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of values by size, as Prometheus wants them. An observation is two relaxed additions; a
 * reading is not a snapshot.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 16 /* at most, without +Inf */

/* What is counted, which says where the bounds are. */
enum histogram_scale {
    HISTOGRAM_TIMES, /* seconds of a request: 50 us to 10 s */
    HISTOGRAM_JOBS,  /* seconds of a training job: 1 s to a week */
    HISTOGRAM_SIZES  /* numbers of things: 1 to 32768 */
};

struct histogram {
    atomic_llong buckets[HISTOGRAM_BUCKETS + 1]; /* not cumulative; the last is +Inf */
    atomic_llong sum;                            /* us, or a plain sum of sizes */
};

void histogram_observe_ns(struct histogram *histogram, enum histogram_scale scale, int64_t ns);
void histogram_observe_size(struct histogram *histogram, long long size);

/* The i-th upper bound, below HISTOGRAM_BUCKETS. */
double histogram_bound(enum histogram_scale scale, int i);

/* A reading, perhaps of several histograms together. */
struct histogram_reading {
    long long buckets[HISTOGRAM_BUCKETS + 1];
    long long count;
    double sum; /* in seconds, or of sizes */
};

/* Adds what the histogram holds now. */
void histogram_read(const struct histogram *histogram, enum histogram_scale scale,
                    struct histogram_reading *sum);

#endif
