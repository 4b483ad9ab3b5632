/* SPDX-License-Identifier: Apache-2.0 */
#include "math/gauss.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define MAX_MEMBERS      4096
#define MAX_FACTOR_BYTES ((size_t)8 << 30)

void gauss_mixture_release(struct gauss_mixture *mixture)
{
    for (int i = 0; i < mixture->n_members; i++) {
        mem_free(mixture->members[i].mean);
        mem_free(mixture->members[i].std);
        mem_free(mixture->members[i].factor);
    }
    mem_free(mixture->members);
    *mixture = (struct gauss_mixture){.n_members = 0};
}

enum err_code gauss_mixture_new(struct gauss_mixture *mixture, int n_members, int n_params,
                                int first, int n, bool with_std, int rank, struct err *err)
{
    size_t bytes;
    *mixture = (struct gauss_mixture){.n_members = 0};
    if (n_members < 1 || n_members > MAX_MEMBERS || first < 0 || n < 0 || n > n_params - first ||
        rank < 0) {
        return err_set(err, ERR_INVALID,
                       "a Gaussian posterior of %d members, rank %d is impossible", n_members,
                       rank);
    }
    if (!size_mul((size_t)n * sizeof(double), (size_t)rank, &bytes) ||
        !size_mul(bytes, (size_t)n_members, &bytes) || bytes > MAX_FACTOR_BYTES) {
        return err_set(err, ERR_LIMIT, "the covariance of %d parameters is too large to hold", n);
    }
    mixture->members = mem_zalloc_array((size_t)n_members, sizeof *mixture->members);
    if (mixture->members == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a Gaussian posterior");
    }
    mixture->n_members = n_members;
    mixture->n_draws = 1;
    bool ok = true;
    for (int i = 0; i < n_members; i++) {
        struct gauss *g = &mixture->members[i];
        g->first = first;
        g->n = n;
        g->rank = rank;
        g->mean = mem_zalloc_array((size_t)n_params, sizeof *g->mean);
        g->std = with_std ? mem_zalloc_array((size_t)n, sizeof *g->std) : NULL;
        g->factor = rank > 0 ? mem_zalloc_array((size_t)n * (size_t)rank, sizeof *g->factor) : NULL;
        ok = ok && g->mean != NULL && (!with_std || g->std != NULL) &&
             (rank == 0 || g->factor != NULL);
    }
    if (!ok) {
        gauss_mixture_release(mixture);
        return err_set(err, ERR_NOMEM, "no memory for a Gaussian posterior of %d parameters", n);
    }
    return ERR_OK;
}

enum err_code gauss_mixture_copy(struct gauss_mixture *to, const struct gauss_mixture *from,
                                 int n_params, int first, int n, struct err *err)
{
    const struct gauss *shape = &from->members[first];
    if (gauss_mixture_new(to, n, n_params, shape->first, shape->n, shape->std != NULL, shape->rank,
                          err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < n; i++) {
        const struct gauss *g = &from->members[first + i];
        struct gauss *copy = &to->members[i];
        memcpy(copy->mean, g->mean, (size_t)n_params * sizeof *g->mean);
        if (g->std != NULL) {
            memcpy(copy->std, g->std, (size_t)g->n * sizeof *g->std);
        }
        if (g->factor != NULL) {
            memcpy(copy->factor, g->factor, (size_t)g->n * (size_t)g->rank * sizeof *g->factor);
        }
    }
    to->n_draws = from->n_draws;
    to->seed = from->seed;
    to->linearised = from->linearised;
    return ERR_OK;
}

static bool all_finite(const double *values, size_t n)
{
    for (size_t i = 0; values != NULL && i < n; i++) {
        if (!isfinite(values[i])) {
            return false;
        }
    }
    return true;
}

enum err_code gauss_mixture_check(const struct gauss_mixture *mixture, int n_params,
                                  struct err *err)
{
    for (int i = 0; i < mixture->n_members; i++) {
        const struct gauss *g = &mixture->members[i];
        if (g->first < 0 || g->n < 0 || g->n > n_params - g->first) {
            return err_set(err, ERR_INVALID, "member %d: parameters %d to %d are not all there", i,
                           g->first, g->first + g->n);
        }
        if (!all_finite(g->mean, (size_t)n_params) || !all_finite(g->std, (size_t)g->n) ||
            !all_finite(g->factor, (size_t)g->n * (size_t)g->rank)) {
            return err_set(err, ERR_NONFINITE, "member %d has a number that is not finite", i);
        }
        for (int k = 0; g->std != NULL && k < g->n; k++) {
            if (g->std[k] < 0.0) {
                return err_set(err, ERR_INVALID, "member %d: std of parameter %d is negative", i,
                               g->first + k);
            }
        }
    }
    return ERR_OK;
}

void gauss_mixture_draw(const struct gauss_mixture *mixture, int n_params, int j, double *theta)
{
    const struct gauss *g = &mixture->members[j / mixture->n_draws];
    double *uncertain = theta + g->first;
    struct rng rng;
    rng_init(&rng, (uint64_t)mixture->seed, RNG_DRAW, (uint32_t)j);
    memcpy(theta, g->mean, (size_t)n_params * sizeof *theta);
    for (int k = 0; g->std != NULL && k < g->n; k++) {
        uncertain[k] += g->std[k] * rng_normal(&rng);
    }
    /* Column after column, so that nothing but theta is needed. */
    for (int c = 0; c < g->rank; c++) {
        double z = rng_normal(&rng);
        for (int k = 0; k < g->n; k++) {
            uncertain[k] += g->factor[(size_t)k * (size_t)g->rank + (size_t)c] * z;
        }
    }
}
