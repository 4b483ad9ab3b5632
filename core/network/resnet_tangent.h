/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forward mode over a tape: how outputs change when parameters or inputs do (J v), and how the
 * gradient does (forward over reverse, products by the Hessian). The tape holds the point; a struct
 * resnet_tangent is one thread's scratch for directions at it. Only *_new allocates.
 *
 * Order: resnet_set_params, resnet_forward on the tape; resnet_tangent_adjoint when gradients'
 * changes are wanted; then for each direction resnet_tangent_forward, resnet_tangent_backward. No
 * other pass over the tape may come between adjoint and backward.
 */
#ifndef RESNET_TANGENT_H
#define RESNET_TANGENT_H

#include "network/resnet.h"

struct resnet_tangent;

/* For tapes of the same network and at most max_rows rows; NULL when memory is short. Keeps net. */
struct resnet_tangent *resnet_tangent_new(const struct resnet *net, int max_rows) MUST_CHECK;
void resnet_tangent_free(struct resnet_tangent *tangent);

/*
 * dy <- J_params v + J_x dx, [n x n_out]; v: [K] or NULL for 0, dx: [n x d] or NULL for 0. Keeps
 * tape and v until the backward pass.
 */
void resnet_tangent_forward(struct resnet_tangent *tangent, const struct resnet_tape *tape,
                            const double *v, const double *dx, double *dy);

/* Leaves on the tape the adjoints for a scalar F with dF/dy = w [n x n_out]. */
void resnet_tangent_adjoint(struct resnet_tape *tape, const double *w);

/*
 * The change of resnet_backward's answers along the last direction when w changes by dw
 * [n x n_out]: grad <- d(dF/dparams) [K], dx <- d(dF/dx) [n x d]; either may be NULL.
 */
void resnet_tangent_backward(struct resnet_tangent *tangent, const double *dw, double *grad,
                             double *dx);

#endif
