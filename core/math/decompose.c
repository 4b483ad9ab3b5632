/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LAPACK is column-major: a row-major lower triangle is its upper one, and eigenvectors in its
 * columns are in our rows. The blocked algorithms are those of LAPACK's dpotrf, dtrtri and dsytrd
 * (E. Anderson et al., LAPACK Users' Guide, SIAM 1999), with a look at the flag after each block;
 * within a block LAPACK does it.
 */
#include "math/decompose.h"

#include "base/mem.h"
#include "math/gemm.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define BLOCK     128 /* rows of a step of Cholesky and of the inverse, vectors of one back */
#define PANEL     32  /* columns of a step of the reduction, which is bound by memory .. */
#define PANEL_BIG 16  /* .. of matrices of more than BIG rows */
#define BIG       4000
#define MIN_REST  64 /* rows that are reduced at once in the end */

void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t len);
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda, int *info,
             size_t len_uplo, size_t len_diag);
void dlatrd_(const char *uplo, const int *n, const int *nb, double *a, const int *lda, double *e,
             double *tau, double *w, const int *ldw, size_t len);
void dsytd2_(const char *uplo, const int *n, double *a, const int *lda, double *d, double *e,
             double *tau, int *info, size_t len);
void dsterf_(const int *n, double *d, double *e, int *info);
void dstedc_(const char *compz, const int *n, double *d, double *e, double *z, const int *ldz,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t len);
void dormtr_(const char *side, const char *uplo, const char *trans, const int *m, const int *n,
             double *a, const int *lda, const double *tau, double *c, const int *ldc, double *work,
             const int *lwork, int *info, size_t len_side, size_t len_uplo, size_t len_trans);

static enum err_code check(const struct cancel *cancel, struct err *err)
{
    return cancel_is_requested(cancel) ? err_set(err, ERR_CANCELLED, "cancelled in a factorisation")
                                       : ERR_OK;
}

static double *at(double *a, int n, int row, int column)
{
    return a + (ptrdiff_t)row * n + column;
}

/* ---- triangles ---- */

enum err_code decompose_cholesky(int n, double *a, const struct cancel *cancel, struct err *err)
{
    for (int k = 0; k < n; k += BLOCK) {
        int b = n - k < BLOCK ? n - k : BLOCK;
        int below = n - k - b;
        int info = 0;
        if (check(cancel, err) != ERR_OK) {
            return err->code;
        }
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, b, k, -1.0, at(a, n, k, 0), n, 1.0,
                    at(a, n, k, k), n);
        dpotrf_("U", &b, at(a, n, k, k), &n, &info, 1);
        if (info != 0) {
            return err_set(err, ERR_NUMERIC, "the matrix is not positive definite");
        }
        if (below > 0) {
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, below, b, k, -1.0,
                        at(a, n, k + b, 0), n, at(a, n, k, 0), n, 1.0, at(a, n, k + b, k), n);
            cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, below, b,
                        1.0, at(a, n, k, k), n, at(a, n, k + b, k), n);
        }
    }
    for (int i = 0; i < n; i++) {
        memset(at(a, n, i, i) + 1, 0, (size_t)(n - i - 1) * sizeof *a);
    }
    return ERR_OK;
}

/* From the last block to the first: below it all is inverted already. */
enum err_code decompose_invert_lower(int n, double *l, const struct cancel *cancel, struct err *err)
{
    for (int k = n > 0 ? (n - 1) / BLOCK * BLOCK : -1; k >= 0; k -= BLOCK) {
        int b = n - k < BLOCK ? n - k : BLOCK;
        int below = n - k - b;
        int info = 0;
        if (check(cancel, err) != ERR_OK) {
            return err->code;
        }
        if (below > 0) {
            cblas_dtrmm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, below, b,
                        1.0, at(l, n, k + b, k + b), n, at(l, n, k + b, k), n);
            cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, below, b,
                        -1.0, at(l, n, k, k), n, at(l, n, k + b, k), n);
        }
        dtrtri_("U", "N", &b, at(l, n, k, k), &n, &info, 1, 1);
        if (info != 0) {
            return err_set(err, ERR_NUMERIC, "the triangle has a zero on its diagonal");
        }
    }
    return ERR_OK;
}

/* ---- eigenvalues and eigenvectors ---- */

/* a = Q T Q': T tridiagonal with the diagonal d [n], Q as reflectors in a. */
struct tridiagonal {
    double *d;
    double *e;    /* mem [n], beside the diagonal */
    double *tau;  /* mem [n] */
    double *work; /* mem [n x PANEL] */
};

static enum err_code tridiagonal_init(struct tridiagonal *t, int n, double *d, struct err *err)
{
    t->d = d;
    t->e = mem_zalloc_array((size_t)n, sizeof *t->e);
    t->tau = mem_zalloc_array((size_t)n, sizeof *t->tau);
    t->work = mem_alloc_array((size_t)n * PANEL, sizeof *t->work);
    return t->e != NULL && t->tau != NULL && t->work != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for an eigendecomposition of size %d", n);
}

static void tridiagonal_release(struct tridiagonal *t)
{
    mem_free(t->e);
    mem_free(t->tau);
    mem_free(t->work);
}

/* Panel by panel from the last columns on; `left` are not reduced yet. */
static enum err_code reduce(int n, double *a, struct tridiagonal *t, const struct cancel *cancel,
                            struct err *err)
{
    int panel = n > BIG ? PANEL_BIG : PANEL;
    int left = n;
    int info = 0;
    while (left - panel >= MIN_REST) {
        int rest = left - panel;
        if (check(cancel, err) != ERR_OK) {
            return err->code;
        }
        dlatrd_("U", &left, &panel, a, &n, t->e, t->tau, t->work, &n, 1);
        /* Columns of LAPACK's matrix are rows of ours, and what it updates is our lower triangle.
         */
        cblas_dsyr2k(CblasColMajor, CblasUpper, CblasNoTrans, rest, panel, -1.0, at(a, n, rest, 0),
                     n, t->work, n, 1.0, a, n);
        for (int j = rest; j < left; j++) {
            *at(a, n, j, j - 1) = t->e[j - 1];
            t->d[j] = *at(a, n, j, j);
        }
        left = rest;
    }
    dsytd2_("U", &left, a, &n, t->d, t->e, t->tau, &info, 1);
    for (int i = 0; i < n; i++) {
        if (!isfinite(t->d[i]) || (i + 1 < n && !isfinite(t->e[i]))) {
            return err_set(err, ERR_NUMERIC, "the matrix is not finite");
        }
    }
    return check(cancel, err);
}

static enum err_code no_end(struct err *err)
{
    return err_set(err, ERR_NUMERIC, "no end of an eigendecomposition");
}

/* z <- eigenvectors of T, one a row, and d their eigenvalues. */
static enum err_code solve(int n, struct tridiagonal *t, double *z, struct err *err)
{
    int info = 0;
    int lwork = -1;
    int liwork = -1;
    double best = 1.0;
    int ibest = 1;
    dstedc_("I", &n, t->d, t->e, z, &n, &best, &lwork, &ibest, &liwork, &info, 1);
    lwork = (int)best;
    liwork = ibest;
    double *work = mem_alloc_array((size_t)lwork, sizeof *work);
    int *iwork = mem_alloc_array((size_t)liwork, sizeof *iwork);
    if (work == NULL || iwork == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %d eigenvectors", n);
    } else {
        dstedc_("I", &n, t->d, t->e, z, &n, work, &lwork, iwork, &liwork, &info, 1);
    }
    mem_free(work);
    mem_free(iwork);
    return err->code == ERR_OK && info != 0 ? no_end(err) : err->code;
}

/* z <- Q z, some vectors at a time. */
static enum err_code turn_back(int n, double *a, const struct tridiagonal *t, double *z,
                               const struct cancel *cancel, struct err *err)
{
    int info = 0;
    int lwork = -1;
    int max = n < BLOCK ? n : BLOCK;
    double best = 1.0;
    dormtr_("L", "U", "N", &n, &max, a, &n, t->tau, z, &n, &best, &lwork, &info, 1, 1, 1);
    lwork = (int)best;
    double *work = mem_alloc_array((size_t)lwork, sizeof *work);
    if (work == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d eigenvectors", n);
    }
    for (int k = 0; k < n && check(cancel, err) == ERR_OK; k += BLOCK) {
        int b = n - k < BLOCK ? n - k : BLOCK;
        dormtr_("L", "U", "N", &n, &b, a, &n, t->tau, at(z, n, k, 0), &n, work, &lwork, &info, 1, 1,
                1);
    }
    mem_free(work);
    return err->code;
}

enum err_code decompose_eigen(int n, double *a, double *w, const struct cancel *cancel,
                              struct err *err)
{
    struct tridiagonal t = {.d = w};
    double *z = mem_alloc_array((size_t)n * (size_t)n, sizeof *z);
    if (z == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d eigenvectors", n);
    }
    if (tridiagonal_init(&t, n, w, err) == ERR_OK && reduce(n, a, &t, cancel, err) == ERR_OK &&
        solve(n, &t, z, err) == ERR_OK && turn_back(n, a, &t, z, cancel, err) == ERR_OK) {
        memcpy(a, z, (size_t)n * (size_t)n * sizeof *a);
    }
    tridiagonal_release(&t);
    mem_free(z);
    return err->code;
}

enum err_code decompose_eigenvalues(int n, double *a, double *w, const struct cancel *cancel,
                                    struct err *err)
{
    struct tridiagonal t = {.d = w};
    int info = 0;
    if (tridiagonal_init(&t, n, w, err) == ERR_OK && reduce(n, a, &t, cancel, err) == ERR_OK) {
        dsterf_(&n, t.d, t.e, &info);
    }
    tridiagonal_release(&t);
    return err->code == ERR_OK && info != 0 ? no_end(err) : err->code;
}
