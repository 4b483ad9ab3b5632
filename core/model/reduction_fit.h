/* SPDX-License-Identifier: Apache-2.0 */
/* The reduction of the fields of some rows. */
#ifndef REDUCTION_FIT_H
#define REDUCTION_FIT_H

#include "base/cancel.h"
#include "model/reduction.h"

/* What is asked for. Arrays are borrowed. */
struct reduction_spec {
    bool on;
    int p;            /* outputs of the rows; 0: not known yet */
    int modes;        /* as many; 0: as `explained` needs */
    double explained; /* share of the weighted variance, (0, 1]; when modes is 0 */
    int q;            /* coordinates of a point; 0: none */
    int n_coordinates;         /* numbers: p x q */
    double *coordinates;       /* mem, owned by the spec's owner */
    int n_weights;             /* p; 0: all 1 */
    double *weights;           /* mem */
};

void reduction_spec_release(struct reduction_spec *spec);

/* Checks what does not depend on the rows. ERR_INVALID, ERR_LIMIT naming the key. */
enum err_code reduction_spec_check(const struct reduction_spec *spec, struct err *err) MUST_CHECK;

/* The largest number of modes that n rows of p outputs may have by the spec. */
int reduction_max_modes(const struct reduction_spec *spec, int n, int p);

/* Do coordinates and weights fit p outputs? ERR_SHAPE, ERR_LIMIT. */
enum err_code reduction_spec_fit(const struct reduction_spec *spec, int p,
                                 struct err *err) MUST_CHECK;

/* Numbers that the fit holds besides the rows, at its peak. */
double reduction_fit_values(const struct reduction_spec *spec, double n, double p);

/*
 * y: [n x p] fields that are whole. There are fewer modes than were asked for when the rows have no
 * more: their rank is at most n - 1. ERR_INVALID: fewer than 2 rows, rows that are all the same but
 * for rounding, values whose squares are no numbers. ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM; those
 * of reduction_spec_fit.
 */
enum err_code reduction_fit(const struct reduction_spec *spec, int n, int p, const double *y,
                            const struct cancel *cancel, struct reduction **out,
                            struct err *err) MUST_CHECK;

#endif
