/* SPDX-License-Identifier: Apache-2.0 */
/* LAPACK is column-major: a lower triangle in row-major order is an upper triangle to it. */
#include "math/linalg.h"

#include "math/gemm.h"

#include <math.h>
#include <stddef.h>

#define TILE 32

void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t len);

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

double linalg_logdet(int n, const double *l)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += 2.0 * log(l[(ptrdiff_t)i * n + i]);
    }
    return sum;
}

/* Swaps a tile of the lower triangle with its mirror image; the cache holds both of them. */
static void swap_tiles(ptrdiff_t n, double *a, ptrdiff_t row, ptrdiff_t column)
{
    ptrdiff_t last_row = row + TILE < n ? row + TILE : n;
    ptrdiff_t last_column = column + TILE < n ? column + TILE : n;
    for (ptrdiff_t i = row; i < last_row; i++) {
        for (ptrdiff_t j = column; j < last_column && j < i; j++) {
            double lower = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = lower;
        }
    }
}

void linalg_transpose(int n, double *a)
{
    for (ptrdiff_t i = 0; i < n; i += TILE) {
        for (ptrdiff_t j = 0; j <= i; j += TILE) {
            swap_tiles(n, a, i, j);
        }
    }
}
