/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a pass, shared by the plain and the taped forward pass. */
#ifndef RESNET_PRIV_H
#define RESNET_PRIV_H

#include "resnet.h"

/* w <- W(t_block), not transposed, [r x r]. */
void resnet_pack_block(const struct resnet *net, const double *params, int block, double *w);

/* z <- act(x W_pre^T + b_pre), or x; z: [n x r]. */
void resnet_pre(const struct resnet *net, const double *pack, int n, const double *x, double *z);

/* a <- act(z W^T + b); z_next <- z + h a (may be z), or a (may be a) when not residual. */
void resnet_block(const struct resnet *net, const double *pack, int block, int n, const double *z,
                  double *a, double *z_next);

/* raw <- z W_post^T + b_post, or z; raw: [n x outputs]. */
void resnet_post(const struct resnet *net, const double *pack, int n, const double *z, double *raw);

/* y <- final(raw); y: [n x n_out], may be raw. */
void resnet_final(const struct resnet *net, int n, const double *raw, double *y);

#endif
