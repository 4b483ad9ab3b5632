/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers along an axis: where the ticks are and what stands beside them; and from numbers to
 * places. */
#ifndef TICKS_H
#define TICKS_H

#include <stdbool.h>

#define TICKS_MAX         16
#define TICKS_LABEL_BYTES 40

/* From numbers in [lo, hi] to places in [from, to], either way round. */
struct scale {
    double lo, hi; /* lo < hi; both positive if log */
    bool log;
    double from, to;
};

/* NaN for a number that has no place: NaN, or one that is not positive on a logarithmic scale. */
double scale_at(const struct scale *scale, double value);

/*
 * The range of an axis for numbers between lo and hi: a little wider, so that no point lies on the
 * frame, and never empty. NaN for either, or lo > hi: there were no numbers.
 */
struct scale scale_around(double lo, double hi, bool log);

struct ticks {
    int n;
    double at[TICKS_MAX];
    char labels[TICKS_MAX][TICKS_LABEL_BYTES]; /* UTF-8 */
};

/* About `want` ticks (2 to TICKS_MAX) at round numbers within the scale. */
void ticks_find(const struct scale *scale, int want, struct ticks *out);

/* A number with three or so digits, as "0.125", "−3" or "1.2×10⁻⁵". */
void ticks_write(double value, char out[TICKS_LABEL_BYTES]);

#endif
