/* SPDX-License-Identifier: Apache-2.0 */
#include "model/reduction.h"

#include "base/mem.h"
#include "base/mem_budget.h"
#include "math/gemm.h"

#include <math.h>
#include <string.h>

#define ORTHONORMAL 1e-6 /* how far modes of a document may be from it */

static void reduction_free(struct reduction *r)
{
    mem_free(r->mean);
    mem_free(r->modes);
    mem_free(r->deviations);
    mem_free(r->truncation);
    mem_free(r->weights);
    mem_free(r->coordinates);
    mem_free(r);
}

enum err_code reduction_new(int p, int k, int q, bool weighted, struct reduction **out,
                            struct err *err)
{
    if (p < 1 || p > REDUCTION_MAX_POINTS || k < 1 || k > REDUCTION_MAX_MODES || k > p || q < 0 ||
        q > REDUCTION_MAX_AXES) {
        return err_set(
            err, ERR_LIMIT,
            "a reduction of %d outputs to %d modes with %d coordinates; 1 to %d outputs, "
            "1 to %d modes, not more than outputs, and up to %d coordinates are allowed",
            p, k, q, REDUCTION_MAX_POINTS, REDUCTION_MAX_MODES, REDUCTION_MAX_AXES);
    }
    const struct reduction size = {.p = p, .k = k, .q = q};
    size_t limit = mem_budget_limit(MEM_MODELS);
    if (limit != 0 && reduction_bytes(&size) > limit) {
        return err_set(
            err, ERR_TOO_LARGE,
            "a reduction of %d outputs to %d modes needs %zu MB of memory to be served, a "
            "model may have %zu MB (models_mb)",
            p, k, reduction_bytes(&size) / 1000000 + 1, limit / 1000000);
    }
    enum mem_kind kind = mem_kind_use(MEM_MODELS);
    struct reduction *r = mem_zalloc(sizeof *r);
    if (r != NULL) {
        atomic_init(&r->refs, 1);
        r->p = p;
        r->k = k;
        r->q = q;
        r->mean = mem_zalloc_array((size_t)p, sizeof *r->mean);
        r->modes = mem_zalloc_array((size_t)p * (size_t)k, sizeof *r->modes);
        r->deviations = mem_zalloc_array((size_t)k, sizeof *r->deviations);
        r->truncation = mem_zalloc_array((size_t)p, sizeof *r->truncation);
        r->weights = weighted ? mem_zalloc_array((size_t)p, sizeof *r->weights) : NULL;
        r->coordinates =
            q > 0 ? mem_zalloc_array((size_t)p * (size_t)q, sizeof *r->coordinates) : NULL;
    }
    mem_kind_use(kind);
    if (r == NULL || r->mean == NULL || r->modes == NULL || r->deviations == NULL ||
        r->truncation == NULL || (weighted && r->weights == NULL) ||
        (q > 0 && r->coordinates == NULL)) {
        reduction_unref(r);
        return err_set(err, ERR_NOMEM, "no memory for a reduction of %d outputs to %d modes", p, k);
    }
    *out = r;
    return ERR_OK;
}

struct reduction *reduction_ref(struct reduction *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void reduction_unref(struct reduction *r)
{
    if (r != NULL && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) {
        reduction_free(r);
    }
}

/* ---- the check ---- */

/* The first of n numbers that is not finite, or is below `min`; n: there is none. */
static size_t find_bad(const double *values, size_t n, double min)
{
    size_t i = 0;
    while (values != NULL && i < n && isfinite(values[i]) && values[i] >= min) {
        i++;
    }
    return values != NULL ? i : n;
}

static enum err_code check_numbers(const struct reduction *r, struct err *err)
{
    size_t p = (size_t)r->p;
    const double tiny = 2.2250738585072014e-308;
    const struct {
        const char *name;
        const double *values;
        size_t n;
        double min;
        const char *needed;
    } arrays[] = {{"mean", r->mean, p, -INFINITY, "a finite number"},
                  {"modes", r->modes, p * (size_t)r->k, -INFINITY, "a finite number"},
                  {"deviations", r->deviations, (size_t)r->k, tiny, "a number above 0"},
                  {"truncation", r->truncation, p, 0.0, "a number, at least 0,"},
                  {"weights", r->weights, p, tiny, "a number above 0"},
                  {"coordinates", r->coordinates, p * (size_t)r->q, -INFINITY, "a finite number"}};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        size_t bad = find_bad(arrays[i].values, arrays[i].n, arrays[i].min);
        if (bad < arrays[i].n) {
            return err_set(err, ERR_INVALID, "output_reduction: %s: number %zu is %g, %s is needed",
                           arrays[i].name, bad, arrays[i].values[bad], arrays[i].needed);
        }
    }
    return r->explained > 0.0 && r->explained <= 1.0
               ? ERR_OK
               : err_set(err, ERR_INVALID,
                         "output_reduction: explained is %g, a number above 0 and at most 1 is "
                         "needed",
                         r->explained);
}

enum err_code reduction_check(const struct reduction *r, struct err *err)
{
    size_t p = (size_t)r->p;
    size_t k = (size_t)r->k;
    if (check_numbers(r, err) != ERR_OK) {
        return err->code;
    }
    double *weighted = mem_alloc_array(p, sizeof *weighted);
    if (weighted == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to check a reduction");
    }
    for (size_t a = 0; a < k && err->code == ERR_OK; a++) {
        for (size_t j = 0; j < p; j++) {
            weighted[j] = r->modes[a * p + j] * (r->weights != NULL ? r->weights[j] : 1.0);
        }
        for (size_t b = 0; b <= a && err->code == ERR_OK; b++) {
            double product = cblas_ddot((int)p, weighted, 1, r->modes + b * p, 1);
            if (!(fabs(product - (a == b ? 1.0 : 0.0)) <= ORTHONORMAL)) {
                err_set(err, ERR_INVALID,
                        "output_reduction: modes %zu and %zu have the inner product %.10g, %d is "
                        "needed: modes are orthonormal under the weights",
                        b, a, product, a == b);
            }
        }
    }
    mem_free(weighted);
    return err->code;
}

/* ---- coding ---- */

enum err_code reduction_encode(const struct reduction *r, size_t n, const double *y, double *c,
                               struct err *err)
{
    size_t p = (size_t)r->p;
    size_t k = (size_t)r->k;
    double *gap = mem_alloc_array(p, sizeof *gap);
    if (gap == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the coefficients of a field");
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < p; j++) {
            double w = r->weights != NULL ? r->weights[j] : 1.0;
            gap[j] = w * (y[i * p + j] - r->mean[j]);
        }
        for (size_t a = 0; a < k; a++) {
            c[i * k + a] = cblas_ddot(r->p, gap, 1, r->modes + a * p, 1);
        }
    }
    mem_free(gap);
    return ERR_OK;
}

void reduction_take_points(const struct reduction *r, struct reduction_choice choice,
                           double *scratch, struct reduction_points *points)
{
    size_t p = (size_t)r->p;
    const int *outputs = choice.outputs;
    int n = choice.n;
    points->n = n;
    if (outputs == NULL) {
        points->stride = p;
        points->modes = r->modes + choice.first;
        points->mean = r->mean + choice.first;
        points->truncation = r->truncation + choice.first;
        return;
    }
    points->stride = REDUCTION_BLOCK;
    points->modes = scratch;
    points->mean = points->own[0];
    points->truncation = points->own[1];
    for (int j = 0; j < n; j++) {
        points->own[0][j] = r->mean[outputs[j]];
        points->own[1][j] = r->truncation[outputs[j]];
    }
    for (size_t i = 0; i < (size_t)r->k; i++) {
        for (int j = 0; j < n; j++) {
            scratch[i * REDUCTION_BLOCK + (size_t)j] = r->modes[i * p + (size_t)outputs[j]];
        }
    }
}

void reduction_decode(const struct reduction *r, const struct reduction_points *points,
                      const double *c, double *y)
{
    memcpy(y, points->mean, (size_t)points->n * sizeof *y);
    for (size_t i = 0; i < (size_t)r->k; i++) {
        const double *v = points->modes + i * points->stride;
        for (int j = 0; j < points->n; j++) {
            y[j] += c[i] * v[j];
        }
    }
}

void reduction_variance(const struct reduction *r, const struct reduction_points *points,
                        const double *s, double *v)
{
    size_t k = (size_t)r->k;
    double row[REDUCTION_BLOCK];
    memset(v, 0, (size_t)points->n * sizeof *v);
    for (size_t i = 0; i < k; i++) {
        const double *vi = points->modes + i * points->stride;
        for (int j = 0; j < points->n; j++) {
            row[j] = s[i * k + i] * vi[j];
        }
        for (size_t l = 0; l < i; l++) {
            const double *vl = points->modes + l * points->stride;
            for (int j = 0; j < points->n; j++) {
                row[j] += 2.0 * s[i * k + l] * vl[j];
            }
        }
        for (int j = 0; j < points->n; j++) {
            v[j] += row[j] * vi[j];
        }
    }
    for (int j = 0; j < points->n; j++) {
        v[j] = v[j] < 0.0 ? 0.0 : v[j]; /* by rounding; what is no number stays so */
    }
}

void reduction_independent(const struct reduction *r, const struct reduction_points *points,
                           const double *u, double *v)
{
    memset(v, 0, (size_t)points->n * sizeof *v);
    for (size_t i = 0; i < (size_t)r->k; i++) {
        const double *vi = points->modes + i * points->stride;
        for (int j = 0; j < points->n; j++) {
            v[j] += u[i] * vi[j] * vi[j];
        }
    }
}

double reduction_covariance_at(const struct reduction *r, const double *s, size_t a, size_t b)
{
    size_t k = (size_t)r->k;
    size_t p = (size_t)r->p;
    double sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        double row = 0.0;
        for (size_t l = 0; l < k; l++) {
            row += s[i * k + l] * r->modes[l * p + b];
        }
        sum += r->modes[i * p + a] * row;
    }
    return sum;
}

size_t reduction_bytes(const struct reduction *r)
{
    size_t p = (size_t)r->p;
    size_t k = (size_t)r->k;
    size_t weights = r->weights != NULL ? p : 0;
    return (p * k + 2 * p + k + weights + p * (size_t)r->q) * sizeof(double);
}

/* ---- bytes ---- */

void reduction_put(struct bytes_writer *w, const struct reduction *r)
{
    size_t p = (size_t)r->p;
    bytes_put_u32(w, (uint32_t)r->p);
    bytes_put_u32(w, (uint32_t)r->k);
    bytes_put_u32(w, (uint32_t)r->q);
    bytes_put_u32(w, r->weights != NULL);
    bytes_put_f64(w, &r->explained, 1);
    bytes_put_f64(w, r->mean, p);
    bytes_put_f64(w, r->modes, p * (size_t)r->k);
    bytes_put_f64(w, r->deviations, (size_t)r->k);
    bytes_put_f64(w, r->truncation, p);
    if (r->weights != NULL) {
        bytes_put_f64(w, r->weights, p);
    }
    if (r->q > 0) {
        bytes_put_f64(w, r->coordinates, p * (size_t)r->q);
    }
}

struct reduction *reduction_get(struct bytes_reader *reader)
{
    struct reduction *r = NULL;
    struct err err = ERR_INIT;
    int p = bytes_get_int(reader, REDUCTION_MAX_POINTS);
    int k = bytes_get_int(reader, REDUCTION_MAX_MODES);
    int q = bytes_get_int(reader, REDUCTION_MAX_AXES);
    bool weighted = bytes_get_int(reader, 1) == 1;
    size_t numbers = (size_t)p * (size_t)k + (size_t)k + (size_t)p * (2 + weighted + (size_t)q) + 1;
    /* Are they there? This is checked before memory for them is allocated. */
    if (reader->failed || p < 1 || k < 1 || k > p || numbers > reader->left / sizeof(double)) {
        reader->failed = true;
        return NULL;
    }
    if (reduction_new(p, k, q, weighted, &r, &err) != ERR_OK) {
        reader->no_memory = reader->failed = true;
        return NULL;
    }
    bytes_get_f64(reader, &r->explained, 1);
    bytes_get_f64(reader, r->mean, (size_t)p);
    bytes_get_f64(reader, r->modes, (size_t)p * (size_t)k);
    bytes_get_f64(reader, r->deviations, (size_t)k);
    bytes_get_f64(reader, r->truncation, (size_t)p);
    if (weighted) {
        bytes_get_f64(reader, r->weights, (size_t)p);
    }
    if (q > 0) {
        bytes_get_f64(reader, r->coordinates, (size_t)p * (size_t)q);
    }
    return r;
}
