/* SPDX-License-Identifier: Apache-2.0 */
/* A network's values in one call. */
#ifndef PLAIN_FORWARD_H
#define PLAIN_FORWARD_H

#include "network/resnet.h"

/* y [n x n_out] <- the network with `params` [K] at x [n x d], by resnet_apply. */
void plain_forward(const struct resnet *net, const double *params, int n, const double *x,
                   double *y);

#endif
