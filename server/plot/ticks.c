/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ticks are multiples of 1, 2 or 5 times a power of ten (P. Heckbert, "Nice numbers for graph
 * labels", Graphics Gems, 1990), with the step whose number of ticks is nearest to what is wanted.
 * A multiple is computed as a whole number times the step, so that sums of rounding errors never
 * become labels. A logarithmic axis has a tick at each power of ten, or at each k-th; below two
 * powers, where there would be one tick or none, it has those of a linear axis.
 */
#include "plot/ticks.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MARGIN        0.04 /* of the range, on both sides */
#define LARGEST_PLAIN 1e5  /* from here on, and below the next, labels have powers of ten */
#define SMALLEST      1e-4
#define MINUS         "\xe2\x88\x92" /* U+2212 */

double scale_at(const struct scale *s, double value)
{
    double lo = s->log ? log10(s->lo) : s->lo;
    double hi = s->log ? log10(s->hi) : s->hi;
    double v = s->log ? (value > 0.0 ? log10(value) : NAN) : value;
    /* Halves, since a range may be as wide as numbers can be apart. */
    return s->from + (0.5 * v - 0.5 * lo) / (0.5 * hi - 0.5 * lo) * (s->to - s->from);
}

static struct scale around_log(double lo, double hi)
{
    double wider = pow(hi / lo, MARGIN);
    wider = isfinite(wider) && wider > 1.01 ? wider : 1.25;
    return (struct scale){
        .lo = fmax(lo / wider, DBL_MIN), .hi = fmin(hi * wider, DBL_MAX), .log = true};
}

struct scale scale_around(double lo, double hi, bool log)
{
    if (!(lo <= hi) || isinf(lo) || isinf(hi)) {
        return (struct scale){.lo = log ? 0.1 : 0.0, .hi = 1.0, .log = log};
    }
    if (log && lo > 0.0) {
        return around_log(lo, hi);
    }
    double size = fmax(fabs(lo), fabs(hi));
    double margin = MARGIN * hi - MARGIN * lo;
    /* Numbers that differ by rounding alone are drawn as one. */
    if (0.5 * hi - 0.5 * lo <= 8.0 * DBL_EPSILON * size) {
        margin = size > 0.0 ? fmax(0.1 * size, DBL_MIN) : 0.5;
    }
    return (struct scale){.lo = fmax(lo - margin, -0.5 * DBL_MAX),
                          .hi = fmin(hi + margin, 0.5 * DBL_MAX)};
}

/* ---- labels ---- */

static void put_exponent(int exponent, char *out, size_t size)
{
    static const char *const digits[] = {
        "\xe2\x81\xb0", "\xc2\xb9",     "\xc2\xb2",     "\xc2\xb3",     "\xe2\x81\xb4",
        "\xe2\x81\xb5", "\xe2\x81\xb6", "\xe2\x81\xb7", "\xe2\x81\xb8", "\xe2\x81\xb9"};
    char text[16];
    size_t len = (size_t)snprintf(out, size, "10%s", exponent < 0 ? "\xe2\x81\xbb" : "");
    snprintf(text, sizeof text, "%d", exponent < 0 ? -exponent : exponent);
    for (const char *c = text; *c != '\0' && len < size; c++) {
        len += (size_t)snprintf(out + len, size - len, "%s", digits[*c - '0']);
    }
}

/* value / 10^exponent, in two steps, since 10^308 times a mantissa is as far as numbers go. */
static double mantissa_of(double value, int exponent)
{
    const int half = exponent / 2;
    return value / pow(10.0, half) / pow(10.0, exponent - half);
}

/* A number with so many decimals; of one with a power of ten, of its mantissa. */
static void put_number(double value, int exponent, int decimals, char *out)
{
    char power[TICKS_LABEL_BYTES] = "";
    double mantissa = mantissa_of(fabs(value), exponent);
    if (exponent != 0) {
        put_exponent(exponent, power, sizeof power);
    }
    char text[TICKS_LABEL_BYTES];
    snprintf(text, sizeof text, "%.*f", decimals, mantissa);
    const char *sign = value < 0.0 && strspn(text, "0.") < strlen(text) ? MINUS : "";
    if (exponent != 0 && strcmp(text, "1") == 0) {
        snprintf(out, TICKS_LABEL_BYTES, "%s%.30s", sign, power);
    } else {
        snprintf(out, TICKS_LABEL_BYTES, "%s%.16s%s%.18s", sign, text,
                 exponent != 0 ? "\xc3\x97" : "", power);
    }
}

static int exponent_of(double value)
{
    return value != 0.0 ? (int)floor(log10(fabs(value)) + 1e-12) : 0;
}

static bool is_plain(double size)
{
    return size == 0.0 || (size < LARGEST_PLAIN && size >= SMALLEST);
}

/* 0 for 1, 1 or 2 for others. */
static int decimals_of_mantissa(double value, int exponent)
{
    double mantissa = mantissa_of(fabs(value), exponent);
    return fabs(mantissa - round(mantissa)) < 0.005 ? 0 : 2;
}

void ticks_write(double value, char out[TICKS_LABEL_BYTES])
{
    char text[TICKS_LABEL_BYTES];
    if (!isfinite(value)) {
        snprintf(out, TICKS_LABEL_BYTES, "%s",
                 isnan(value) ? "NaN"
                 : value > 0  ? "\xe2\x88\x9e"
                              : MINUS "\xe2\x88\x9e");
        return;
    }
    if (!is_plain(fabs(value))) {
        int exponent = exponent_of(value);
        put_number(value, exponent, decimals_of_mantissa(value, exponent), out);
        return;
    }
    snprintf(text, sizeof text, "%.3g", fabs(value));
    /* %g has powers of ten of its own from 1000 on. */
    if (strchr(text, 'e') != NULL) {
        snprintf(text, sizeof text, "%.0f", fabs(value));
    }
    snprintf(out, TICKS_LABEL_BYTES, "%s%.30s", value < 0.0 ? MINUS : "", text);
}

/* ---- places ---- */

static int decimals_of(double step)
{
    int decimals = (int)ceil(-log10(step) - 1e-9);
    return decimals < 0 ? 0 : decimals > 15 ? 15 : decimals;
}

static void find_at_step(const struct scale *scale, double step, struct ticks *out)
{
    double size = fmax(fabs(scale->lo), fabs(scale->hi));
    int exponent = is_plain(size) ? 0 : exponent_of(size);
    double first = ceil(scale->lo / step - 1e-9);
    int decimals = decimals_of(mantissa_of(step, exponent));
    out->n = 0;
    while (out->n < TICKS_MAX) {
        double k = first + out->n;
        double value = k * step;
        if (value > scale->hi + 1e-9 * step) {
            return;
        }
        out->at[out->n] = value;
        if (value == 0.0) {
            snprintf(out->labels[out->n], TICKS_LABEL_BYTES, "0");
        } else {
            put_number(value, exponent, decimals, out->labels[out->n]);
        }
        out->n++;
        if (k + 1.0 == k) {
            return; /* the step is below the resolution of such numbers */
        }
    }
}

static double count_at_step(const struct scale *scale, double step)
{
    return floor(scale->hi / step + 1e-9) - ceil(scale->lo / step - 1e-9) + 1.0;
}

static void find_linear(const struct scale *scale, int want, struct ticks *out)
{
    static const double nice[] = {1.0, 2.0, 5.0, 10.0, 20.0};
    double range = scale->hi - scale->lo;
    double power = pow(10.0, floor(log10(range / want)));
    double best = 0.0;
    double distance = DBL_MAX;
    out->n = 0;
    for (size_t i = 0; i < sizeof nice / sizeof *nice; i++) {
        double count = count_at_step(scale, nice[i] * power);
        if (count >= 2.0 && count <= TICKS_MAX && fabs(count - want) < distance) {
            distance = fabs(count - want);
            best = nice[i] * power;
        }
    }
    if (best > 0.0 && isfinite(best)) {
        find_at_step(scale, best, out);
    }
}

void ticks_find(const struct scale *scale, int want, struct ticks *out)
{
    int wanted = want < 2 ? 2 : want > TICKS_MAX ? TICKS_MAX : want;
    int first = scale->log ? (int)ceil(log10(scale->lo) - 1e-9) : 0;
    int last = scale->log ? (int)floor(log10(scale->hi) + 1e-9) : -1;
    if (last - first < 1) {
        find_linear(scale, wanted, out);
        return;
    }
    int stride = (last - first) / wanted + 1;
    out->n = 0;
    for (int e = first; e <= last && out->n < TICKS_MAX; e += stride) {
        out->at[out->n] = pow(10.0, e);
        if (is_plain(pow(10.0, first)) && is_plain(pow(10.0, last)) && last < 4 && first > -4) {
            snprintf(out->labels[out->n], TICKS_LABEL_BYTES, "%.*f", e < 0 ? -e : 0,
                     out->at[out->n]);
        } else {
            put_exponent(e, out->labels[out->n], TICKS_LABEL_BYTES);
        }
        out->n++;
    }
}
