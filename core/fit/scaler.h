/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scaling of inputs and outputs, part of the model: the network sees z, the user sees v.
 *
 *   none            z = v
 *   standard        z = (v - shift) / scale    shift = mean, scale = standard deviation (ddof 1)
 *   range           the same                   the fitted range becomes [-1, 1]
 *   unit            the same                   the fitted range becomes [0, 1]
 *   log             z = (ln v - shift) / scale  ln v standardised; v must be positive
 *
 * A column is constant when its values differ by no more than rounding. Its scale is 0: z = 0, and
 * what comes back is the constant itself, without a spread. (With none a constant is as any value.)
 */
#ifndef SCALER_H
#define SCALER_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/names.h"

#include <stdbool.h>
#include <stddef.h>

enum scaler_kind { SCALER_NONE, SCALER_STANDARD, SCALER_RANGE, SCALER_UNIT, SCALER_LOG };

struct scaler {
    enum scaler_kind kind;
    double shift;
    double scale; /* > 0; 0: the column is constant */
};

static inline bool scaler_is_constant(const struct scaler *scaler)
{
    return scaler->kind != SCALER_NONE && !(scaler->scale > 0.0);
}

/* Values that differ by so many units in the last place of the largest are the same but for
 * rounding. */
#define SCALER_CONSTANT_ULPS 8.0
bool scaler_range_is_constant(double low, double high);

/*
 * Can a column with these extremes not be scaled: are they further apart than numbers can be, or
 * different and closer than the smallest number with all its digits? NULL: it can; else what is
 * wrong, for "the values of .., from .. to .., are ..".
 */
const char *scaler_find_fault(enum scaler_kind kind, double low, double high);

const char *scaler_kind_name(enum scaler_kind kind);
struct names scaler_kind_known(void);

/* ERR_INVALID when shift or scale is not finite, or scale not positive; `what` names the scaler. */
enum err_code scaler_validate(const struct scaler *scaler, const char *what,
                              struct err *err) MUST_CHECK;

/* Values in the user's units. */
struct scaler_rows {
    size_t n;           /* rows */
    int k;              /* columns */
    const double *v;    /* [n x k] */
    size_t first_row;   /* what messages call the first row */
    bool holes;         /* NaN is a value that is missing; it stays NaN */
    const bool *skip;   /* [k] columns that scaler_fit leaves as they are; NULL: none */
    char *const *names; /* [k] of the columns, for messages; NULL, or NULLs: they have none */
};

/* Fits a scaler to each column; out: [k]. ERR_INVALID: log of a value that is not positive, or
 * values whose distance is not finite. */
enum err_code scaler_fit(enum scaler_kind kind, const struct scaler_rows *rows, struct scaler *out,
                         struct err *err) MUST_CHECK;

/* Can the rows be scaled? The error of scaler_apply. */
enum err_code scaler_check(const struct scaler *scaler, const struct scaler_rows *rows,
                           struct err *err) MUST_CHECK;

/* z <- scaled v, [n x k]; may be in place. ERR_INVALID naming the row and the column. */
enum err_code scaler_apply(const struct scaler *scaler, const struct scaler_rows *rows, double *z,
                           struct err *err) MUST_CHECK;

/*
 * The power of two that values of this size are near, or 0 where they suit as they are: so many
 * that their squares are numbers too.
 */
int scaler_exponent(const struct scaler *scaler);

/* The same scaling to values in units of 2^exponent. */
struct scaler scaler_in_units(const struct scaler *scaler, int exponent);

/* Converts v [n x k] to the user's units, in place. */
void scaler_invert(const struct scaler *scaler, size_t n, int k, double *v);

/* dz/dv at v, a value in the user's units; and dv/dz. Both are 0 for a constant. */
double scaler_slope(const struct scaler *scaler, double v);
double scaler_slope_back(const struct scaler *scaler, double v);

#endif
