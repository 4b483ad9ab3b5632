/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search runs over t = (x - low) / (high - low) of the real inputs, in which all are alike. An
 * input without an end is searched between far quantiles of its distribution.
 *
 * NLopt asks for the function and for each limit at the same point, one after another; the last
 * evaluation is kept, so each point is computed once. What NLopt ends with need not be the best
 * point it saw, so the best one that meets all limits is kept here.
 */
#include "explore/search.h"

#include <math.h>
#include <nlopt.h>
#include <string.h>

#define FAR_QUANTILE 1e-4
#define FIRST_STEP   0.1  /* of t; by itself NLopt takes tiny ones near a bound */
#define TOLERANCE    1e-8 /* of t, and relative of the value */
#define MEETS        1e-7 /* limits are met to so much of the largest value that they had */

struct state {
    const struct search *search;
    int n;             /* real inputs that are free */
    int *input;        /* [n] */
    double *low;       /* [n] */
    double *high;      /* [n] */
    double *width;     /* [n] */
    double *x;         /* [d] of the last evaluation */
    double *t;         /* [n] likewise; NaN: none */
    double *values;    /* [1 + n_limits] likewise */
    double *gradients; /* [(1 + n_limits) x d] likewise; NULL: not wanted */
    double *best_x;    /* [d] */
    double best;       /* INFINITY: nothing yet */
    double best_excess;
    double *scale; /* [n_limits] the largest size of each */
    nlopt_opt opt;
    struct err err;
};

/* One of the functions that NLopt knows. */
struct part {
    struct state *state;
    int which;
};

struct linear {
    struct state *state;
    const struct region_constraint *constraint;
};

static void place(const struct state *state, const double *t, double *x)
{
    for (int k = 0; k < state->n; k++) {
        double share = t[k] < 0.0 ? 0.0 : (t[k] > 1.0 ? 1.0 : t[k]);
        /* low + width can round to more than high. */
        x[state->input[k]] = fmin(state->low[k] + share * state->width[k], state->high[k]);
    }
}

static void keep_best(struct state *state)
{
    double excess = region_holds(state->search->region, state->x) ? 0.0 : INFINITY;
    for (int k = 0; k < state->search->n_limits; k++) {
        double value = state->values[1 + k];
        state->scale[k] = fmax(state->scale[k], fabs(value));
        excess = fmax(excess, value <= MEETS * state->scale[k] ? 0.0 : value / state->scale[k]);
    }
    if (excess < state->best_excess ||
        (excess == state->best_excess && state->values[0] < state->best)) {
        state->best_excess = excess;
        state->best = state->values[0];
        memcpy(state->best_x, state->x, (size_t)state->search->region->d * sizeof *state->x);
    }
}

static bool evaluate(struct state *state, const double *t)
{
    size_t size = (size_t)state->n * sizeof *t;
    if (state->err.code != ERR_OK) {
        return false;
    }
    if (memcmp(state->t, t, size) == 0) {
        return true;
    }
    place(state, t, state->x);
    if (state->search->fn(state->search->ctx, state->x, state->values, state->gradients,
                          &state->err) != ERR_OK) {
        nlopt_force_stop(state->opt);
        return false;
    }
    memcpy(state->t, t, size);
    keep_best(state);
    return true;
}

static double part_value(unsigned n, const double *t, double *gradient, void *data)
{
    const struct part *part = data;
    struct state *state = part->state;
    if (!evaluate(state, t)) {
        return INFINITY;
    }
    for (unsigned k = 0; gradient != NULL && k < n; k++) {
        size_t at = (size_t)part->which * (size_t)state->search->region->d;
        gradient[k] = state->gradients[at + (size_t)state->input[k]] * state->width[k];
    }
    return state->values[part->which];
}

static double linear_value(unsigned n, const double *t, double *gradient, void *data)
{
    const struct linear *linear = data;
    const struct state *state = linear->state;
    double sum = -linear->constraint->limit;
    /* Inputs that are not searched have the values of the start in best_x. */
    for (int j = 0; j < state->search->region->d; j++) {
        sum += linear->constraint->a[j] * state->best_x[j];
    }
    for (unsigned k = 0; k < n; k++) {
        double a = linear->constraint->a[state->input[k]];
        sum += a * (state->low[k] + t[k] * state->width[k] - state->best_x[state->input[k]]);
        if (gradient != NULL) {
            gradient[k] = a * state->width[k];
        }
    }
    return sum;
}

/* ---- making it ---- */

static void find_inputs(struct state *state)
{
    const struct region *region = state->search->region;
    for (int k = 0; k < region->n_free; k++) {
        const struct marginal *input = &region->inputs[k];
        double low =
            isfinite(input->limits[0]) ? input->limits[0] : marginal_value(input, FAR_QUANTILE);
        double high = isfinite(input->limits[1]) ? input->limits[1]
                                                 : marginal_value(input, 1.0 - FAR_QUANTILE);
        if (!marginal_is_discrete(input) && high > low) {
            state->input[state->n] = region->free[k];
            state->low[state->n] = low;
            state->high[state->n] = high;
            state->width[state->n] = high - low;
            state->n++;
        }
    }
}

static enum err_code make_state(struct state *state, const struct search *search,
                                struct arena *arena, struct err *err)
{
    size_t d = (size_t)search->region->d;
    size_t parts = 1 + (size_t)search->n_limits;
    *state = (struct state){.search = search, .best = INFINITY, .best_excess = INFINITY};
    double *numbers = arena_alloc_array(arena, d * 6 + parts * (d + 2), sizeof *numbers);
    state->input = arena_alloc_array(arena, d, sizeof *state->input);
    if (numbers == NULL || state->input == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    state->low = numbers;
    state->width = numbers + d;
    state->x = numbers + 2 * d;
    state->t = numbers + 3 * d;
    state->best_x = numbers + 4 * d;
    state->high = numbers + 5 * d;
    state->values = numbers + 6 * d;
    state->scale = state->values + parts;
    state->gradients = search->has_gradients ? state->scale + parts : NULL;
    memset(state->scale, 0, parts * sizeof *state->scale);
    err_clear(&state->err);
    find_inputs(state);
    return ERR_OK;
}

static bool add_limits(struct state *state, struct part *parts, struct linear *linear)
{
    const struct region_spec *spec = &state->search->region->spec;
    bool ok = nlopt_set_min_objective(state->opt, part_value, &parts[0]) >= 0;
    for (int k = 0; k < state->search->n_limits; k++) {
        ok = ok && nlopt_add_inequality_constraint(state->opt, part_value, &parts[1 + k], 0.0) >= 0;
    }
    for (int c = 0; c < spec->n_constraints; c++) {
        ok = ok && nlopt_add_inequality_constraint(state->opt, linear_value, &linear[c], 0.0) >= 0;
    }
    return ok && nlopt_set_lower_bounds1(state->opt, 0.0) >= 0 &&
           nlopt_set_upper_bounds1(state->opt, 1.0) >= 0 &&
           nlopt_set_initial_step1(state->opt, FIRST_STEP) >= 0 &&
           nlopt_set_xtol_abs1(state->opt, TOLERANCE) >= 0 &&
           nlopt_set_ftol_rel(state->opt, TOLERANCE * TOLERANCE) >= 0 &&
           nlopt_set_maxeval(state->opt, state->search->max_evaluations) >= 0;
}

static enum err_code run_nlopt(struct state *state, double *t, struct arena *arena, struct err *err)
{
    const struct search *search = state->search;
    int n_linear = search->region->spec.n_constraints;
    struct part *parts = arena_alloc_array(arena, 1 + (size_t)search->n_limits, sizeof *parts);
    struct linear *linear = arena_alloc_array(arena, (size_t)n_linear + 1, sizeof *linear);
    state->opt =
        nlopt_create(search->has_gradients ? NLOPT_LD_SLSQP : NLOPT_LN_COBYLA, (unsigned)state->n);
    if (parts == NULL || linear == NULL || state->opt == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    for (int k = 0; k <= search->n_limits; k++) {
        parts[k] = (struct part){state, k};
    }
    for (int c = 0; c < n_linear; c++) {
        linear[c] = (struct linear){state, &search->region->spec.constraints[c]};
    }
    if (!add_limits(state, parts, linear)) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    double value;
    nlopt_result result = nlopt_optimize(state->opt, t, &value);
    if (state->err.code != ERR_OK) {
        *err = state->err;
    } else if (result == NLOPT_OUT_OF_MEMORY) {
        err_set(err, ERR_NOMEM, "no memory for a search");
    }
    return err->code; /* other ends, as of rounding, leave the best point so far */
}

enum err_code search_run(const struct search *search, double *x, double *value, struct arena *arena,
                         struct err *err)
{
    struct state state;
    size_t d = (size_t)search->region->d;
    if (make_state(&state, search, arena, err) != ERR_OK) {
        return err->code;
    }
    double *t = arena_alloc_array(arena, d, sizeof *t);
    if (t == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    memcpy(state.x, x, d * sizeof *x);
    memcpy(state.best_x, x, d * sizeof *x);
    if (search->fn(search->ctx, x, state.values, state.gradients, err) != ERR_OK) {
        return err->code;
    }
    keep_best(&state);
    for (int k = 0; k < state.n; k++) {
        double share = (x[state.input[k]] - state.low[k]) / state.width[k];
        t[k] = share < 0.0 ? 0.0 : (share > 1.0 ? 1.0 : share);
        state.t[k] = NAN;
    }
    if (state.n > 0) {
        err_kept(run_nlopt(&state, t, arena, err));
        nlopt_destroy(state.opt);
    }
    if (err->code == ERR_OK) {
        memcpy(x, state.best_x, d * sizeof *x);
        *value = state.best;
    }
    return err->code;
}
