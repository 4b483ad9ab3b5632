/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LAPACK is column-major: a lower triangle in row-major order is an upper triangle to it, and the
 * eigenvectors that it leaves in columns are rows here. The blocked algorithms are those of
 * LAPACK's dpotrf, dtrtri and dsytrd (E. Anderson et al., LAPACK Users' Guide, SIAM 1999). They are
 * written out here so that the cancel flag can be read between two blocks; the work within a block
 * is LAPACK's.
 */
#include "math/decompose.h"

#include "base/mem.h"
#include "math/gemm.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Rows of a step of Cholesky and of the inverse; eigenvectors of a step of turn_back. */
#define BLOCK 128
/* Columns of a step of the reduction, which memory bounds: fewer for more than BIG rows. */
#define PANEL     32
#define PANEL_BIG 16
#define BIG       4000
#define MIN_REST  64 /* the last rows, which are reduced in one go */

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

static enum err_code check_cancel(const struct cancel *cancel, struct err *err)
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
        if (check_cancel(cancel, err) != ERR_OK) {
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

/* From the last block to the first: everything below a block is inverted already. */
enum err_code decompose_invert_lower(int n, double *l, const struct cancel *cancel, struct err *err)
{
    for (int k = n > 0 ? (n - 1) / BLOCK * BLOCK : -1; k >= 0; k -= BLOCK) {
        int b = n - k < BLOCK ? n - k : BLOCK;
        int below = n - k - b;
        int info = 0;
        if (check_cancel(cancel, err) != ERR_OK) {
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

/* a = Q T Q' with T tridiagonal, its diagonal d [n]; Q is held in a, as reflectors. */
struct tridiagonal {
    double *d;
    double *e;    /* mem [n], the off-diagonal of T */
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

/* Panel by panel, from the last columns on; the first `left` columns are still to be reduced. */
static enum err_code make_tridiagonal(int n, double *a, struct tridiagonal *t,
                                      const struct cancel *cancel, struct err *err)
{
    int panel = n > BIG ? PANEL_BIG : PANEL;
    int left = n;
    int info = 0;
    while (left - panel >= MIN_REST) {
        int rest = left - panel;
        if (check_cancel(cancel, err) != ERR_OK) {
            return err->code;
        }
        dlatrd_("U", &left, &panel, a, &n, t->e, t->tau, t->work, &n, 1);
        /* Columns to LAPACK are rows here, and the upper triangle that it updates is our lower. */
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
    return check_cancel(cancel, err);
}

static enum err_code no_convergence(struct err *err)
{
    return err_set(err, ERR_NUMERIC, "an eigendecomposition did not converge");
}

/* z <- eigenvectors of T, one in each row; d <- their eigenvalues. */
static enum err_code solve_tridiagonal(int n, struct tridiagonal *t, double *z, struct err *err)
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
    return err->code == ERR_OK && info != 0 ? no_convergence(err) : err->code;
}

/* z <- Q z, BLOCK vectors at a time. */
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
    for (int k = 0; k < n && check_cancel(cancel, err) == ERR_OK; k += BLOCK) {
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
    if (tridiagonal_init(&t, n, w, err) == ERR_OK &&
        make_tridiagonal(n, a, &t, cancel, err) == ERR_OK &&
        solve_tridiagonal(n, &t, z, err) == ERR_OK &&
        turn_back(n, a, &t, z, cancel, err) == ERR_OK) {
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
    if (tridiagonal_init(&t, n, w, err) == ERR_OK &&
        make_tridiagonal(n, a, &t, cancel, err) == ERR_OK) {
        dsterf_(&n, t.d, t.e, &info);
    }
    tridiagonal_release(&t);
    return err->code == ERR_OK && info != 0 ? no_convergence(err) : err->code;
}
