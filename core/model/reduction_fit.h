/* SPDX-License-Identifier: Apache-2.0 */
/* The reduction of the fields of some rows. */
#ifndef REDUCTION_FIT_H
#define REDUCTION_FIT_H

#include "base/cancel.h"
#include "model/reduction_spec.h"

/* Numbers that the fit holds besides the rows, at its peak. */
double reduction_fit_values(const struct reduction_spec *spec, double n, double p);

/* n fields of p points that are whole, y [n x p]; borrowed. */
struct reduction_rows {
    int n, p;
    const double *y;
};

/*
 * There are fewer modes than were asked for when the rows have no
 * more: their rank is at most n - 1. ERR_INVALID: fewer than 2 rows, rows that are all the same but
 * for rounding, values whose squares are no numbers. ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM; those
 * of reduction_spec_fit.
 */
enum err_code reduction_fit(const struct reduction_spec *spec, const struct reduction_rows *rows,
                            const struct cancel *cancel, struct reduction **out,
                            struct err *err) MUST_CHECK;

#endif
