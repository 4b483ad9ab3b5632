/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row-major matrix products over OpenBLAS, which runs on the calling thread only.
 *
 * The products by a weight matrix are always "no transpose" ones: OpenBLAS is 2 to 3 times slower
 * on small A W^T (r <= 16) than on A (W^T stored), so weights are kept in the orientation needed.
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

/* Called once at start, before the first product: parallelism is ours, over rows and draws. */
static inline void gemm_use_one_thread(void)
{
    openblas_set_num_threads(1);
}

#endif
