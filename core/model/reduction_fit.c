/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With A = (Y - mean) diag(sqrt w) = E S U', the modes are V = diag(1 / sqrt w) U and coefficient i
 * has the standard deviation S_i / sqrt(n - 1) in the rows. The singular values come from A by
 * LAPACK's dgesdd, and all their digits are right to eps S_1. The eigenvalues of A A' would be
 * their squares, so that those below 1e-8 S_1 drown in rounding; yet A A' is what is used where A
 * is large (DIRECT_WORK), because it can be cancelled between its steps, needs no second A, and
 * large fields are asked for few modes. Singular values below GRAM_RANK S_1 are dropped there.
 *
 * The sign of a mode is arbitrary: its largest number is positive.
 *
 * The residuals of the rows that trained understate what other rows leave, because the modes were
 * chosen for these. Their squares are divided by n - 1 - k, the degrees of freedom that the mean
 * and k modes leave; when none are left the truncation is 0.
 */
#include "model/reduction_fit.h"

#include "base/mem.h"
#include "math/decompose.h"
#include "math/gemm.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define DIRECT_WORK 5e8  /* n p min(n, p) up to which dgesdd is used: seconds */
#define GRAM_RANK   1e-6 /* singular values that A A' gives, by the largest */
#define BLOCK       4096 /* columns of A between looks at `cancel` */

/* Of LAPACK; column-major. */
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s,
             double *u, const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork,
             int *iwork, int *info, size_t len);

double reduction_fit_values(const struct reduction_spec *spec, double n, double p)
{
    double least = n < p ? n : p;
    double k = reduction_spec_max_modes(spec, n < 1e9 ? (int)n : 1000000000, (int)p);
    bool direct = n * p * least <= DIRECT_WORK;
    return n * p + (direct ? 8.0 : 3.0) * least * least + p * k + 4.0 * p;
}

/* ---- singular values ---- */

/* A fit under way. */
struct fit {
    const struct reduction_spec *spec;
    const struct cancel *cancel;
    int n, p;
    int r; /* min(n, p): singular values */
    const double *y;
    double *mean;    /* [p] */
    double *a;       /* [n x p], weighted deviations */
    double *s;       /* [r] singular values, descending */
    double *u;       /* [r x p] unit vectors, one in each row; in `a`, or of its own */
    double *own_u;   /* mem, or NULL */
    double *weights; /* [p]; mem; NULL: all are 1 */
    double rank;     /* singular values below this share of the first are 0 */
};

static double root_weight(const struct fit *f, size_t j)
{
    return f->weights != NULL ? sqrt(f->weights[j]) : 1.0;
}

/* Sets mean and a. ERR_INVALID: a square that is no number. */
static enum err_code find_deviations(struct fit *f, struct err *err)
{
    size_t n = (size_t)f->n;
    size_t p = (size_t)f->p;
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < p; j++) {
            f->mean[j] += (f->y[i * p + j] - f->mean[j]) / (double)(i + 1);
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < p; j++) {
            double dev = (f->y[i * p + j] - f->mean[j]) * root_weight(f, j);
            f->a[i * p + j] = dev;
            total += dev * dev;
        }
    }
    if (!isfinite(total) || (total > 0.0 && total < 1e-280)) {
        return err_set(
            err, ERR_INVALID,
            "output_reduction: the squares of the outputs' deviations sum to %g, which "
            "is no number of double precision with all its digits: train on another unit",
            total);
    }
    return ERR_OK;
}

static enum err_code fit_direct(struct fit *f, struct err *err)
{
    /* To LAPACK a is [p x n]: its left singular vectors are ours. */
    bool tall = f->p >= f->n;
    size_t r = (size_t)f->r;
    int info = 0;
    int query = -1;
    double size = 0.0;
    double *work = NULL;
    double *small = mem_alloc_array(r * r, sizeof *small);
    int *iwork = mem_alloc_array(8 * r, sizeof *iwork);
    const int ld = f->r;
    if (small == NULL || iwork == NULL) {
        goto done;
    }
    dgesdd_("O", &f->p, &f->n, f->a, &f->p, f->s, small, &ld, small, &ld, &size, &query, iwork,
            &info, 1);
    int lwork = (int)size;
    work = mem_alloc_array((size_t)lwork, sizeof *work);
    if (work == NULL) {
        goto done;
    }
    dgesdd_("O", &f->p, &f->n, f->a, &f->p, f->s, small, &ld, small, &ld, work, &lwork, iwork,
            &info, 1);
    if (info != 0) {
        err_set(err, ERR_NUMERIC, "output_reduction: the singular values did not converge");
    }
    f->u = f->a;
    f->rank = DBL_EPSILON * (double)(f->n > f->p ? f->n : f->p);
    if (!tall) {
        f->u = f->own_u = small;
        small = NULL;
    }
done:
    if (err->code == ERR_OK && f->u == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a reduction");
    }
    mem_free(work);
    mem_free(small);
    mem_free(iwork);
    return err->code;
}

/* gram [r x r], lower triangle <- A A' or A' A, whichever is smaller. */
static enum err_code find_gram(const struct fit *f, double *gram, struct err *err)
{
    bool wide = f->p >= f->n;
    int length = wide ? f->p : f->n;
    for (int first = 0; first < length; first += BLOCK) {
        int count = length - first < BLOCK ? length - first : BLOCK;
        const double *part = f->a + (wide ? (size_t)first : (size_t)first * (size_t)f->p);
        cblas_dsyrk(CblasRowMajor, CblasLower, wide ? CblasNoTrans : CblasTrans, f->r, count, 1.0,
                    part, f->p, first == 0 ? 0.0 : 1.0, gram, f->r);
        if (cancel_is_requested(f->cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled");
        }
    }
    return ERR_OK;
}

static enum err_code fit_gram(struct fit *f, struct err *err)
{
    size_t r = (size_t)f->r;
    size_t p = (size_t)f->p;
    int k = reduction_spec_max_modes(f->spec, f->n, f->p);
    double *gram = mem_alloc_array(r * r, sizeof *gram);
    double *lambda = mem_alloc_array(r, sizeof *lambda);
    f->own_u = mem_alloc_array((size_t)k * p, sizeof *f->own_u);
    if (gram == NULL || lambda == NULL || f->own_u == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a reduction");
        goto done;
    }
    if (find_gram(f, gram, err) != ERR_OK ||
        decompose_eigen(f->r, gram, lambda, f->cancel, err) != ERR_OK) {
        goto done;
    }
    for (size_t i = 0; i < r; i++) {
        f->s[i] = sqrt(fmax(lambda[r - 1 - i], 0.0));
    }
    f->rank = GRAM_RANK;
    f->u = f->own_u;
    for (size_t i = 0; i < (size_t)k && f->s[i] > GRAM_RANK * f->s[0]; i++) {
        const double *e = gram + (r - 1 - i) * r;
        double *to = f->u + i * p;
        if (f->p < f->n) {
            memcpy(to, e, p * sizeof *to);
        } else {
            cblas_dgemv(CblasRowMajor, CblasTrans, f->n, f->p, 1.0 / f->s[i], f->a, f->p, e, 1, 0.0,
                        to, 1);
        }
        if (cancel_is_requested(f->cancel)) {
            err_set(err, ERR_CANCELLED, "cancelled");
            break;
        }
    }
done:
    mem_free(gram);
    mem_free(lambda);
    return err->code;
}

/* ---- the reduction ---- */

static int count_modes(const struct fit *f, double *share)
{
    int max = reduction_spec_max_modes(f->spec, f->n, f->p);
    double total = 0.0;
    double sum = 0.0;
    int k = 0;
    for (int i = f->r - 1; i >= 0; i--) {
        total += f->s[i] * f->s[i];
    }
    while (k < max && f->s[k] > f->rank * f->s[0]) {
        sum += f->s[k] * f->s[k];
        k++;
        if (f->spec->modes == 0 && sum >= f->spec->explained * total) {
            break;
        }
    }
    *share = total > 0.0 ? fmin(sum / total, 1.0) : 0.0;
    return k;
}

static void set_modes(const struct fit *f, struct reduction *r)
{
    size_t p = (size_t)f->p;
    for (size_t i = 0; i < (size_t)r->k; i++) {
        const double *u = f->u + i * p;
        size_t largest = cblas_idamax(f->p, u, 1);
        double sign = u[largest] < 0.0 ? -1.0 : 1.0;
        for (size_t j = 0; j < p; j++) {
            r->modes[i * p + j] = sign * u[j] / root_weight(f, j);
        }
        r->deviations[i] = f->s[i] / sqrt((double)f->n - 1.0);
    }
}

/* Variances of what the modes leave of the rows. */
static enum err_code set_truncation(const struct fit *f, struct reduction *r, struct err *err)
{
    size_t p = (size_t)f->p;
    size_t k = (size_t)r->k;
    int left = f->n - 1 - r->k;
    double *c = mem_alloc_array(k, sizeof *c);
    double *y = mem_alloc_array(p, sizeof *y);
    if (c == NULL || y == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a reduction");
    }
    for (size_t i = 0; left > 0 && i < (size_t)f->n && err->code == ERR_OK; i++) {
        if (cancel_is_requested(f->cancel)) {
            err_set(err, ERR_CANCELLED, "cancelled");
        } else if (reduction_encode(r, 1, f->y + i * p, c, err) == ERR_OK) {
            const struct reduction_points all = {
                .n = f->p, .stride = p, .modes = r->modes, .mean = r->mean};
            reduction_decode(r, &all, c, y);
            for (size_t j = 0; j < p; j++) {
                double gap = f->y[i * p + j] - y[j];
                r->truncation[j] += gap * gap / (double)left;
            }
        }
    }
    mem_free(c);
    mem_free(y);
    return err->code;
}

static enum err_code make_reduction(const struct fit *f, struct reduction **out, struct err *err)
{
    const struct reduction_spec *spec = f->spec;
    struct reduction *r = NULL;
    double share = 0.0;
    int k = count_modes(f, &share);
    if (k == 0) {
        return err_set(err, ERR_INVALID,
                       "output_reduction: all outputs are the same in the rows that train, so that "
                       "there are no modes");
    }
    if (reduction_new(f->p, k, spec->q, f->weights != NULL, &r, err) != ERR_OK) {
        return err->code;
    }
    memcpy(r->mean, f->mean, (size_t)f->p * sizeof *r->mean);
    if (f->weights != NULL) {
        memcpy(r->weights, f->weights, (size_t)f->p * sizeof *r->weights);
    }
    if (spec->q > 0) {
        reduction_spec_coordinates(spec, f->p, r->coordinates);
    }
    r->explained = share;
    set_modes(f, r);
    if (set_truncation(f, r, err) != ERR_OK) {
        reduction_unref(r);
        return err->code;
    }
    *out = r;
    return ERR_OK;
}

/* Are the deviations no more than rounding of the values? */
static bool are_rounding(const struct fit *f)
{
    double largest = 0.0;
    for (size_t c = 0; c < (size_t)f->n * (size_t)f->p; c++) {
        largest = fmax(largest, fabs(f->y[c]) * root_weight(f, c % (size_t)f->p));
    }
    for (size_t c = 0; c < (size_t)f->n * (size_t)f->p; c++) {
        if (fabs(f->a[c]) > 8.0 * DBL_EPSILON * largest) {
            return false;
        }
    }
    return true;
}

enum err_code reduction_fit(const struct reduction_spec *spec, const struct reduction_rows *rows,
                            const struct cancel *cancel, struct reduction **out, struct err *err)
{
    int n = rows->n;
    int p = rows->p;
    struct fit f = {.spec = spec, .cancel = cancel, .n = n, .p = p, .y = rows->y};
    size_t cells;
    f.r = n < p ? n : p;
    if (reduction_spec_fit(spec, p, err) != ERR_OK) {
        return err->code;
    }
    if (n < 2) {
        return err_set(err, ERR_INVALID,
                       "output_reduction: %d row trains, at least 2 are needed for a mode", n);
    }
    bool fits = size_mul((size_t)n, (size_t)p, &cells);
    f.mean = mem_zalloc_array((size_t)p, sizeof *f.mean);
    f.a = fits ? mem_alloc_array(cells, sizeof *f.a) : NULL;
    f.s = mem_alloc_array((size_t)f.r, sizeof *f.s);
    bool weighted = reduction_spec_is_weighted(spec);
    f.weights = weighted ? mem_alloc_array((size_t)p, sizeof *f.weights) : NULL;
    if (f.weights != NULL) {
        reduction_spec_weights(spec, p, f.weights);
    }
    if (f.mean == NULL || f.a == NULL || f.s == NULL || (weighted && f.weights == NULL)) {
        err_set(err, ERR_NOMEM, "no memory for a reduction of %d outputs of %d rows", p, n);
    } else if (find_deviations(&f, err) == ERR_OK && are_rounding(&f)) {
        err_set(err, ERR_INVALID,
                "output_reduction: all outputs are the same in the rows that train, so that there "
                "are no modes");
    }
    bool direct = (double)n * (double)p * (double)f.r <= DIRECT_WORK;
    if (err->code == ERR_OK && (direct ? fit_direct(&f, err) : fit_gram(&f, err)) == ERR_OK) {
        err_kept(make_reduction(&f, out, err));
    }
    mem_free(f.mean);
    mem_free(f.a);
    mem_free(f.s);
    mem_free(f.own_u);
    mem_free(f.weights);
    return err->code;
}
