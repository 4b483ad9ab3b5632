/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row-major matrix products by OpenBLAS, which runs on the calling thread only. The functions take
 * their dimensions and pointers as BLAS does.
 *
 * They are for large products. Those of a network's layers are small and have their own kernels
 * (core/math/kernels.h).
 */
#ifndef GEMM_H
#define GEMM_H

#include <cblas.h>

/* C <- A B + beta C: A [m x k], B [k x n], C [m x n]. */
static inline void gemm_nn(int m, int n, int k, const double *a, const double *b, double beta,
                           double *c)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0, a, k, b, n, beta, c, n);
}

/* C <- A^T B + beta C: A [k x m], B [k x n], C [m x n]. */
static inline void gemm_tn(int m, int n, int k, const double *a, const double *b, double beta,
                           double *c)
{
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1.0, a, m, b, n, beta, c, n);
}

/* gemm_tn on parts of wider matrices, whose rows have the lengths lda, ldb and ldc. */
static inline void gemm_tn_part(int m, int n, int k, const double *a, int lda, const double *b,
                                int ldb, double beta, double *c, int ldc)
{
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1.0, a, lda, b, ldb, beta, c,
                ldc);
}

/* Called once, before the first product: we run rows and draws in parallel ourselves. */
static inline void gemm_use_one_thread(void)
{
    openblas_set_num_threads(1);
}

#endif
