/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LAPACK is column-major: a row-major lower triangle is its upper one, and a lower factor of ours
 * its transpose.
 */
#include "linalg.h"

#include "gemm.h"
#include "mem.h"

#include <math.h>
#include <stddef.h>

void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t len);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t len);
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda, int *info,
             size_t len_uplo, size_t len_diag);
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info, size_t len_jobz, size_t len_uplo);

bool linalg_cholesky(int n, double *a)
{
    int info = 0;
    dpotrf_("U", &n, a, &n, &info, 1);
    for (int i = 0; i < n; i++) {
        for (int j = i + 1; j < n; j++) {
            a[(ptrdiff_t)i * n + j] = 0.0;
        }
    }
    return info == 0;
}

void linalg_solve_lower(int n, const double *l, double *x)
{
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, l, n, x, 1);
}

void linalg_solve_upper(int n, const double *l, double *x)
{
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, n, l, n, x, 1);
}

double linalg_logdet(int n, const double *l)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += 2.0 * log(l[(ptrdiff_t)i * n + i]);
    }
    return sum;
}

void linalg_inverse(int n, const double *l, double *a)
{
    int info = 0;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n * n; i++) {
        a[i] = l[i];
    }
    dpotri_("U", &n, a, &n, &info, 1);
    for (int i = 0; i < n; i++) {
        for (int j = i + 1; j < n; j++) {
            a[(ptrdiff_t)i * n + j] = a[(ptrdiff_t)j * n + i];
        }
    }
}

void linalg_invert_lower(int n, double *l)
{
    int info = 0; /* a diagonal of a Cholesky factor has no zero */
    dtrtri_("U", "N", &n, l, &n, &info, 1, 1);
}

void linalg_transpose(int n, double *a)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        for (ptrdiff_t j = i + 1; j < n; j++) {
            double upper = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = upper;
        }
    }
}

/* jobz: "V" with eigenvectors, "N" without. */
static bool eigen(const char *jobz, int n, double *a, double *w)
{
    int info = 0;
    int lwork = -1;
    double best = 0.0;
    dsyev_(jobz, "U", &n, a, &n, w, &best, &lwork, &info, 1, 1);
    lwork = (int)best;
    double *work = mem_alloc_array((size_t)lwork, sizeof *work);
    if (work == NULL) {
        return false;
    }
    dsyev_(jobz, "U", &n, a, &n, w, work, &lwork, &info, 1, 1);
    mem_free(work);
    return info == 0;
}

bool linalg_eigen(int n, double *a, double *w)
{
    return eigen("V", n, a, w);
}

bool linalg_eigenvalues(int n, double *a, double *w)
{
    return eigen("N", n, a, w);
}
