/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of design, suggest and optimize (schema/API.md) as the structs of core/explore. Keys
 * that are absent get defaults; strings and arrays live in the arena.
 */
#ifndef EXPLORE_JSON_H
#define EXPLORE_JSON_H

#include "documents/explore/explore_points.h"
#include "explore/design.h"
#include "explore/optimise.h"
#include "explore/pareto.h"
#include "explore/suggest.h"

#define EXPLORE_MAX_HOLD_S     (365 * 24 * 3600)
#define EXPLORE_DEFAULT_HOLD_S (24 * 3600)
#define EXPLORE_MAX_SEED       ((int64_t)1 << 53)

/* What all three have in common. */
struct explore_request {
    const json_t *body;
    const struct space *space;
    struct arena *arena;
    struct region_spec region;
    int64_t seed;
    int64_t hold_s;    /* how long points are pending; 0: not at all */
    bool knows_hold_s; /* it is in the body */
};

/* The body must have no other keys than these. ERR_INVALID and as of explore_region_read. */
enum err_code explore_design_read(struct explore_request *request, struct design_spec *spec,
                                  bool *extend, struct err *err) MUST_CHECK;

/* n_known, pending points of the store, threads and cancel stay what they were. *pending: those of
 * the body. */
enum err_code explore_suggest_read(struct explore_request *request, struct suggest_spec *spec,
                                   struct explore_points *pending, struct err *err) MUST_CHECK;

/* One objective: *optimise; several: *pareto. terms.model must be set in neither. */
struct explore_optimize {
    int n_objectives;
    struct term *terms; /* objectives, then limits */
    int n_terms;
    struct optimise_spec optimise;
    struct pareto_spec pareto;
};
enum err_code explore_optimize_read(struct explore_request *request, struct explore_optimize *out,
                                    struct err *err) MUST_CHECK;

/* ---- answers ---- */

void explore_suggestions_write(struct json_write *json, const struct suggestions *made,
                               const struct suggest_spec *spec, const struct space *space);
void explore_optimum_write(struct json_write *json, const struct optimum *optimum,
                           const struct explore_optimize *how, const struct space *space);
void explore_front_write(struct json_write *json, const struct pareto_front *front,
                         const struct explore_optimize *how, const struct space *space);
void explore_fronts_write(struct json_write *json, const struct pareto_front *front,
                          const struct pareto_spread *spread, const struct explore_optimize *how,
                          const struct space *space);

#endif
