/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights are searched by several threads, each search by itself, and their ends are taken in the
 * order of the weights, so the front does not depend on the threads.
 */
#include "base/par.h"
#include "explore/design.h"
#include "explore/optimise.h"
#include "explore/pareto.h"
#include "explore/search.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define EVALUATIONS 150 /* of a search */

struct sums {
    const struct region *region;
    struct pareto_spec spec; /* with one thread for the terms */
    struct terms_draw draw;  /* likewise, where there is one */
    int n_threads;
    int n_candidates;
    double *candidates; /* [n_candidates x d] */
    double *values;     /* [n_candidates x terms.n] */
    double low[PARETO_MAX_OBJECTIVES];
    double span[PARETO_MAX_OBJECTIVES];
    int n_weights;
    double *weights; /* [n_weights x n_objectives] */
    double *ends;    /* [n_weights x d] */
    double *reached; /* [n_weights x terms.n] */
};

/* A search for one weight. */
struct search_of {
    const struct sums *sums;
    const double *weights;
    double *values;    /* [terms.n] */
    double *gradients; /* [terms.n x d] */
    struct arena scratch;
};

/* ---- weights ---- */

/* The next list of n whole numbers with the sum of this one; false: it was the last. */
static bool next_composition(int n, int *list)
{
    int last = n - 1;
    int kept = list[last];
    int k = last - 1;
    while (k >= 0 && list[k] == 0) {
        k--;
    }
    if (k < 0) {
        return false;
    }
    list[last] = 0;
    list[k]--;
    list[k + 1] = kept + 1;
    return true;
}

/* How many lists of n whole numbers have this sum. */
static double n_compositions(int n, int sum)
{
    double count = 1.0;
    for (int k = 1; k < n; k++) {
        count = count * (sum + k) / k;
    }
    return count;
}

static enum err_code make_weights(struct sums *sums, struct arena *arena, struct err *err)
{
    int n = sums->spec.terms.n_objectives;
    int list[PARETO_MAX_OBJECTIVES] = {1};
    int parts = 1;
    while (n > 1 && n_compositions(n, parts + 1) <= sums->spec.population) {
        parts++;
    }
    list[0] = parts;
    size_t room = (size_t)n_compositions(n, parts);
    sums->weights = arena_alloc_array(arena, room * (size_t)n, sizeof *sums->weights);
    if (sums->weights == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the weights");
    }
    do {
        for (int t = 0; t < n; t++) {
            sums->weights[sums->n_weights * n + t] = (double)list[t] / parts;
        }
        sums->n_weights++;
    } while (next_composition(n, list));
    return ERR_OK;
}

/* ---- sums ---- */

static double sum_of(const struct sums *sums, const double *weights, const double *values)
{
    double sum = 0.0;
    for (int t = 0; t < sums->spec.terms.n_objectives; t++) {
        sum += weights[t] * (values[t] - sums->low[t]) / sums->span[t];
    }
    return sum;
}

static enum err_code sum_value(void *ctx, const double *x, double *values, double *gradients,
                               struct err *err)
{
    struct search_of *search = ctx;
    const struct sums *sums = search->sums;
    const struct terms *terms = &sums->spec.terms;
    size_t d = (size_t)sums->region->d;
    int n = terms->n_objectives;
    arena_clear(&search->scratch);
    if (cancel_is_requested(terms->cancel)) {
        return err_set(err, ERR_CANCELLED, "the search was cancelled");
    }
    if ((gradients != NULL
             ? terms_gradients(terms, x, search->values, search->gradients, &search->scratch, err)
             : pareto_values(&sums->spec, 1, x, search->values, &search->scratch, err)) != ERR_OK) {
        return err->code;
    }
    values[0] = sum_of(sums, search->weights, search->values);
    memcpy(values + 1, search->values + n, (size_t)(terms->n - n) * sizeof *values);
    if (gradients != NULL) {
        memset(gradients, 0, d * sizeof *gradients);
        for (int t = 0; t < n; t++) {
            for (size_t j = 0; j < d; j++) {
                gradients[j] +=
                    search->weights[t] / sums->span[t] * search->gradients[(size_t)t * d + j];
            }
        }
        memcpy(gradients + d, search->gradients + (size_t)n * d,
               (size_t)(terms->n - n) * d * sizeof *gradients);
    }
    return ERR_OK;
}

/* Is a better than b? What passes limits by less is. */
static bool is_better(const struct search_of *search, const double *a, const double *b)
{
    const struct terms *terms = &search->sums->spec.terms;
    double excess_a = optimise_holds(terms, a) ? 0.0 : terms_excess(terms, a);
    double excess_b = optimise_holds(terms, b) ? 0.0 : terms_excess(terms, b);
    return excess_a != excess_b ? excess_a < excess_b
                                : sum_of(search->sums, search->weights, a) <
                                      sum_of(search->sums, search->weights, b);
}

/* From the best candidate of a weight. */
static enum err_code search_weight(struct search_of *search, int weight, struct arena *arena,
                                   struct err *err)
{
    const struct sums *sums = search->sums;
    const struct terms *terms = &sums->spec.terms;
    size_t d = (size_t)sums->region->d;
    size_t n = (size_t)terms->n;
    double *end = sums->ends + (size_t)weight * d;
    double *reached = sums->reached + (size_t)weight * n;
    int best = 0;
    double value;
    for (int i = 1; i < sums->n_candidates; i++) {
        best = is_better(search, sums->values + (size_t)i * n, sums->values + (size_t)best * n)
                   ? i
                   : best;
    }
    memcpy(end, sums->candidates + (size_t)best * d, d * sizeof *end);
    memcpy(reached, sums->values + (size_t)best * n, n * sizeof *reached);
    const struct search how = {.region = sums->region,
                               .fn = sum_value,
                               .ctx = search,
                               .n_limits = terms->n - terms->n_objectives,
                               .has_gradients =
                                   sums->spec.draw == NULL && terms_have_gradients(terms),
                               .max_evaluations = EVALUATIONS};
    double *x = arena_alloc_array(arena, d, sizeof *x);
    double *values = arena_alloc_array(arena, n, sizeof *values);
    if (x == NULL || values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a search");
    }
    memcpy(x, end, d * sizeof *x);
    if (search_run(&how, x, &value, arena, err) == ERR_OK &&
        pareto_values(&sums->spec, 1, x, values, &search->scratch, err) == ERR_OK &&
        region_holds(sums->region, x) && is_better(search, values, reached)) {
        memcpy(end, x, d * sizeof *end);
        memcpy(reached, values, n * sizeof *reached);
    }
    return err->code;
}

static enum err_code run_weight(void *ctx, int worker, int weight, struct err *err)
{
    const struct sums *sums = ctx;
    const struct terms *terms = &sums->spec.terms;
    struct arena arena = ARENA_INIT;
    struct search_of search = {.sums = sums,
                               .weights = sums->weights + weight * terms->n_objectives,
                               .scratch = ARENA_INIT};
    size_t n = (size_t)terms->n;
    search.values = arena_alloc_array(&arena, n * ((size_t)sums->region->d + 1), sizeof(double));
    if (search.values == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a search");
    } else {
        search.gradients = search.values + n;
        err_kept(search_weight(&search, weight, &arena, err));
    }
    arena_release(&search.scratch);
    arena_release(&arena);
    return err->code;
}

/* ---- scattered points, and the front ---- */

static enum err_code find_candidates(struct sums *sums, struct arena *arena, struct err *err)
{
    const struct pareto_spec *spec = &sums->spec;
    const struct terms *terms = &spec->terms;
    size_t n = (size_t)terms->n;
    struct design design;
    struct arena scratch = ARENA_INIT;
    const struct design_spec wanted = {.kind = DESIGN_SOBOL,
                                       .n = spec->n_candidates,
                                       .scrambled = true,
                                       .seed = spec->seed,
                                       .cancel = terms->cancel};
    if (design_make(sums->region, &wanted, arena, &design, err) != ERR_OK) {
        return err->code;
    }
    sums->n_candidates = design.n;
    sums->candidates = design.x;
    sums->values = arena_alloc_array(arena, (size_t)design.n * n, sizeof *sums->values);
    if (sums->values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates");
    }
    err_kept(pareto_values(spec, design.n, design.x, sums->values, &scratch, err));
    arena_release(&scratch);
    for (int t = 0; t < terms->n_objectives && err->code == ERR_OK; t++) {
        double high = -DBL_MAX;
        sums->low[t] = DBL_MAX;
        for (size_t i = 0; i < (size_t)design.n; i++) {
            sums->low[t] = fmin(sums->low[t], sums->values[i * n + (size_t)t]);
            high = fmax(high, sums->values[i * n + (size_t)t]);
        }
        sums->span[t] = high > sums->low[t] ? high - sums->low[t] : 1.0;
    }
    return err->code;
}

/* Does end i belong to the front: no other one that holds beats it, nor comes before it with the
 * same values? */
static bool is_on_front(const struct sums *sums, int i)
{
    const struct terms *terms = &sums->spec.terms;
    size_t n = (size_t)terms->n;
    const double *here = sums->reached + (size_t)i * n;
    if (!optimise_holds(terms, here)) {
        return false;
    }
    for (int k = 0; k < sums->n_weights; k++) {
        const double *other = sums->reached + (size_t)k * n;
        bool beats = k != i && optimise_holds(terms, other);
        bool better = k < i;
        for (int t = 0; t < terms->n_objectives; t++) {
            beats = beats && other[t] <= here[t];
            better = better || other[t] < here[t];
        }
        if (beats && better) {
            return false;
        }
    }
    return true;
}

static enum err_code take_front(const struct sums *sums, struct arena *arena,
                                struct pareto_front *out, struct err *err)
{
    const struct terms *terms = &sums->spec.terms;
    size_t d = (size_t)sums->region->d;
    size_t n = (size_t)terms->n;
    size_t room = (size_t)sums->n_weights;
    struct pareto_front made = {.n = 0};
    made.x = arena_alloc_array(arena, room * d, sizeof *made.x);
    made.values = arena_alloc_array(arena, room * n, sizeof *made.values);
    if (made.x == NULL || made.values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the front");
    }
    for (int i = 0; i < sums->n_weights; i++) {
        const double *values = sums->reached + (size_t)i * n;
        int at = made.n;
        if (!is_on_front(sums, i)) {
            continue;
        }
        while (at > 0 && made.values[(size_t)(at - 1) * n] > values[0]) {
            memcpy(made.values + (size_t)at * n, made.values + (size_t)(at - 1) * n,
                   n * sizeof *values);
            memcpy(made.x + (size_t)at * d, made.x + (size_t)(at - 1) * d, d * sizeof *made.x);
            at--;
        }
        memcpy(made.values + (size_t)at * n, values, n * sizeof *values);
        memcpy(made.x + (size_t)at * d, sums->ends + (size_t)i * d, d * sizeof *made.x);
        made.n++;
    }
    for (size_t k = 0; k < (size_t)made.n * n; k++) {
        made.values[k] = term_number(&terms->list[k % n], made.values[k]);
    }
    *out = made;
    return ERR_OK;
}

enum err_code pareto_weighted_sum(const struct region *region, const struct pareto_spec *spec,
                                  struct arena *arena, struct pareto_front *out, struct err *err)
{
    struct sums sums = {.region = region, .spec = *spec, .n_threads = spec->terms.n_threads};
    if (spec->n_candidates < 1 || spec->n_candidates > PARETO_MAX_CANDIDATES) {
        return err_set(err, ERR_LIMIT, "candidates must be from 1 to %d", PARETO_MAX_CANDIDATES);
    }
    if (find_candidates(&sums, arena, err) != ERR_OK || make_weights(&sums, arena, err) != ERR_OK) {
        return err->code;
    }
    sums.spec.terms.n_threads = 1;
    if (spec->draw != NULL) {
        sums.draw = *spec->draw;
        sums.draw.terms = &sums.spec.terms;
        sums.spec.draw = &sums.draw;
    }
    size_t n = (size_t)sums.n_weights;
    sums.ends = arena_alloc_array(arena, n * (size_t)region->d, sizeof *sums.ends);
    sums.reached = arena_alloc_array(arena, n * (size_t)spec->terms.n, sizeof *sums.reached);
    if (sums.ends == NULL || sums.reached == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the front");
    }
    return par_run(sums.n_threads, sums.n_weights, run_weight, &sums, err) == ERR_OK
               ? take_front(&sums, arena, out, err)
               : err->code;
}
