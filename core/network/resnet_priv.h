/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that the plain and the taped passes share. */
#ifndef RESNET_PRIV_H
#define RESNET_PRIV_H

#include "network/resnet.h"

/* w <- W(t_block), not transposed, [r x r]. */
void resnet_block_weight(const struct resnet *net, const double *params, int block, double *w);

/* b <- b(t_block), [r]; for architectures with bias. */
void resnet_block_bias(const struct resnet *net, const double *params, int block, double *b);

/* y [n x n_out] <- final(raw); y may be raw. */
void resnet_final(const struct resnet *net, int n, const double *raw, double *y);

#endif
