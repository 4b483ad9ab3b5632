/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/scaler.h"

#include "math/kernels.h"

#include "base/names.h"

#include <float.h>
#include <math.h>

static const char *const kind_names[] = {"none", "standard", "range", "unit", "log"};

NAMES_DEFINE(scaler_kind, enum scaler_kind, kind_names)

enum err_code scaler_validate(const struct scaler *scaler, const char *what, struct err *err)
{
    if (!isfinite(scaler->shift)) {
        return err_set(err, ERR_NONFINITE, "shift of %s is not finite", what);
    }
    if (!isfinite(scaler->scale) || !(scaler->scale >= 0.0)) {
        return err_set(err, ERR_INVALID,
                       "scale of %s is %g, a finite number above 0 is needed, or 0 for a constant",
                       what, scaler->scale);
    }
    return ERR_OK;
}

/* Values of one column, where they are there. */
struct column {
    size_t n;
    double low, high; /* user's units */
    double mean, m2;  /* in units of `unit`; of logarithms for log */
    double unit;      /* a power of two, 1 for most columns */
};

/* The next value of column j that is there, from *row on; false: there is none. */
static bool next_value(const struct scaler_rows *rows, int j, size_t *row, double *value)
{
    for (; *row < rows->n; ++*row) {
        *value = rows->v[*row * (size_t)rows->k + (size_t)j];
        if (!(rows->holes && isnan(*value))) {
            ++*row;
            return true;
        }
    }
    return false;
}

static enum err_code find_range(enum scaler_kind kind, const struct scaler_rows *rows, int j,
                                struct column *c, struct err *err)
{
    double v = 0.0;
    c->low = INFINITY;
    c->high = -INFINITY;
    for (size_t i = 0; next_value(rows, j, &i, &v);) {
        if (kind == SCALER_LOG && !(v > 0.0)) {
            size_t row = rows->first_row + i - 1;
            return err_set_at(err, ERR_INVALID, (int)row, j,
                              "log scaling needs positive values, row %zu column %d is %g", row, j,
                              v);
        }
        c->n++;
        c->low = fmin(c->low, v);
        c->high = fmax(c->high, v);
    }
    return ERR_OK;
}

/* Squares of numbers beyond this either way may not be numbers any more. */
#define ORDINARY 0x1p256

/*
 * Mean and squared deviations by Welford's update. A power of two scales without rounding, so that
 * a column of any unit has the same digits.
 */
static void find_moments(enum scaler_kind kind, const struct scaler_rows *rows, int j,
                         struct column *c)
{
    double size = fmax(fabs(c->low), fabs(c->high));
    bool ordinary = kind == SCALER_LOG || size == 0.0 || (size < ORDINARY && size > 1.0 / ORDINARY);
    double v = 0.0;
    size_t n = 0;
    c->unit = ordinary ? 1.0 : ldexp(1.0, ilogb(size));
    for (size_t i = 0; next_value(rows, j, &i, &v);) {
        double x = kind == SCALER_LOG ? log(v) : v / c->unit;
        double delta = x - c->mean;
        c->mean += delta / (double)++n;
        c->m2 += delta * (x - c->mean);
    }
}

bool scaler_range_is_constant(double low, double high)
{
    double size = fmax(fabs(low), fabs(high));
    return !(high - low > SCALER_CONSTANT_ULPS * DBL_EPSILON * size && high - low >= DBL_MIN);
}

const char *scaler_find_fault(enum scaler_kind kind, double low, double high)
{
    bool spreads = kind == SCALER_UNIT || kind == SCALER_STANDARD;
    if (!(high > low)) {
        return NULL;
    }
    if (spreads && !isfinite(high - low)) {
        return "further apart than numbers can be; a smaller unit is needed";
    }
    double size = fmax(fabs(low), fabs(high));
    return high - low < DBL_MIN && high - low > SCALER_CONSTANT_ULPS * DBL_EPSILON * size
               ? "closer than the smallest number with all its digits, 2.2e-308; a larger unit is "
                 "needed"
               : NULL;
}

/* Of a column that differs. */
static struct scaler scaler_of(enum scaler_kind kind, const struct column *c)
{
    struct scaler s = {.kind = kind, .shift = 0.0, .scale = 1.0};
    switch (kind) {
    case SCALER_NONE:
        break;
    case SCALER_STANDARD:
    case SCALER_LOG:
        s.shift = c->mean * c->unit;
        s.scale = sqrt(c->m2 / (double)(c->n - 1)) * c->unit;
        break;
    case SCALER_RANGE:
        s.shift = 0.5 * c->low + 0.5 * c->high;
        s.scale = 0.5 * c->high - 0.5 * c->low;
        break;
    case SCALER_UNIT:
        s.shift = c->low;
        s.scale = c->high - c->low;
        break;
    }
    return s;
}

/* The constant itself; of its logarithm it would not come back exactly. */
static struct scaler scaler_of_constant(enum scaler_kind kind, const struct column *c)
{
    /* Half of the smallest numbers is not exact. */
    double middle = c->low < c->high ? 0.5 * c->low + 0.5 * c->high : c->low;
    return (struct scaler){.kind = kind == SCALER_LOG ? SCALER_STANDARD : kind,
                           .shift = c->n > 0 ? middle : 0.0,
                           .scale = 0.0};
}

enum err_code scaler_fit(enum scaler_kind kind, const struct scaler_rows *rows, struct scaler *out,
                         struct err *err)
{
    for (int j = 0; j < rows->k; j++) {
        struct column c = {.unit = 1.0};
        if (rows->skip != NULL && rows->skip[j]) {
            out[j] = (struct scaler){.kind = SCALER_NONE, .scale = 1.0};
            continue;
        }
        if (find_range(kind, rows, j, &c, err) != ERR_OK) {
            return err->code;
        }
        const char *fault = c.n > 0 ? scaler_find_fault(kind, c.low, c.high) : NULL;
        if (fault != NULL) {
            return err_set_at(err, ERR_INVALID, -1, j,
                              "the values of column %d, from %g to %g, are %s", j, c.low, c.high,
                              fault);
        }
        if (kind != SCALER_NONE && scaler_range_is_constant(c.low, c.high)) {
            out[j] = scaler_of_constant(kind, &c);
            continue;
        }
        if (kind == SCALER_STANDARD || kind == SCALER_LOG) {
            find_moments(kind, rows, j, &c);
        }
        out[j] = scaler_of(kind, &c);
        if (!isfinite(out[j].scale) || !isfinite(out[j].shift)) {
            return err_set(err, ERR_INVALID,
                           "the values of column %d, from %g to %g, are further apart than numbers "
                           "can be; a smaller unit is needed",
                           j, c.low, c.high);
        }
    }
    return ERR_OK;
}

static enum err_code refuse_logarithm(const struct scaler_rows *rows, size_t i, int j,
                                      struct err *err)
{
    size_t row = rows->first_row + i;
    const char *name = rows->names != NULL ? rows->names[j] : NULL;
    bool named = name != NULL;
    return err_set_at(err, ERR_INVALID, (int)row, j,
                      "row %zu, column %d%s%s%s is %g, but the model takes its logarithm", row, j,
                      named ? " (\"" : "", named ? name : "", named ? "\")" : "",
                      rows->v[i * (size_t)rows->k + (size_t)j]);
}

enum err_code scaler_check(const struct scaler *scaler, const struct scaler_rows *rows,
                           struct err *err)
{
    bool any = false;
    for (int j = 0; j < rows->k; j++) {
        any = any || scaler[j].kind == SCALER_LOG;
    }
    for (size_t i = 0; any && i < rows->n; i++) {
        for (int j = 0; j < rows->k; j++) {
            if (scaler[j].kind == SCALER_LOG && !(rows->v[i * (size_t)rows->k + (size_t)j] > 0.0)) {
                return refuse_logarithm(rows, i, j, err);
            }
        }
    }
    return ERR_OK;
}

enum err_code scaler_apply(const struct scaler *scaler, const struct scaler_rows *rows, double *z,
                           struct err *err)
{
    const double *v = rows->v;
    int k = rows->k;
    for (size_t i = 0; i < rows->n; i++) {
        for (int j = 0; j < k; j++) {
            double x = v[i * (size_t)k + (size_t)j];
            const struct scaler *s = &scaler[j];
            if (scaler_is_constant(s)) {
                z[i * (size_t)k + (size_t)j] = rows->holes && isnan(x) ? x : 0.0;
                continue;
            }
            if (s->kind == SCALER_LOG && !(rows->holes && isnan(x))) {
                if (!(x > 0.0)) {
                    return refuse_logarithm(rows, i, j, err);
                }
                x = log(x);
            }
            z[i * (size_t)k + (size_t)j] = s->kind == SCALER_NONE ? x : (x - s->shift) / s->scale;
        }
    }
    return ERR_OK;
}

#define STRETCH 64

/* v <- e^v in column j; STRETCH rows at a time are copied side by side for the vector units. */
static void exp_column(size_t n, size_t k, size_t j, double *v)
{
    double x[STRETCH];
    for (size_t first = 0; first < n; first += STRETCH) {
        size_t rows = n - first < STRETCH ? n - first : STRETCH;
        double *at = v + first * k + j;
        for (size_t i = 0; i < rows; i++) {
            x[i] = at[i * k];
        }
        kernels_get()->exp_f64(x, rows);
        for (size_t i = 0; i < rows; i++) {
            at[i * k] = x[i];
        }
    }
}

void scaler_invert(const struct scaler *scaler, size_t n, int k, double *v)
{
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < k; j++) {
            double *x = &v[i * (size_t)k + (size_t)j];
            if (scaler[j].kind != SCALER_NONE) {
                *x = *x * scaler[j].scale + scaler[j].shift;
            }
        }
    }
    for (int j = 0; j < k; j++) {
        if (scaler[j].kind == SCALER_LOG) {
            exp_column(n, (size_t)k, (size_t)j, v);
        }
    }
}

double scaler_slope(const struct scaler *scaler, double v)
{
    if (scaler_is_constant(scaler)) {
        return 0.0;
    }
    switch (scaler->kind) {
    case SCALER_NONE:
        return 1.0;
    case SCALER_LOG:
        return 1.0 / (v * scaler->scale);
    case SCALER_STANDARD:
    case SCALER_RANGE:
    case SCALER_UNIT:
        break;
    }
    return 1.0 / scaler->scale;
}

double scaler_slope_back(const struct scaler *scaler, double v)
{
    double slope = scaler_slope(scaler, v);
    return slope > 0.0 ? 1.0 / slope : 0.0;
}

#define MAX_EXPONENT 1020 /* 2 to it, either way, is a number with all its digits */

int scaler_exponent(const struct scaler *scaler)
{
    bool logs = scaler->kind == SCALER_LOG;
    double size = logs ? scaler->shift / M_LN2 : fmax(fabs(scaler->shift), scaler->scale);
    double exponent = logs ? size : (size > 0.0 ? log2(size) : 0.0);
    if (scaler->kind == SCALER_NONE || fabs(exponent) < log2(ORDINARY)) {
        return 0;
    }
    return (int)fmax(-MAX_EXPONENT, fmin(MAX_EXPONENT, exponent));
}

struct scaler scaler_in_units(const struct scaler *scaler, int exponent)
{
    struct scaler s = *scaler;
    if (exponent == 0) {
        return s;
    }
    if (s.kind == SCALER_LOG) {
        s.shift -= exponent * M_LN2;
        return s;
    }
    s.shift = ldexp(s.shift, -exponent);
    s.scale = ldexp(s.scale, -exponent);
    return s;
}
