/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a pack, for plan.c and plan_gradient.c, and what ways of reverse mode share. */
#ifndef PLAN_PRIV_H
#define PLAN_PRIV_H

#include "network/plan.h"

/* A layer in a pack: its weights at `at`, and behind them its biases if it has any. */
struct plan_layer {
    ptrdiff_t at;
    int n_in, n_out;
    bool bias;
};

static inline struct plan_layer plan_pre(const struct resnet *net)
{
    return (struct plan_layer){net->pack_pre, net->arch.inputs, net->arch.width,
                               net->arch.outer_bias};
}

static inline struct plan_layer plan_block(const struct resnet *net, int i)
{
    return (struct plan_layer){net->pack_blocks + i * net->block_stride, net->arch.width,
                               net->arch.width, net->arch.bias};
}

static inline struct plan_layer plan_post(const struct resnet *net)
{
    return (struct plan_layer){net->pack_post, net->arch.width, net->arch.outputs,
                               net->arch.outer_bias};
}

/* to <- a layer's weights and biases in double, from a pack of words of 32 bits. */
void plan_widen(const struct plan *plan, const struct plan_layer *layer, const uint32_t *from,
                double *to);

/* Outputs before the final map [n x o] and after it [n x n_out]. */
struct plan_outputs {
    const double *raw, *y;
};

/* d [n x o] <- dF/draw of n rows or draws, from dF/dy = dy [n x n_out]. */
void plan_final_back(const struct resnet *net, int n, const struct plan_outputs *outputs,
                     const double *dy, double *d);

/* A power of two near the largest size in v [n], whose inverse is a number too; 1 where there is
 * none. */
double plan_size_of(const double *v, size_t n);

#endif
