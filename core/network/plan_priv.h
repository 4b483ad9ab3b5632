/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a pack, for plan.c and plan_gradient.c. */
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

#endif
