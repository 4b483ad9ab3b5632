/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weight functions of depth: the table phi[i][k] = phi_k(t_i) that turns coefficients into the
 * weights of block i, W(t_i) = sum_k phi[i][k] W_k. P_k are Legendre's polynomials, T_k
 * Chebyshev's.
 *
 *   constant .. cubic, polynomial(p)   t^k
 *   nonparametric                      1 for the block's own coefficient, 0 for the others
 *   legendre(p), chebyshev(p)          P_k(2t-1), T_k(2t-1)
 *   fourier(p)                         1, cos 2 pi t, sin 2 pi t, cos 4 pi t, ...
 *   qr(p)                              the columns of Q in V = Q R, V_ik = t_i^k with rows i for
 * the blocks, diag R > 0: the polynomials that are orthonormal over the blocks, sum_i phi_j(t_i)
 * phi_k(t_i) = 1 or 0
 */
#ifndef WPFN_H
#define WPFN_H

#include "network/arch.h"

/* phi: [n_blocks x n_coef], row-major. */
void wpfn_table_fill(const struct arch *arch, double *phi);

#endif
