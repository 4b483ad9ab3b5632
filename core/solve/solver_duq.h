/* SPDX-License-Identifier: Apache-2.0 */
/* The two networks of delta-UQ and the way from one to the other, for the solver and its tests. */
#ifndef SOLVER_DUQ_H
#define SOLVER_DUQ_H

#include "network/resnet.h"

/* The architecture that is trained: inputs are (anchor, x - anchor). */
struct arch duq_inner_arch(const struct arch *arch);

/*
 * The trained network with one anchor [d] fixed is a network of x alone: its parameters. params: of
 * the inner network [K + r d]; draw: [K] of net.
 */
void duq_fold(const struct resnet *net, const double *params, const double *anchor, double *draw);

#endif
