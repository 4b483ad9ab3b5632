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

void wpfn_table_fill(const struct arch *arch, double *phi)
{
    int n = arch_n_coef(arch);
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
        }
    }
}
