/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With R the N = n o lines of J, each multiplied by the root of its l, so that J' L J = R' R, and
 * C = diag(c), all that is needed of H + lambda I = C + R' R comes from a matrix of N rows,
 *
 *   G = I + W W',   W = R C^-1/2  the white lines [N x K]
 *
 *   (C + R' R)^-1 (R' e + A theta) = C^-1 (A theta + R' G^-1 (e - R C^-1 A theta))     [Woodbury]
 *   log |C + R' R| = log |C| + log |G|
 *   1 - c_k (H^-1)_kk = w_k' G^-1 w_k                    w_k the columns of W, lambda = 0
 *   sum over lines of l J H^-1 J' = sum over lines of 1 - (G^-1)_ii
 *
 * which are sums of squares, or differences that do not cancel: the naive form of the first,
 * C^-1 g - C^-1 R' G^-1 R C^-1 g, loses all digits where the prior is weak. N^2 K operations
 * instead of K^3 and N K^2 make a fit to 50 rows twenty times faster.
 */
#include "fit/levenberg_priv.h"

#include "math/decompose.h"
#include "math/gemm.h"

#include <string.h>

/* Below this share of K values, their N^2 K operations are fewer than those of H. */
#define FEW 0.67

bool levenberg_few(const struct levenberg_problem *problem)
{
    double values = (double)problem->rows.n * problem->net->n_out;
    return values <= FEW * problem->net->n_params;
}

enum err_code levenberg_few_linearise(struct levenberg *self, struct err *err)
{
    int k = self->problem->net->n_params;
    if (curvature_rows_lines(self->rows, &self->lines, &self->errors, err) == ERR_OK) {
        cblas_dgemv(CblasRowMajor, CblasTrans, self->size, k, 1.0, self->lines, k, self->errors, 1,
                    0.0, self->gradient, 1);
    }
    return err->code;
}

void levenberg_few_form(struct levenberg *self)
{
    size_t n = (size_t)self->size;
    size_t k = (size_t)self->problem->net->n_params;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < k; j++) {
            self->sums[i * k + j] = self->lines[i * k + j] * self->scale[j];
        }
    }
    memset(self->factor, 0, n * n * sizeof *self->factor);
    for (size_t i = 0; i < n; i++) {
        self->factor[i * n + i] = 1.0;
    }
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, self->size, (int)k, 1.0, self->sums,
                (int)k, 1.0, self->factor, self->size);
}

void levenberg_few_solve(struct levenberg *self, double *white)
{
    int n = self->size;
    int k = self->problem->net->n_params;
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, self->factor, n,
                self->by_line, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, n, self->factor, n,
                self->by_line, 1);
    cblas_dgemv(CblasRowMajor, CblasTrans, n, k, 1.0, self->sums, k, self->by_line, 1, 1.0, white,
                1);
}

/* In white coordinates, t = C^-1/2 A theta: step = C^-1/2 (t + W' G^-1 (e - W t)). */
void levenberg_few_step(struct levenberg *self)
{
    int n = self->size;
    int k = self->problem->net->n_params;
    for (int i = 0; i < k; i++) {
        self->step[i] = levenberg_pull(self, i) * self->scale[i];
    }
    memcpy(self->by_line, self->errors, (size_t)n * sizeof *self->by_line);
    cblas_dgemv(CblasRowMajor, CblasNoTrans, n, k, -1.0, self->sums, k, self->step, 1, 1.0,
                self->by_line, 1);
    levenberg_few_solve(self, self->step);
    for (int i = 0; i < k; i++) {
        self->step[i] *= self->scale[i];
    }
}

/* The sums of squares of the columns of L^-1 W. */
enum err_code levenberg_few_determined(struct levenberg *self, double *determined, struct err *err)
{
    size_t n = (size_t)self->size;
    size_t k = (size_t)self->problem->net->n_params;
    memset(determined, 0, k * sizeof *determined);
    if (decompose_invert_lower(self->size, self->factor, self->problem->cancel, err) != ERR_OK) {
        return err->code;
    }
    cblas_dtrmm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, self->size,
                (int)k, 1.0, self->factor, self->size, self->sums, (int)k);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < k; j++) {
            determined[j] += self->sums[i * k + j] * self->sums[i * k + j];
        }
    }
    return ERR_OK;
}

void levenberg_few_by_output(const struct levenberg *self, double *by_output)
{
    size_t n = (size_t)self->size;
    size_t o = (size_t)self->problem->net->n_out;
    memset(by_output, 0, o * sizeof *by_output);
    for (size_t i = 0; i < n; i++) {
        self->by_line[i] = 1.0;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            self->by_line[j] -= self->factor[i * n + j] * self->factor[i * n + j];
        }
    }
    for (size_t i = 0; i < n; i++) {
        by_output[i % o] += self->by_line[i];
    }
}

/* 1 - h_i is (G^-1)_ii, a sum of squares that keeps its digits where all rows are interpolated. */
void levenberg_few_left_out(const struct levenberg *self, double *variances)
{
    size_t n = (size_t)self->size;
    size_t o = (size_t)self->problem->net->n_out;
    memset(variances, 0, o * sizeof *variances);
    memset(self->by_line, 0, n * sizeof *self->by_line);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            self->by_line[j] += self->factor[i * n + j] * self->factor[i * n + j];
        }
    }
    for (size_t i = 0; i < n; i++) {
        variances[i % o] += 1.0 / self->by_line[i];
    }
}

void levenberg_few_sums(const struct levenberg *self, double *h)
{
    size_t k = (size_t)self->problem->net->n_params;
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)k, self->size, 1.0, self->lines, (int)k,
                0.0, h, (int)k);
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j <= i; j++) {
            h[i * k + j] *= self->scale[i] * self->scale[j];
        }
    }
}
