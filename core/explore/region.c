/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/region.h"

#include "model/space_rows.h"

#include <math.h>

#define MEMBERS_APART   0.25 /* squared distance */
#define CORNER_QUANTILE 1e-4 /* where an input has no end */
#define NEAR            0.01 /* squared distance for each free input */
#define SLACK           1e-9 /* of the size of a constraint's terms: rounding of users and programs */

/* The limits of input j: those of the space and of the request together. */
static void limits_of(const struct region_spec *spec, int j, double limits[2])
{
    space_limits(&spec->space->inputs[j], limits);
    for (int side = 0; side < 2; side++) {
        double fallback = spec->fallback != NULL ? spec->fallback[2 * j + side] : NAN;
        double bound = spec->bounds != NULL ? spec->bounds[2 * j + side] : NAN;
        bool none =
            spec->space->inputs[j].distribution.kind == SPACE_NONE && !isfinite(limits[side]);
        if (none && isnan(bound) && !isnan(fallback)) {
            limits[side] = fallback;
        }
        if (side == 0 ? bound > limits[0] : bound < limits[1]) {
            limits[side] = bound;
        }
    }
}

static enum err_code check_fixed(const struct region_spec *spec, int j, struct err *err)
{
    const struct space_input *input = &spec->space->inputs[j];
    double limits[2];
    double value = spec->fixed[j];
    space_limits(input, limits);
    if (input->type == SPACE_CATEGORY) {
        limits[0] = 0.0;
        limits[1] = input->n_values - 1.0;
    }
    if (space_is_outside(limits, value)) {
        return err_set(err, ERR_INVALID, "input \"%s\" cannot be fixed at %g: it is from %g to %g",
                       input->name, value, limits[0], limits[1]);
    }
    if (input->type != SPACE_REAL && value != floor(value)) {
        return err_set(err, ERR_INVALID, "input \"%s\" cannot be fixed at %g: it is an integer",
                       input->name, value);
    }
    return ERR_OK;
}

/* Is a constraint broken wherever the inputs are within their limits? */
static enum err_code check_constraint(const struct region *region, int c, struct err *err)
{
    const struct region_constraint *constraint = &region->spec.constraints[c];
    double smallest = 0.0;
    for (int j = 0; region->spec.fixed != NULL && j < region->d; j++) {
        smallest += isnan(region->spec.fixed[j]) ? 0.0 : constraint->a[j] * region->spec.fixed[j];
    }
    for (int k = 0; k < region->n_free; k++) {
        double a = constraint->a[region->free[k]];
        const double *limits = region->inputs[k].limits;
        smallest += a == 0.0 ? 0.0 : a * (a > 0.0 ? limits[0] : limits[1]);
    }
    if (smallest > constraint->limit + SLACK * fabs(constraint->limit)) {
        return err_set(err, ERR_INVALID,
                       "constraints[%d] holds nowhere: within the bounds its left side is at least "
                       "%g, and at most %g is asked for",
                       c, smallest, constraint->limit);
    }
    return ERR_OK;
}

enum err_code region_init(struct region *region, const struct region_spec *spec,
                          struct arena *arena, struct err *err)
{
    int d = spec->space->d;
    *region = (struct region){.spec = *spec, .d = d};
    region->free = arena_alloc_array(arena, (size_t)d, sizeof *region->free);
    region->inputs = arena_alloc_array(arena, (size_t)d, sizeof *region->inputs);
    if (region->free == NULL || region->inputs == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a region of inputs");
    }
    for (int j = 0; j < d; j++) {
        double limits[2];
        if (spec->fixed != NULL && !isnan(spec->fixed[j])) {
            if (check_fixed(spec, j, err) != ERR_OK) {
                return err->code;
            }
            continue;
        }
        limits_of(spec, j, limits);
        if (marginal_init(&region->inputs[region->n_free], &spec->space->inputs[j], limits, err) !=
            ERR_OK) {
            return err->code;
        }
        region->free[region->n_free++] = j;
    }
    if (region->n_free == 0) {
        return err_set(err, ERR_INVALID, "every input is fixed");
    }
    for (int c = 0; c < spec->n_constraints; c++) {
        if (check_constraint(region, c, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

void region_point(const struct region *region, const double *u, double *x)
{
    for (int j = 0; region->spec.fixed != NULL && j < region->d; j++) {
        x[j] = region->spec.fixed[j];
    }
    for (int k = 0; k < region->n_free; k++) {
        x[region->free[k]] = marginal_value(&region->inputs[k], u[k]);
    }
}

void region_unit(const struct region *region, const double *x, double *u)
{
    for (int k = 0; k < region->n_free; k++) {
        u[k] = marginal_unit(&region->inputs[k], x[region->free[k]]);
    }
}

bool region_holds(const struct region *region, const double *x)
{
    for (int c = 0; c < region->spec.n_constraints; c++) {
        const struct region_constraint *constraint = &region->spec.constraints[c];
        double sum = 0.0;
        double size = fabs(constraint->limit);
        for (int j = 0; j < region->d; j++) {
            sum += constraint->a[j] * x[j];
            size += fabs(constraint->a[j] * x[j]);
        }
        if (sum > constraint->limit + SLACK * size) {
            return false;
        }
    }
    return true;
}

double region_distance2(const struct region *region, const double *u, const double *v)
{
    double sum = 0.0;
    for (int k = 0; k < region->n_free; k++) {
        double gap = u[k] - v[k];
        bool category = region->inputs[k].input->type == SPACE_CATEGORY;
        sum += !category ? gap * gap : (gap != 0.0 ? MEMBERS_APART : 0.0);
    }
    return sum;
}

int region_corners(const struct region *region, double *u, double *x)
{
    int n = region->n_free <= REGION_MAX_CORNER_INPUTS ? 1 << region->n_free : 0;
    int found = 0;
    for (int c = 0; c < n; c++) {
        double *to = x + (size_t)found * (size_t)region->d;
        for (int k = 0; k < region->n_free; k++) {
            bool high = c >> k & 1;
            double edge = isfinite(region->inputs[k].limits[high]) ? 0.0 : CORNER_QUANTILE;
            u[k] = high ? 1.0 - edge : edge;
        }
        region_point(region, u, to);
        found += region_holds(region, to);
    }
    return found;
}

bool region_is_near(const struct region *region, const double *u, const double *v)
{
    return region_distance2(region, u, v) < NEAR * region->n_free;
}
