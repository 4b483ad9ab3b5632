/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a reduction: how many modes, where the points are, how much each counts. */
#ifndef REDUCTION_SPEC_H
#define REDUCTION_SPEC_H

#include "model/reduction.h"

/* Release with reduction_spec_release; a copy borrows. */
struct reduction_spec {
    bool on;
    int p;            /* outputs of the rows; 0: not known yet */
    int modes;        /* as many; 0: as `explained` needs */
    double explained; /* share of the weighted variance, (0, 1]; when modes is 0 */
    /* Coordinates of the points: of each in turn, or, where axis[0] is not 0, the q axes of a grid
     * one after the other, whose last coordinate changes fastest. */
    int q;                        /* of a point; 0: none are known */
    int axis[REDUCTION_MAX_AXES]; /* [q] numbers of each axis */
    int n_coordinates;            /* numbers */
    double *coordinates;          /* mem */
    bool trapezoid;               /* weights are those of the trapezoidal rule on the axes */
    int n_weights;                /* p; 0: all are 1, unless trapezoid */
    double *weights;              /* mem */
};

void reduction_spec_release(struct reduction_spec *spec);

/* Checks what does not depend on the rows. ERR_INVALID, ERR_LIMIT naming the key. */
enum err_code reduction_spec_check(const struct reduction_spec *spec, struct err *err) MUST_CHECK;

/* The largest number of modes that n rows of p outputs may have by the spec. */
int reduction_spec_max_modes(const struct reduction_spec *spec, int n, int p);

/* Do coordinates and weights fit p outputs? ERR_SHAPE, ERR_LIMIT. */
enum err_code reduction_spec_fit(const struct reduction_spec *spec, int p,
                                 struct err *err) MUST_CHECK;

/* Has every point a weight of its own? */
static inline bool reduction_spec_is_weighted(const struct reduction_spec *spec)
{
    return spec->trapezoid || spec->n_weights > 0;
}

/* weights [p] of a spec that has them, and coordinates [p x q] of one that has those. The spec
 * fits p. */
void reduction_spec_weights(const struct reduction_spec *spec, int p, double *weights);
void reduction_spec_coordinates(const struct reduction_spec *spec, int p, double *coordinates);

#endif
