/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forward mode over a tape: how the outputs change along a direction in the parameters or inputs
 * (J v), and how the gradient changes (forward over reverse: products with the Hessian). The tape
 * holds the point; a struct resnet_tangent is one thread's scratch for directions at that point.
 * Only *_new allocates.
 *
 * Order of calls: resnet_set_params and resnet_forward on the tape; resnet_tangent_adjoint, if
 * changes of gradients are wanted; then resnet_tangent_forward and resnet_tangent_backward for each
 * direction. No other pass over the tape may come between adjoint and backward.
 */
#ifndef RESNET_TANGENT_H
#define RESNET_TANGENT_H

#include "network/resnet.h"

struct resnet_tangent;

/* For tapes of this network with at most max_rows rows; NULL when memory is short. Keeps `net`. */
struct resnet_tangent *resnet_tangent_new(const struct resnet *net, int max_rows) MUST_CHECK;
void resnet_tangent_free(struct resnet_tangent *tangent);

/*
 * dy [n x n_out] <- J_params v + J_x dx, where J are the derivatives of the outputs; v [K] or dx
 * [n x d] may be NULL, for 0. Keeps `tape` and `v` until the backward pass.
 */
void resnet_tangent_forward(struct resnet_tangent *tangent, const struct resnet_tape *tape,
                            const double *v, const double *dx, double *dy);

/* Puts the adjoints for a scalar F with dF/dy = w [n x n_out] on the tape. */
void resnet_tangent_adjoint(struct resnet_tape *tape, const double *w);

/*
 * How the results of resnet_backward change along the last direction, while w changes by dw
 * [n x n_out]: grad [K] <- d(dF/dparams), dx [n x d] <- d(dF/dx); either may be NULL.
 */
void resnet_tangent_backward(struct resnet_tangent *tangent, const double *dw, double *grad,
                             double *dx);

#endif
