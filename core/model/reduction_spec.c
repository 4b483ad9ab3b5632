/* SPDX-License-Identifier: Apache-2.0 */
#include "model/reduction_spec.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

void reduction_spec_release(struct reduction_spec *spec)
{
    mem_free(spec->coordinates);
    mem_free(spec->weights);
    spec->coordinates = NULL;
    spec->weights = NULL;
    spec->n_coordinates = spec->n_weights = 0;
}

/* Points of the coordinates; 0: there are none; -1: more than can be. */
static int count_points(const struct reduction_spec *spec)
{
    double points = 1.0;
    if (spec->q == 0) {
        return 0;
    }
    if (spec->axis[0] == 0) {
        return spec->n_coordinates / spec->q;
    }
    for (int a = 0; a < spec->q; a++) {
        points *= spec->axis[a];
    }
    return points <= REDUCTION_MAX_POINTS ? (int)points : -1;
}

/* The trapezoidal rule needs axes that ascend; points on a line are one. */
static enum err_code check_trapezoid(const struct reduction_spec *spec, struct err *err)
{
    const double *x = spec->coordinates;
    if (!spec->trapezoid) {
        return ERR_OK;
    }
    if (spec->n_weights > 0 || spec->q == 0 || (spec->axis[0] == 0 && spec->q != 1)) {
        return err_set(err, ERR_INVALID,
                       "output_reduction: weights \"trapezoid\" need coordinates on a line or "
                       "\"axes\" of a grid");
    }
    for (int a = 0; a < spec->q; a++) {
        int n = spec->axis[0] > 0 ? spec->axis[a] : spec->n_coordinates;
        for (int i = 1; i < n || n < 2; i++) {
            if (n < 2 || !(x[i] > x[i - 1])) {
                return err_set(err, ERR_INVALID,
                               "output_reduction: weights \"trapezoid\" need at least two "
                               "coordinates, in ascending order, and axis %d has not",
                               a);
            }
        }
        x += n;
    }
    return ERR_OK;
}

static enum err_code check_arrays(const struct reduction_spec *spec, struct err *err)
{
    for (int j = 0; j < spec->n_weights; j++) {
        if (!isnormal(spec->weights[j]) || spec->weights[j] < 0.0) {
            return err_set(err, ERR_INVALID,
                           "output_reduction: weights[%d] is %g, a number above 0 is needed", j,
                           spec->weights[j]);
        }
    }
    for (int j = 0; j < spec->n_coordinates; j++) {
        if (!isfinite(spec->coordinates[j])) {
            return err_set(err, ERR_INVALID, "output_reduction: coordinate %d is not finite", j);
        }
    }
    return check_trapezoid(spec, err);
}

enum err_code reduction_spec_check(const struct reduction_spec *spec, struct err *err)
{
    if (!spec->on) {
        return ERR_OK;
    }
    if (spec->modes < 0 || spec->modes > REDUCTION_MAX_MODES) {
        return err_set(err, ERR_LIMIT, "output_reduction: modes is %d, 1 to %d are allowed",
                       spec->modes, REDUCTION_MAX_MODES);
    }
    if (spec->modes == 0 && !(spec->explained > 0.0 && spec->explained <= 1.0)) {
        return err_set(err, ERR_INVALID,
                       "output_reduction: explained is %g, a share above 0 and at most 1 is needed",
                       spec->explained);
    }
    if (count_points(spec) < 0) {
        return err_set(err, ERR_LIMIT,
                       "output_reduction: the axes make more than %d points, which is the limit",
                       REDUCTION_MAX_POINTS);
    }
    return check_arrays(spec, err);
}

int reduction_spec_max_modes(const struct reduction_spec *spec, int n, int p)
{
    int max = n - 1 < p ? n - 1 : p;
    max = max < REDUCTION_MAX_MODES ? max : REDUCTION_MAX_MODES;
    max = spec->modes > 0 && spec->modes < max ? spec->modes : max;
    return max > 1 ? max : 1;
}

enum err_code reduction_spec_fit(const struct reduction_spec *spec, int p, struct err *err)
{
    if (p > REDUCTION_MAX_POINTS) {
        return err_set(err, ERR_LIMIT, "output_reduction: %d outputs, at most %d are allowed", p,
                       REDUCTION_MAX_POINTS);
    }
    if (spec->n_weights > 0 && spec->n_weights != p) {
        return err_set(err, ERR_SHAPE,
                       "output_reduction: weights has %d numbers, but the number of outputs is %d",
                       spec->n_weights, p);
    }
    if (spec->q > 0 && count_points(spec) != p) {
        return err_set(err, ERR_SHAPE,
                       "output_reduction: coordinates are those of %d points, but the number of "
                       "outputs is %d",
                       count_points(spec), p);
    }
    return ERR_OK;
}

/* The place of point j on axis a, and where that axis begins. */
static int place_on(const struct reduction_spec *spec, int j, int a, int *first)
{
    *first = 0;
    for (int b = spec->q - 1; b > a; b--) {
        j /= spec->axis[b];
    }
    for (int b = 0; b < a; b++) {
        *first += spec->axis[b];
    }
    return j % spec->axis[a];
}

static double trapezoid_at(const double *x, int n, int i)
{
    return 0.5 * (x[i < n - 1 ? i + 1 : i] - x[i > 0 ? i - 1 : i]);
}

void reduction_spec_weights(const struct reduction_spec *spec, int p, double *weights)
{
    if (!spec->trapezoid) {
        memcpy(weights, spec->weights, (size_t)p * sizeof *weights);
        return;
    }
    for (int j = 0; j < p; j++) {
        weights[j] = spec->axis[0] == 0 ? trapezoid_at(spec->coordinates, p, j) : 1.0;
        for (int a = 0; spec->axis[0] > 0 && a < spec->q; a++) {
            int first;
            int i = place_on(spec, j, a, &first);
            weights[j] *= trapezoid_at(spec->coordinates + first, spec->axis[a], i);
        }
    }
}

void reduction_spec_coordinates(const struct reduction_spec *spec, int p, double *coordinates)
{
    if (spec->axis[0] == 0) {
        memcpy(coordinates, spec->coordinates, (size_t)p * (size_t)spec->q * sizeof *coordinates);
        return;
    }
    for (int j = 0; j < p; j++) {
        for (int a = 0; a < spec->q; a++) {
            int first;
            int i = place_on(spec, j, a, &first);
            coordinates[(size_t)j * (size_t)spec->q + (size_t)a] = spec->coordinates[first + i];
        }
    }
}
