/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/scaler.h"

#include "math/kernels.h"

#include "base/names.h"

#include <math.h>

static const char *const kind_names[] = {"none", "standard", "range", "unit", "log"};

NAMES_DEFINE(scaler_kind, enum scaler_kind, kind_names)

enum err_code scaler_validate(const struct scaler *scaler, const char *what, struct err *err)
{
    if (!isfinite(scaler->shift)) {
        return err_set(err, ERR_NONFINITE, "shift of %s is not finite", what);
    }
    if (!isfinite(scaler->scale) || !(scaler->scale > 0.0)) {
        return err_set(err, ERR_INVALID, "scale of %s is %g, a finite number above 0 is needed",
                       what, scaler->scale);
    }
    return ERR_OK;
}

struct column {
    double low, high, mean, m2;
};

/* Column j in one pass (Welford), with logarithms taken first for log. */
static enum err_code survey_column(enum scaler_kind kind, const struct scaler_rows *rows, int j,
                                   struct column *out, struct err *err)
{
    struct column c = {.low = INFINITY, .high = -INFINITY};
    for (size_t i = 0; i < rows->n; i++) {
        double x = rows->v[i * (size_t)rows->k + (size_t)j];
        if (kind == SCALER_LOG) {
            if (!(x > 0.0)) {
                size_t row = rows->first_row + i;
                return err_set_at(err, ERR_INVALID, (int)row, j,
                                  "log scaling needs positive values, row %zu column %d is %g", row,
                                  j, x);
            }
            x = log(x);
        }
        double delta = x - c.mean;
        c.mean += delta / (double)(i + 1);
        c.m2 += delta * (x - c.mean);
        c.low = fmin(c.low, x);
        c.high = fmax(c.high, x);
    }
    *out = c;
    return ERR_OK;
}

static double positive_or_one(double scale)
{
    return isnormal(scale) && scale > 0.0 ? scale : 1.0;
}

enum err_code scaler_fit(enum scaler_kind kind, const struct scaler_rows *rows, struct scaler *out,
                         struct err *err)
{
    size_t n = rows->n;
    for (int j = 0; j < rows->k; j++) {
        struct column c = {0};
        if (rows->skip != NULL && rows->skip[j]) {
            out[j] = (struct scaler){.kind = SCALER_NONE, .scale = 1.0};
            continue;
        }
        if (survey_column(kind, rows, j, &c, err) != ERR_OK) {
            return err->code;
        }
        struct scaler s = {.kind = kind, .shift = 0.0, .scale = 1.0};
        bool constant = n < 2 || !(c.high > c.low);
        switch (kind) {
        case SCALER_NONE:
            break;
        case SCALER_STANDARD:
        case SCALER_LOG:
            s.shift = c.mean;
            s.scale = constant ? 1.0 : positive_or_one(sqrt(c.m2 / (double)(n - 1)));
            break;
        case SCALER_RANGE:
            s.shift = 0.5 * c.low + 0.5 * c.high;
            s.scale = constant ? 1.0 : positive_or_one(0.5 * c.high - 0.5 * c.low);
            break;
        case SCALER_UNIT:
            s.shift = c.low;
            s.scale = constant ? 1.0 : positive_or_one(c.high - c.low);
            break;
        }
        out[j] = s;
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
            if (s->kind == SCALER_LOG) {
                if (!(x > 0.0)) {
                    size_t row = rows->first_row + i;
                    return err_set_at(err, ERR_INVALID, (int)row, j,
                                      "row %zu, column %d is %g, but the model takes its logarithm",
                                      row, j, x);
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
