/* SPDX-License-Identifier: Apache-2.0 */
#include "math/gauss.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define MAX_MEMBERS      4096
#define MAX_FACTOR_BYTES ((size_t)8 << 30)

void gauss_release(struct gauss *g)
{
    mem_free(g->mean);
    mem_free(g->std);
    mem_free(g->factor);
    *g = (struct gauss){.mean = NULL};
}

void gauss_mixture_release(struct gauss_mixture *mixture)
{
    for (int i = 0; i < mixture->n_members; i++) {
        gauss_release(&mixture->members[i]);
    }
    mem_free(mixture->members);
    *mixture = (struct gauss_mixture){.n_members = 0};
}

/* Arrays of zeros; on failure some are NULL, for gauss_mixture_release. */
static bool allocate_member(struct gauss *g, const struct gauss_shape *shape)
{
    size_t n = (size_t)shape->n;
    size_t rank = (size_t)shape->rank;
    g->first = shape->first;
    g->n = shape->n;
    g->rank = shape->rank;
    g->mean = mem_zalloc_array((size_t)shape->n_params, sizeof *g->mean);
    g->std = shape->with_std ? mem_zalloc_array(n, sizeof *g->std) : NULL;
    g->factor = rank > 0 ? mem_zalloc_array(n * rank, sizeof *g->factor) : NULL;
    return g->mean != NULL && (!shape->with_std || g->std != NULL) &&
           (rank == 0 || g->factor != NULL);
}

enum err_code gauss_mixture_new(struct gauss_mixture *mixture, int n_members,
                                const struct gauss_shape *shape, struct err *err)
{
    size_t bytes;
    *mixture = (struct gauss_mixture){.n_members = 0};
    if (n_members < 1 || n_members > MAX_MEMBERS || shape->first < 0 || shape->n < 0 ||
        shape->n > shape->n_params - shape->first || shape->rank < 0) {
        return err_set(err, ERR_INVALID,
                       "a Gaussian posterior of %d members, rank %d is impossible", n_members,
                       shape->rank);
    }
    if (!size_mul((size_t)shape->n * sizeof(double), (size_t)shape->rank, &bytes) ||
        !size_mul(bytes, (size_t)n_members, &bytes) || bytes > MAX_FACTOR_BYTES) {
        return err_set(err, ERR_LIMIT, "the covariance of %d parameters is too large to hold",
                       shape->n);
    }
    mixture->members = mem_zalloc_array((size_t)n_members, sizeof *mixture->members);
    if (mixture->members == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a Gaussian posterior");
    }
    mixture->n_members = n_members;
    mixture->n_draws = 1;
    for (int i = 0; i < n_members; i++) {
        if (!allocate_member(&mixture->members[i], shape)) {
            gauss_mixture_release(mixture);
            return err_set(err, ERR_NOMEM, "no memory for a Gaussian posterior of %d parameters",
                           shape->n);
        }
    }
    return ERR_OK;
}

enum err_code gauss_mixture_copy(struct gauss_mixture *to, const struct gauss_mixture *from,
                                 int n_params, int first, int n, struct err *err)
{
    const struct gauss *one = &from->members[first];
    const struct gauss_shape shape = {.n_params = n_params,
                                      .first = one->first,
                                      .n = one->n,
                                      .with_std = one->std != NULL,
                                      .rank = one->rank};
    if (gauss_mixture_new(to, n, &shape, err) != ERR_OK) {
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
            copy->upper = g->upper;
        }
    }
    to->n_draws = from->n_draws;
    to->seed = from->seed;
    to->linearised = from->linearised;
    return ERR_OK;
}

void gauss_find_upper(struct gauss *g)
{
    size_t rank = (size_t)g->rank;
    g->upper = g->factor != NULL && rank > 0;
    for (size_t i = 1; i < (size_t)g->n && g->upper; i++) {
        const double *row = g->factor + i * rank;
        for (size_t c = 0; c < i && c < rank && g->upper; c++) {
            g->upper = fpclassify(row[c]) == FP_ZERO;
        }
    }
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
    /* Column by column, so that no memory but theta is needed. */
    for (int c = 0; c < g->rank; c++) {
        double z = rng_normal(&rng);
        for (int k = 0; k < g->n; k++) {
            uncertain[k] += g->factor[(size_t)k * (size_t)g->rank + (size_t)c] * z;
        }
    }
}
