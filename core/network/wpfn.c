/* SPDX-License-Identifier: Apache-2.0 */
#include "network/wpfn.h"

#include <math.h>

#define TWO_PI 6.283185307179586477

/* t of a block on the architecture's grid. */
static double depth_of(const struct arch *arch, int block)
{
    if (arch->grid == GRID_CLOSED) {
        return arch->layers == 0 ? 0.0 : (double)block / (double)arch->layers;
    }
    /* A product with the rounded step, not block / (layers + 1), to equal QUiNN in the last bit. */
    return (double)block * (1.0 / (double)arch_n_blocks(arch));
}

static void monomials(double t, int n, double *phi)
{
    double power = 1.0;
    for (int k = 0; k < n; k++) {
        phi[k] = power;
        power *= t;
    }
}

/* Bonnet's recurrence: k P_k = (2 k - 1) x P_{k-1} - (k - 1) P_{k-2}. */
static void legendre(double x, int n, double *phi)
{
    for (int k = 0; k < n; k++) {
        if (k < 2) {
            phi[k] = k == 0 ? 1.0 : x;
        } else {
            phi[k] = ((2 * k - 1) * x * phi[k - 1] - (k - 1) * phi[k - 2]) / k;
        }
    }
}

/* T_k = 2 x T_{k-1} - T_{k-2} */
static void chebyshev(double x, int n, double *phi)
{
    for (int k = 0; k < n; k++) {
        phi[k] = k < 2 ? (k == 0 ? 1.0 : x) : 2.0 * x * phi[k - 1] - phi[k - 2];
    }
}

static void fourier(double t, int n, double *phi)
{
    phi[0] = 1.0;
    for (int k = 1; k < n; k++) {
        /* NOLINTNEXTLINE(bugprone-integer-division): a sine and a cosine share a frequency */
        double angle = TWO_PI * (double)((k + 1) / 2) * t;
        phi[k] = k % 2 == 1 ? cos(angle) : sin(angle);
    }
}

/*
 * QUiNN's NonPar truncates t * npar, which at some depths gives the block before. Models that were
 * trained with QUiNN mean what that code computes.
 */
static int nonparametric_index(const struct arch *arch, int block)
{
    if (arch->index_rule == INDEX_INTEGER) {
        return block;
    }
    int n = arch_n_blocks(arch);
    int index = (int)(depth_of(arch, block) * (double)n);
    return index < n ? index : n - 1;
}

/*
 * The polynomials that are orthonormal over the blocks, column by column of phi [blocks x n]:
 * 2 t - 1 times the column before has the same span as the next power of t, and a positive leading
 * coefficient as it has, so that it gives the Q of the powers without their bad condition. Each is
 * made orthogonal to those before twice, which is enough for all digits.
 */
static void orthonormal(const struct arch *arch, int n, double *phi)
{
    int blocks = arch_n_blocks(arch);
    for (int k = 0; k < n; k++) {
        double square = 0.0;
        for (int i = 0; i < blocks; i++) {
            double before = k > 0 ? phi[i * n + k - 1] : 1.0;
            phi[i * n + k] = k > 0 ? (2.0 * depth_of(arch, i) - 1.0) * before : 1.0;
        }
        for (int pass = 0; pass < 2 * k; pass++) {
            int j = pass % k;
            double share = 0.0;
            for (int i = 0; i < blocks; i++) {
                share += phi[i * n + j] * phi[i * n + k];
            }
            for (int i = 0; i < blocks; i++) {
                phi[i * n + k] -= share * phi[i * n + j];
            }
        }
        for (int i = 0; i < blocks; i++) {
            square += phi[i * n + k] * phi[i * n + k];
        }
        for (int i = 0; i < blocks; i++) {
            phi[i * n + k] /= sqrt(square);
        }
    }
}

void wpfn_table_fill(const struct arch *arch, double *phi)
{
    int n = arch_n_coef(arch);
    if (arch->basis == WPFN_QR) {
        orthonormal(arch, n, phi);
        return;
    }
    for (int i = 0; i < arch_n_blocks(arch); i++) {
        double *row = phi + (size_t)i * (size_t)n;
        double t = depth_of(arch, i);
        switch (arch->basis) {
        case WPFN_CONSTANT:
        case WPFN_LINEAR:
        case WPFN_QUADRATIC:
        case WPFN_CUBIC:
        case WPFN_POLYNOMIAL:
            monomials(t, n, row);
            break;
        case WPFN_NONPARAMETRIC:
            for (int k = 0; k < n; k++) {
                row[k] = 0.0;
            }
            row[nonparametric_index(arch, i)] = 1.0;
            break;
        case WPFN_LEGENDRE:
            legendre(2.0 * t - 1.0, n, row);
            break;
        case WPFN_CHEBYSHEV:
            chebyshev(2.0 * t - 1.0, n, row);
            break;
        case WPFN_FOURIER:
            fourier(t, n, row);
            break;
        case WPFN_QR:
            break; /* above */
        }
    }
}
