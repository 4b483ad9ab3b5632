/* SPDX-License-Identifier: Apache-2.0 */
/* Stages shared by the plain and the taped forward pass. */
#ifndef RESNET_PRIV_H
#define RESNET_PRIV_H

#include "network/resnet.h"

/* w <- W(t_block), not transposed, [r x r]. */
void resnet_block_weight(const struct resnet *net, const double *params, int block, double *w);

/* b <- b(t_block), [r]; for architectures with bias. */
void resnet_block_bias(const struct resnet *net, const double *params, int block, double *b);

/* y <- final(raw); y: [n x n_out], may be raw. */
void resnet_final(const struct resnet *net, int n, const double *raw, double *y);

#endif
