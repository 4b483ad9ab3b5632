/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/explore/explore_json.h"

#include "formats/json_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_POINTS      16
#define DEFAULT_CANDIDATES  1000
#define DEFAULT_REFERENCES  256
#define DEFAULT_STARTS      8
#define DEFAULT_DRAWS       50
#define DEFAULT_FRONTS      10 /* draws whose front is found */
#define DEFAULT_POPULATION  80
#define DEFAULT_GENERATIONS 100
#define WHERE_CHARS         80

static enum err_code read_common(struct explore_request *r, const char *const *keys,
                                 struct err *err)
{
    const struct json_members members = {r->body, "body", err};
    r->seed = 1;
    r->hold_s = EXPLORE_DEFAULT_HOLD_S;
    if (json_read_check_keys(r->body, "body", keys, err) != ERR_OK) {
        return err->code;
    }
    r->knows_hold_s = json_object_get(r->body, "hold_s") != NULL;
    json_read_int(members, "seed", 0, EXPLORE_MAX_SEED, &r->seed);
    json_read_int(members, "hold_s", 0, EXPLORE_MAX_HOLD_S, &r->hold_s);
    return err->code == ERR_OK ? explore_region_read(r->body, r->space, r->arena, &r->region, err)
                               : err->code;
}

/* A member that is the name of an enumeration. */
static enum err_code read_name(const json_t *object, const char *key, struct names known, int *out,
                               struct err *err)
{
    const json_t *value = json_object_get(object, key);
    if (value == NULL) {
        return ERR_OK;
    }
    int found = json_is_string(value) ? names_find(known, json_string_value(value)) : -1;
    if (found < 0) {
        char list[160] = "";
        size_t used = 0;
        for (int k = 0; k < known.n && used < sizeof list; k++) {
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", k > 0 ? ", " : "",
                                     known.list[k]);
        }
        return err_set(err, ERR_INVALID, "%s must be one of %s", key, list);
    }
    *out = found;
    return ERR_OK;
}

/* ---- design ---- */

enum err_code explore_design_read(struct explore_request *request, struct design_spec *spec,
                                  bool *extend, struct err *err)
{
    static const char *const keys[] = {"kind",   "n",           "seed",   "scrambled", "maximin",
                                       "skip",   "levels",      "extend", "bounds",    "fixed",
                                       "hold_s", "constraints", NULL};
    const struct json_members members = {request->body, "body", err};
    int64_t n = DEFAULT_POINTS;
    int64_t levels = 0;
    int kind = DESIGN_SOBOL;
    *spec = (struct design_spec){.scrambled = true, .maximin = true};
    *extend = false;
    if (read_common(request, keys, err) != ERR_OK ||
        read_name(request->body, "kind", design_kind_known(), &kind, err) != ERR_OK) {
        return err->code;
    }
    json_read_int(members, "n", 1, DESIGN_MAX_POINTS, &n);
    json_read_int(members, "skip", 0, (int64_t)1 << 31, &spec->skip);
    json_read_int(members, "levels", 2, DESIGN_MAX_POINTS, &levels);
    json_read_bool(members, "scrambled", &spec->scrambled);
    json_read_bool(members, "maximin", &spec->maximin);
    json_read_bool(members, "extend", extend);
    spec->kind = (enum design_kind)kind;
    spec->n = (int)n;
    spec->levels = (int)levels;
    spec->seed = (uint64_t)request->seed;
    if (err->code == ERR_OK && levels > 0 && kind != DESIGN_GRID) {
        return err_set(err, ERR_INVALID, "levels belong to a grid");
    }
    if (err->code == ERR_OK && *extend && kind == DESIGN_GRID) {
        return err_set(err, ERR_INVALID, "a grid does not extend rows; use another kind");
    }
    return err->code;
}

/* ---- suggest ---- */

static enum err_code read_outputs(const struct explore_request *r, bool one, int *n,
                                  const int **out, struct err *err)
{
    const json_t *list = json_object_get(r->body, "outputs");
    const json_t *single = json_object_get(r->body, "output");
    size_t count = single != NULL ? 1 : (list != NULL ? json_array_size(list) : 0);
    char where[WHERE_CHARS];
    if (single != NULL && list != NULL) {
        return err_set(err, ERR_INVALID, "output and outputs are both given");
    }
    if (list != NULL && (count == 0 || count > SUGGEST_MAX_OUTPUTS)) {
        return err_set(err, ERR_INVALID, "outputs must be a list of 1 to %d outputs",
                       SUGGEST_MAX_OUTPUTS);
    }
    bool all = single == NULL && list == NULL;
    if (all && one && r->space->o > 1) {
        return err_set(err, ERR_INVALID,
                       "the criterion looks at one output and the model has %d; name it in output",
                       r->space->o);
    }
    count = all ? (size_t)r->space->o : count;
    int *places = arena_alloc_array(r->arena, count, sizeof *places);
    if (places == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    for (size_t k = 0; k < count; k++) {
        places[k] = (int)k;
        snprintf(where, sizeof where, single != NULL ? "output" : "outputs[%zu]", k);
        if (!all && explore_output_read(single != NULL ? single : json_array_get(list, k), where,
                                        r->space, &places[k], err) != ERR_OK) {
            return err->code;
        }
        for (size_t before = 0; before < k; before++) {
            if (places[before] == places[k]) {
                return err_set(err, ERR_INVALID, "%s is given twice", where);
            }
        }
    }
    *n = (int)count;
    *out = places;
    return ERR_OK;
}

static enum err_code read_costs(const struct explore_request *r, struct suggest_spec *spec,
                                struct err *err)
{
    const json_t *list = json_object_get(r->body, "costs");
    if (list == NULL) {
        return ERR_OK;
    }
    if (spec->candidates == NULL) {
        return err_set(err, ERR_INVALID, "costs belong to candidates, and none are given");
    }
    double *costs = arena_alloc_array(r->arena, (size_t)spec->n_candidates + 1, sizeof *costs);
    if (costs == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the costs");
    }
    if (json_read_vector(list, "costs", spec->n_candidates, costs, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < spec->n_candidates; i++) {
        if (!(costs[i] > 0.0)) {
            return err_set(err, ERR_INVALID, "costs[%d] is %g, it must be above 0", i, costs[i]);
        }
    }
    spec->costs = costs;
    return ERR_OK;
}

/* A count is how many candidates are made; a list are they. */
static enum err_code read_candidates(const struct explore_request *r, struct suggest_spec *spec,
                                     struct err *err)
{
    const json_t *value = json_object_get(r->body, "candidates");
    struct explore_points points = {.where = "candidates", .max = SUGGEST_MAX_CANDIDATES};
    int64_t n = DEFAULT_CANDIDATES > 4 * spec->n ? DEFAULT_CANDIDATES : 4 * spec->n;
    if (json_is_number(value) || value == NULL) {
        const struct json_members members = {r->body, "body", err};
        json_read_int(members, "candidates", 1, SUGGEST_MAX_CANDIDATES, &n);
        spec->n_candidates = (int)n;
        spec->search = true;
        return err->code;
    }
    if (explore_points_read(value, r->space, r->arena, &points, err) == ERR_OK) {
        spec->n_candidates = points.n;
        spec->candidates = points.x;
    }
    return err->code;
}

enum err_code explore_suggest_read(struct explore_request *request, struct suggest_spec *spec,
                                   struct explore_points *pending, struct err *err)
{
    static const char *const keys[] = {
        "criterion", "n",     "seed",       "output",      "outputs",    "goal",    "threshold",
        "k",         "best",  "candidates", "costs",       "references", "pending", "search",
        "bounds",    "fixed", "hold_s",     "constraints", NULL};
    static const char *const goals[] = {"min", "max"};
    const struct json_members members = {request->body, "body", err};
    int criterion = CRITERION_INTEGRATED_VARIANCE;
    int goal = 0;
    int64_t n = 1;
    int64_t references = DEFAULT_REFERENCES;
    spec->threshold = spec->k = spec->best = NAN;
    if (read_common(request, keys, err) != ERR_OK ||
        read_name(request->body, "criterion", criterion_known(), &criterion, err) != ERR_OK ||
        read_name(request->body, "goal", (struct names){goals, 2}, &goal, err) != ERR_OK) {
        return err->code;
    }
    json_read_int(members, "n", 1, SUGGEST_MAX_POINTS, &n);
    json_read_int(members, "references", 1, SUGGEST_MAX_REFERENCES, &references);
    json_read_real(members, "threshold", -1e300, 1e300, &spec->threshold);
    json_read_real(members, "k", 0.0, 1e6, &spec->k);
    json_read_real(members, "best", -1e300, 1e300, &spec->best);
    spec->criterion = (enum criterion)criterion;
    spec->n = (int)n;
    spec->n_references = (int)references;
    spec->maximise = goal == 1;
    spec->seed = (uint64_t)request->seed;
    *pending = (struct explore_points){.where = "pending", .max = SUGGEST_MAX_PENDING};
    if (err->code != ERR_OK ||
        read_outputs(request, criterion_is_of_one(spec->criterion), &spec->n_outputs,
                     &spec->outputs, err) != ERR_OK ||
        read_candidates(request, spec, err) != ERR_OK || read_costs(request, spec, err) != ERR_OK ||
        explore_points_read(json_object_get(request->body, "pending"), request->space,
                            request->arena, pending, err) != ERR_OK) {
        return err->code;
    }
    json_read_bool(members, "search", &spec->search);
    return err->code;
}

/* ---- optimize ---- */

static enum err_code read_term(const struct explore_request *r, const json_t *object,
                               const char *where, struct term *term, struct err *err)
{
    static const char *const kinds[] = {"mean", "bound", "quantile"};
    const struct json_members members = {object, where, err};
    char place[2 * WHERE_CHARS];
    int kind = TERM_MEAN;
    const json_t *output = json_object_get(object, "output");
    *term = (struct term){.k = 0.0, .level = 0.5, .sign = 1.0};
    snprintf(place, sizeof place, "%s.output", where);
    if (output == NULL && r->space->o > 1) {
        return err_set(err, ERR_INVALID, "%s is missing, the model has %d outputs", place,
                       r->space->o);
    }
    if ((output != NULL &&
         explore_output_read(output, place, r->space, &term->output, err) != ERR_OK) ||
        read_name(object, "of", (struct names){kinds, 3}, &kind, err) != ERR_OK) {
        return err->code;
    }
    term->kind = (enum term_kind)kind;
    if (term->kind == TERM_BOUND) {
        json_read_require(members, "k");
    }
    if (term->kind == TERM_QUANTILE) {
        json_read_require(members, "level");
    }
    json_read_real(members, "k", -1e6, 1e6, &term->k);
    json_read_real(members, "level", 1e-6, 1.0 - 1e-6, &term->level);
    return err->code;
}

static enum err_code read_objective(const struct explore_request *r, const json_t *object,
                                    const char *where, struct term *term, struct err *err)
{
    static const char *const keys[] = {"output", "of", "k", "level", "goal", NULL};
    static const char *const goals[] = {"min", "max"};
    int goal = 0;
    if (json_read_check_keys(object, where, keys, err) == ERR_OK &&
        read_term(r, object, where, term, err) == ERR_OK &&
        read_name(object, "goal", (struct names){goals, 2}, &goal, err) == ERR_OK) {
        term->sign = goal == 1 ? -1.0 : 1.0;
    }
    return err->code;
}

/* One limit, or two where both sides are given. */
static enum err_code read_limit(const struct explore_request *r, const json_t *object,
                                const char *where, struct explore_optimize *out, struct err *err)
{
    static const char *const keys[] = {"output", "of", "k", "level", "at_most", "at_least", NULL};
    double sides[2] = {NAN, NAN};
    struct term term;
    const struct json_members members = {object, where, err};
    if (json_read_check_keys(object, where, keys, err) != ERR_OK ||
        read_term(r, object, where, &term, err) != ERR_OK) {
        return err->code;
    }
    json_read_real(members, "at_most", -1e300, 1e300, &sides[0]);
    json_read_real(members, "at_least", -1e300, 1e300, &sides[1]);
    if (err->code == ERR_OK && isnan(sides[0]) && isnan(sides[1])) {
        return err_set(err, ERR_INVALID, "%s has neither at_most nor at_least", where);
    }
    for (int side = 0; side < 2 && err->code == ERR_OK; side++) {
        if (!isnan(sides[side])) {
            term.sign = side == 0 ? 1.0 : -1.0;
            term.limit = sides[side];
            out->terms[out->n_terms++] = term;
        }
    }
    return err->code;
}

static enum err_code read_terms(const struct explore_request *r, struct explore_optimize *out,
                                struct err *err)
{
    const json_t *one = json_object_get(r->body, "objective");
    const json_t *several = json_object_get(r->body, "objectives");
    const json_t *limits = json_object_get(r->body, "limits");
    size_t n = several != NULL ? json_array_size(several) : 1;
    char where[WHERE_CHARS];
    if ((one != NULL) == (several != NULL) || n < 1 || n > PARETO_MAX_OBJECTIVES) {
        return err_set(err, ERR_INVALID,
                       "one objective, or a list of up to %d objectives, is needed",
                       PARETO_MAX_OBJECTIVES);
    }
    if (2 * json_array_size(limits) + n > TERMS_MAX || (limits != NULL && !json_is_array(limits))) {
        return err_set(err, ERR_INVALID, "limits must be a list of at most %d",
                       (TERMS_MAX - PARETO_MAX_OBJECTIVES) / 2);
    }
    for (size_t k = 0; k < n; k++) {
        snprintf(where, sizeof where, one != NULL ? "objective" : "objectives[%zu]", k);
        if (read_objective(r, one != NULL ? one : json_array_get(several, k), where,
                           &out->terms[out->n_terms++], err) != ERR_OK) {
            return err->code;
        }
    }
    out->n_objectives = (int)n;
    for (size_t k = 0; k < json_array_size(limits); k++) {
        snprintf(where, sizeof where, "limits[%zu]", k);
        if (read_limit(r, json_array_get(limits, k), where, out, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

/* Keys of one objective have no meaning for several, and the other way round. */
static enum err_code check_optimize_keys(const struct explore_request *r, bool several,
                                         enum pareto_method method, struct err *err)
{
    static const char *const of_several[] = {"method", "population", "generations", NULL};
    for (int k = 0; !several && of_several[k] != NULL; k++) {
        if (json_object_get(r->body, of_several[k]) != NULL) {
            return err_set(err, ERR_INVALID, "%s belongs to several objectives", of_several[k]);
        }
    }
    if (several && json_object_get(r->body, "starts") != NULL) {
        return err_set(err, ERR_INVALID, "starts belong to one objective");
    }
    if (method == PARETO_WEIGHTED_SUM && json_object_get(r->body, "generations") != NULL) {
        return err_set(err, ERR_INVALID, "generations belong to nsga");
    }
    return ERR_OK;
}

enum err_code explore_optimize_read(struct explore_request *request, struct explore_optimize *out,
                                    struct err *err)
{
    static const char *const keys[] = {
        "objective",  "objectives",  "limits", "candidates", "starts", "draws",       "method",
        "population", "generations", "seed",   "bounds",     "fixed",  "constraints", NULL};
    static const char *const methods[] = {"nsga", "weighted_sum"};
    const struct json_members members = {request->body, "body", err};
    int method = PARETO_NSGA;
    int64_t candidates = DEFAULT_CANDIDATES;
    int64_t starts = DEFAULT_STARTS;
    int64_t draws = DEFAULT_DRAWS;
    int64_t population = DEFAULT_POPULATION;
    int64_t generations = DEFAULT_GENERATIONS;
    *out = (struct explore_optimize){.n_terms = 0};
    out->terms = arena_zalloc_array(request->arena, TERMS_MAX, sizeof *out->terms);
    if (out->terms == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (read_common(request, keys, err) != ERR_OK || read_terms(request, out, err) != ERR_OK ||
        read_name(request->body, "method", (struct names){methods, 2}, &method, err) != ERR_OK) {
        return err->code;
    }
    bool several = out->n_objectives > 1;
    draws = several ? DEFAULT_FRONTS : draws;
    if (check_optimize_keys(request, several, (enum pareto_method)method, err) != ERR_OK) {
        return err->code;
    }
    json_read_int(members, "candidates", 1, OPTIMISE_MAX_CANDIDATES, &candidates);
    json_read_int(members, "starts", 1, OPTIMISE_MAX_STARTS, &starts);
    json_read_int(members, "draws", 0, several ? PARETO_MAX_DRAWS : OPTIMISE_MAX_DRAWS, &draws);
    json_read_int(members, "population", 4, PARETO_MAX_POPULATION, &population);
    json_read_int(members, "generations", 1, PARETO_MAX_GENERATIONS, &generations);
    const struct terms terms = {
        .n = out->n_terms, .n_objectives = out->n_objectives, .list = out->terms, .n_threads = 1};
    out->optimise =
        (struct optimise_spec){.terms = terms,
                               .n_candidates = (int)candidates,
                               .n_starts = (int)(starts < candidates ? starts : candidates),
                               .n_draws = (int)draws,
                               .seed = (uint64_t)request->seed};
    out->pareto = (struct pareto_spec){.terms = terms,
                                       .method = (enum pareto_method)method,
                                       .n_candidates = (int)candidates,
                                       .n_draws = (int)draws,
                                       .population = (int)population,
                                       .generations = (int)generations,
                                       .seed = (uint64_t)request->seed};
    return err->code;
}
