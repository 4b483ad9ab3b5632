/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Importance sampling from a mixture of normal distributions of unit covariance,
 *
 *   q(z) = sum_c w_c N(z; v_c, I) + w_0 N(z; 0, I),     p = E_q 1(g < 0) phi(z) / q(z).
 *
 * Points that failed come from subset simulation of a few
 * draws, several times so that no mode is missed. They are put into groups by their
 * directions (spherical k-means [1]); v_c is the mean of a group, which is the mean that
 * cross-entropy wants [2], and w_c its share. The unit covariance keeps the weights bounded in any
 * number of dimensions along directions that do not matter, and the last component bounds them by
 * 1/w_0 everywhere. The estimate has no bias wherever the modes are.
 *
 * [1] I. S. Dhillon, D. S. Modha, Concept decompositions for large sparse text data using
 *     clustering, Machine Learning 42, 2001.
 * [2] R. Y. Rubinstein, D. P. Kroese, The Cross-Entropy Method, Springer, 2004.
 */
#include "analyse/failure.h"

#include <math.h>
#include <string.h>

#define N_LOOKS   8 /* at failures of some draws, or of the same ones again */
#define MAX_FOUND 4000
#define DEFENSIVE 0.1 /* w_0 */
#define N_SWEEPS  20
#define FIRST_LOOK                                                                                 \
    (ANALYSE_MAX_REPLICATES + 1) /* their random numbers are none of a replicate's                 \
                                  */

/* ---- modes ---- */

static double dot(size_t k, const double *a, const double *b)
{
    double sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static double cosine(size_t k, const double *a, const double *b)
{
    return dot(k, a, b) / sqrt(fmax(dot(k, a, a) * dot(k, b, b), 1e-300));
}

/* The mode that a point is nearest to in direction. */
static int nearest(size_t k, const struct failure_mixture *mix, const double *z, double *best)
{
    int found = 0;
    *best = -2.0;
    for (int c = 0; c < mix->n; c++) {
        double cos = cosine(k, z, mix->mode + (size_t)c * k);
        if (cos > *best) {
            *best = cos;
            found = c;
        }
    }
    return found;
}

/* The first mode is the first point; each next one is the point farthest from all before. */
static void start_modes(size_t k, const struct failure_found *found, struct failure_mixture *mix)
{
    memcpy(mix->mode, found->z, k * sizeof *mix->mode);
    mix->n = 1;
    while (mix->n < FAILURE_MAX_MODES && mix->n < found->n) {
        int farthest = 0;
        double lowest = 2.0;
        for (int i = 0; i < found->n; i++) {
            double best;
            (void)nearest(k, mix, found->z + (size_t)i * k, &best);
            if (best < lowest) {
                lowest = best;
                farthest = i;
            }
        }
        memcpy(mix->mode + (size_t)mix->n++ * k, found->z + (size_t)farthest * k,
               k * sizeof *mix->mode);
    }
}

/* Each mode becomes the mean of its points. sums: [FAILURE_MAX_MODES x k]. */
static void sweep(size_t k, const struct failure_found *found, struct failure_mixture *mix,
                  double *sums)
{
    int counts[FAILURE_MAX_MODES] = {0};
    memset(sums, 0, FAILURE_MAX_MODES * k * sizeof *sums);
    for (int i = 0; i < found->n; i++) {
        double best;
        const double *z = found->z + (size_t)i * k;
        int c = nearest(k, mix, z, &best);
        counts[c]++;
        for (size_t b = 0; b < k; b++) {
            sums[(size_t)c * k + b] += z[b];
        }
    }
    for (int c = 0; c < mix->n; c++) {
        for (size_t b = 0; counts[c] > 0 && b < k; b++) {
            mix->mode[(size_t)c * k + b] = sums[(size_t)c * k + b] / counts[c];
        }
        mix->weight[c] = (1.0 - DEFENSIVE) * counts[c] / found->n;
    }
    mix->weight[mix->n] = DEFENSIVE;
}

enum err_code failure_mixture_find(struct analysis *a, struct failure_mixture *out, struct err *err)
{
    size_t k = (size_t)a->n_free;
    bool ok = true;
    struct arena scratch = ARENA_INIT;
    struct failure_found found = {.room = 0};
    double p;
    out->mode = analysis_array(a, FAILURE_MAX_MODES * k, &ok);
    out->weight = analysis_array(a, FAILURE_MAX_MODES + 1, &ok);
    found.z = arena_alloc_array(&scratch, MAX_FOUND * k, sizeof *found.z);
    double *sums = arena_alloc_array(&scratch, FAILURE_MAX_MODES * k, sizeof *sums);
    if (!ok || found.z == NULL || sums == NULL) {
        err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    for (int j = 0; j < N_LOOKS && err->code == ERR_OK; j++) {
        const struct failure_subset subset = {
            .a = a, .replicate = FIRST_LOOK + j, .first = j % a->field->m, .m = 1, .found = &found};
        struct arena inner = ARENA_INIT;
        found.room = (j + 1) * (MAX_FOUND / N_LOOKS); /* each look has its share */
        err_kept(failure_subset_run(&subset, &inner, &p, err));
        arena_release(&inner);
    }
    if (err->code == ERR_OK && found.n > 0) {
        start_modes(k, &found, out);
        for (int i = 0; i < N_SWEEPS; i++) {
            sweep(k, &found, out, sums);
        }
    } else if (err->code == ERR_OK) {
        out->weight[0] = 1.0; /* no failure is known: plain Monte Carlo */
    }
    arena_release(&scratch);
    return err->code;
}

/* ---- a replicate ---- */

static void draw_point(const struct failure_mixture *mix, size_t k, struct rng *rng, double *z)
{
    double u = rng_uniform(rng);
    int c = 0;
    while (c < mix->n && u >= mix->weight[c]) {
        u -= mix->weight[c++];
    }
    for (size_t b = 0; b < k; b++) {
        z[b] = rng_normal(rng) + (c < mix->n ? mix->mode[(size_t)c * k + b] : 0.0);
    }
}

/* phi(z) / q(z), by the largest term of q. */
static double weight_of(const struct failure_mixture *mix, size_t k, const double *z)
{
    double logs[FAILURE_MAX_MODES + 1];
    double max = log(mix->weight[mix->n]);
    double sum = 0.0;
    logs[mix->n] = max;
    for (int c = 0; c < mix->n; c++) {
        const double *v = mix->mode + (size_t)c * k;
        logs[c] = log(mix->weight[c]) + dot(k, v, z) - 0.5 * dot(k, v, v);
        max = fmax(max, logs[c]);
    }
    for (int c = 0; c <= mix->n; c++) {
        sum += exp(logs[c] - max);
    }
    return exp(-max) / sum;
}

double failure_max_weight(const struct failure_mixture *mixture)
{
    return 1.0 / mixture->weight[mixture->n];
}

enum err_code failure_mixture_run(const struct analysis *a, const struct failure_mixture *mixture,
                                  int replicate, struct arena *scratch, double *p, struct err *err)
{
    size_t k = (size_t)a->n_free;
    size_t m = (size_t)a->field->m;
    int block = analysis_block(a, a->spec->n, 1);
    struct rng rng;
    struct arena inner = ARENA_INIT;
    double *z = arena_alloc_array(scratch, (size_t)block * k, sizeof *z);
    double *w = arena_alloc_array(scratch, (size_t)block, sizeof *w);
    double *g = arena_alloc_array(scratch, (size_t)block * m, sizeof *g);
    if (z == NULL || w == NULL || g == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    rng_init(&rng, a->spec->seed, RNG_ANALYSE, (uint32_t)replicate);
    memset(p, 0, m * sizeof *p);
    for (int first = 0; first < a->spec->n && err->code == ERR_OK; first += block) {
        int n = a->spec->n - first < block ? a->spec->n - first : block;
        const struct failure_points points = {.m = (int)m, .n = n, .z = z};
        for (size_t i = 0; i < (size_t)n; i++) {
            draw_point(mixture, k, &rng, z + i * k);
            w[i] = weight_of(mixture, k, z + i * k) / a->spec->n;
        }
        if (failure_margins(a, &points, &inner, g, err) == ERR_OK) {
            for (size_t i = 0; i < m * (size_t)n; i++) {
                p[i / (size_t)n] += g[i] < 0.0 ? w[i % (size_t)n] : 0.0;
            }
        }
    }
    arena_release(&inner);
    return err->code;
}
