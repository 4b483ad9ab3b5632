/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points and regions of an input space in requests and answers of explorations:
 *
 *   "bounds":      {"k": [0.1, 0.5]}                        narrower than the space's
 *   "fixed":       {"T": 300, "mesh": "fine"}
 *   "constraints": [{"coefficients": {"a": 1, "b": 2}, "at_most": 4, "at_least": 1}]
 *
 * A point is an array of values in the order of the inputs, or an object by name; the member of a
 * category is its text.
 */
#ifndef EXPLORE_POINTS_H
#define EXPLORE_POINTS_H

#include "base/arena.h"
#include "explore/region.h"
#include "formats/json_write.h"

#include <jansson.h>

/* Fills bounds, fixed and constraints of *out, in the arena; what is absent stays NULL. ERR_INVALID
 * naming the place; ERR_LIMIT; ERR_NOMEM. */
enum err_code explore_region_read(const json_t *body, const struct space *space,
                                  struct arena *arena, struct region_spec *out,
                                  struct err *err) MUST_CHECK;

struct explore_points {
    const char *where; /* "candidates", for messages */
    int max;
    int n;
    double *x; /* [n x d]; in the arena */
};

/* list NULL: no points. Inputs that an object does not have get their defaults. ERR_INVALID,
 * ERR_LIMIT, ERR_NOMEM. */
enum err_code explore_points_read(const json_t *list, const struct space *space,
                                  struct arena *arena, struct explore_points *points,
                                  struct err *err) MUST_CHECK;

/* One value of an input, a number or a member; `where` names it. */
enum err_code explore_value_read(const json_t *value, const struct space_input *input,
                                 const char *where, double *out, struct err *err) MUST_CHECK;

void explore_point_write(struct json_write *json, const char *key, const struct space *space,
                         const double *x);
void explore_points_write(struct json_write *json, const char *key, const struct space *space,
                          int n, const double *x);

/* The place of an output that is named or numbered from 0. ERR_INVALID with those there are. */
enum err_code explore_output_read(const json_t *value, const char *where, const struct space *space,
                                  int *out, struct err *err) MUST_CHECK;

#endif
