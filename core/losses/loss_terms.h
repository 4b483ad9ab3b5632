/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loss holds beside the residuals: derivatives that rows carry, and what is known of the
 * function whatever the rows say. All in scaled units, for network values f [o] at inputs z [d],
 * with derivatives J [o x d]. Cell (i, j), output j of row i, adds q_ij / 2 times
 *
 *   derivatives  lambda / d  sum over k of (J_jk - g_jk)^2, g: the row's own, where it has one
 *   monotone     lambda / d  sum over k of max(0, -s_jk J_jk)^2, s_jk: 1 rising, -1 falling
 *   positive     lambda max(0, b_j - f_j)^2, b_j: the least value, such as 0 in scaled units
 *   periodic     lambda  sum over k of (f_j(z, z_k = high_k) - f_j(z, z_k = low_k))^2
 *
 * where q_ij / 2 is the factor of the cell's squared residual, so that each lambda compares with
 * 1 for the residuals: with the mean squared error these are QUiNN's GradLoss and PeriodicLoss,
 * whose boundaries are here the rows themselves, moved to either end. In a likelihood q is the
 * precision of the noise; where the network or the fit finds that, it is LOSS_TERMS_PRECISION, so
 * that no noise is made larger to have a penalty for less. The penalty of a row counts in the share
 * of its minibatch, so an epoch has it once.
 *
 * The logarithmic loss (QUiNN's LogLoss) replaces the residual by log(f - s) - log(y - s). Where
 * f - s falls below `end`, a hundredth of the smallest y - s that trains, the logarithm goes on as
 * its tangent; QUiNN's is not a number there, and its fit ends with the first such prediction.
 *
 * The slopes' gradients are exact, by forward over reverse mode [1]: of output j the row's slope
 * J_j comes from one backward pass; with u = dF/dJ_j the gradient of F is that of J_j u with u
 * held, a derivative along u in the inputs. Each output with slopes takes about four times the work
 * of a gradient, however many inputs there are.
 *
 * [1] B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6, 1994.
 */
#ifndef LOSS_TERMS_H
#define LOSS_TERMS_H

#include "network/resnet_tangent.h"

#define LOSS_TERMS_PRECISION 100.0 /* of noise of 0.1, where it is not known beforehand */

/* Borrowed by objectives; arrays too. d: inputs of the network, o: targets. */
struct loss_terms {
    int d, o;
    double derivatives, monotone, positive, periodic; /* lambdas; 0: none */
    const signed char *signs;                         /* [o x d]; NULL: none are monotone */
    const double *floors;                             /* [o] b_j; NaN: any value; NULL: none */
    const double *edges;      /* [d x 2] low, high; NaN: not periodic; NULL: none are */
    const double *log_shifts; /* [o] s; NULL: the residual itself */
    const double *log_ends;   /* [o] > 0 */
};

/* Scratch of one thread. A zeroed one may be released. */
struct loss_terms_work {
    const struct resnet *net;
    struct resnet_tangent *tangent;
    double *pick, *none, *change; /* [rows x n_out] */
    double *slopes, *push;        /* [rows x d] */
    double *part;                 /* [K] */
    double *memory;               /* mem, of all of them */
};

/* For tiles of at most `rows` rows; keeps net. ERR_NOMEM. */
enum err_code loss_terms_work_init(struct loss_terms_work *work, const struct resnet *net, int rows,
                                   struct err *err) MUST_CHECK;
void loss_terms_work_release(struct loss_terms_work *work);

/* n rows, of a tape's last forward pass. */
struct loss_terms_tile {
    int n;
    const double *x;        /* [n x d] */
    const double *f;        /* [n x n_out] */
    double *df;             /* [n x n_out] dF/df, to which terms of values add */
    const double *jacobian; /* [n x o x d] g; NaN: not known; NULL: of no row */
    const double *factors;  /* [n x o] q */
};

/* Residual of output j under the logarithmic loss; *slope <- its derivative by f. */
double loss_terms_log(const struct loss_terms *terms, int j, double f, double y, double *slope);

/* The terms of values alone (positive): returns them, and adds their derivative to df. */
double loss_terms_add_values(const struct loss_terms *terms, const struct resnet *net,
                             const struct loss_terms_tile *tile);

/*
 * The terms of slopes and of other inputs: returns them, and adds their gradient to grad [K] unless
 * it is NULL. Other passes over the tape follow, so this comes last of a tile.
 */
double loss_terms_add_slopes(const struct loss_terms *terms, struct resnet_tape *tape,
                             const struct loss_terms_work *work, const struct loss_terms_tile *tile,
                             double *grad);

#endif
