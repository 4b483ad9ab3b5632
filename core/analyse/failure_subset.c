/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subset simulation [1]: P(g < 0) is the product of the probability p0 = 1/10 of ever lower levels
 * of g, and of the share below 0 at the last level. The points below a level begin Markov chains
 * that stay below it, all at the same time. A candidate is
 *
 *   z' = rho z + sqrt(1 - rho^2) xi,   xi standard normal,
 *
 * which leaves the normal distribution invariant, and is taken if its g is below the level [2].
 * sqrt(1 - rho^2) is adapted after each step towards the acceptance rate 0.44 [2].
 *
 * All draws have the same random numbers.
 *
 * [1] S. K. Au, J. L. Beck, Estimation of small failure probabilities in high dimensions by subset
 *     simulation, Probabilistic Engineering Mechanics 16, 2001.
 * [2] I. Papaioannou, W. Betz, K. Zwirglmaier, D. Straub, MCMC algorithms for subset simulation,
 *     Probabilistic Engineering Mechanics 41, 2015.
 */
#include "analyse/failure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LEVELS   40 /* 1e-40 is no probability any more */
#define ACCEPTANCE   0.44
#define FIRST_SPREAD 0.8

struct levels {
    const struct failure_subset *subset;
    int n; /* points of a level */
    int draw;
    struct rng rng;
    double *z, *next_z; /* [n x k] */
    double *g, *next_g; /* [n] */
    double *sorted;     /* [n] */
    double *candidate;  /* [n/10 x k] */
    double *candidate_g;
    double spread; /* sqrt(1 - rho^2) */
    struct arena inner;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The points below the level begin the next one: as its first tenth. At ties the first ones. */
static int gather_starts(struct levels *l, double level)
{
    size_t k = (size_t)l->subset->a->n_free;
    int n = l->n / FAILURE_SUBSET_SHARE;
    int at = 0;
    for (int pass = 0; pass < 2; pass++) { /* strictly below before equal */
        for (int i = 0; i < l->n && at < n; i++) {
            if (pass == 0 ? l->g[i] < level : l->g[i] == level) {
                memcpy(l->next_z + (size_t)at * k, l->z + (size_t)i * k, k * sizeof *l->z);
                l->next_g[at++] = l->g[i];
            }
        }
    }
    return at;
}

/* One step of all chains: from the points [from, from + n) to the n behind them. */
static enum err_code step_chains(struct levels *l, int from, int n, double level, struct err *err)
{
    size_t k = (size_t)l->subset->a->n_free;
    double rho = sqrt(1.0 - l->spread * l->spread);
    const double *z = l->next_z + (size_t)from * k;
    const struct failure_points points = {.first = l->draw, .m = 1, .n = n, .z = l->candidate};
    int n_taken = 0;
    for (size_t i = 0; i < (size_t)n * k; i++) {
        l->candidate[i] = rho * z[i] + l->spread * rng_normal(&l->rng);
    }
    if (failure_margins(l->subset->a, &points, &l->inner, l->candidate_g, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < n; i++) {
        bool taken = l->candidate_g[i] <= level;
        const double *kept = taken ? l->candidate + (size_t)i * k : z + (size_t)i * k;
        memcpy(l->next_z + (size_t)(from + n + i) * k, kept, k * sizeof *kept);
        l->next_g[from + n + i] = taken ? l->candidate_g[i] : l->next_g[from + i];
        n_taken += taken;
    }
    int step = from / n + 1;
    l->spread *= exp(((double)n_taken / n - ACCEPTANCE) / sqrt((double)step));
    l->spread = fmin(fmax(l->spread, 1e-3), 1.0);
    return ERR_OK;
}

static void append_failed(const struct levels *l)
{
    struct failure_found *found = l->subset->found;
    size_t k = (size_t)l->subset->a->n_free;
    for (int i = 0; found != NULL && i < l->n && found->n < found->room; i++) {
        if (l->g[i] < 0.0) {
            memcpy(found->z + (size_t)found->n++ * k, l->z + (size_t)i * k, k * sizeof *l->z);
        }
    }
}

static double share_failed(const struct levels *l)
{
    int n = 0;
    for (int i = 0; i < l->n; i++) {
        n += l->g[i] < 0.0;
    }
    return (double)n / l->n;
}

/* From the first level's points in z and g to the probability. */
static enum err_code run_levels(struct levels *l, double *p, struct err *err)
{
    int n_chains = l->n / FAILURE_SUBSET_SHARE;
    double probability = 1.0;
    for (int level = 0; level < MAX_LEVELS; level++) {
        memcpy(l->sorted, l->g, (size_t)l->n * sizeof *l->g);
        qsort(l->sorted, (size_t)l->n, sizeof *l->sorted, compare);
        double limit = l->sorted[n_chains - 1];
        if (limit < 0.0) {
            append_failed(l);
            *p = probability * share_failed(l);
            return ERR_OK;
        }
        l->spread = FIRST_SPREAD;
        (void)gather_starts(l, limit);
        for (int from = 0; from + n_chains < l->n; from += n_chains) {
            if (step_chains(l, from, n_chains, limit, err) != ERR_OK) {
                return err->code;
            }
        }
        double *z = l->z;
        double *g = l->g;
        l->z = l->next_z;
        l->g = l->next_g;
        l->next_z = z;
        l->next_g = g;
        probability /= FAILURE_SUBSET_SHARE;
    }
    *p = 0.0;
    return ERR_OK;
}

static bool allocate(struct levels *l, struct arena *scratch)
{
    size_t n = (size_t)l->n;
    size_t size = n * (size_t)l->subset->a->n_free;
    l->z = arena_alloc_array(scratch, size, sizeof *l->z);
    l->next_z = arena_alloc_array(scratch, size, sizeof *l->z);
    l->candidate = arena_alloc_array(scratch, size / FAILURE_SUBSET_SHARE, sizeof *l->z);
    l->g = arena_alloc_array(scratch, n, sizeof *l->g);
    l->next_g = arena_alloc_array(scratch, n, sizeof *l->g);
    l->candidate_g = arena_alloc_array(scratch, n / FAILURE_SUBSET_SHARE, sizeof *l->g);
    l->sorted = arena_alloc_array(scratch, n, sizeof *l->g);
    return l->z != NULL && l->next_z != NULL && l->candidate != NULL && l->g != NULL &&
           l->next_g != NULL && l->candidate_g != NULL && l->sorted != NULL;
}

enum err_code failure_subset_run(const struct failure_subset *subset, struct arena *scratch,
                                 double *p, struct err *err)
{
    const struct analysis *a = subset->a;
    struct levels l = {.subset = subset, .n = a->spec->n, .inner = ARENA_INIT};
    if (l.n % FAILURE_SUBSET_SHARE != 0) {
        l.n += FAILURE_SUBSET_SHARE - l.n % FAILURE_SUBSET_SHARE;
    }
    if (!allocate(&l, scratch)) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    for (int j = 0; j < subset->m && err->code == ERR_OK; j++) {
        const struct failure_points points = {
            .first = subset->first + j, .m = 1, .n = l.n, .z = l.z};
        l.draw = points.first;
        rng_init(&l.rng, a->spec->seed, RNG_ANALYSE, (uint32_t)subset->replicate);
        for (size_t i = 0; i < (size_t)l.n * (size_t)a->n_free; i++) {
            l.z[i] = rng_normal(&l.rng);
        }
        if (failure_margins(a, &points, &l.inner, l.g, err) == ERR_OK) {
            err_kept(run_levels(&l, &p[j], err));
        }
    }
    arena_release(&l.inner);
    return err->code;
}
