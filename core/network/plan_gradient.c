/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With a_i = act(W_i z_i + b_i), z_{i+1} = z_i + h a_i and G_i = dF/dz_i, as in resnet_tape.c:
 *
 *   D_i = h G_{i+1} * act'(a_i),   G_i = G_{i+1} + W_i^T D_i     without the first term unless
 * residual
 *
 * The gradient by the inputs needs no z_i, so only the activations are kept.
 */
#include "network/plan_gradient.h"

#include "network/plan_priv.h"
#include "network/resnet_priv.h"

#include <string.h>

/*
 * A group's weights should still be in the second-level cache when they are read again: sixteen
 * draws where that takes GROUP_BYTES at most, or four (whose products are computed side by side)
 * where they take FOUR_BYTES; else one. Measured on a cache of 1 MB.
 */
#define GROUP_MAX   16
#define GROUP_BYTES ((size_t)192 * 1024)
#define FOUR_BYTES  ((size_t)608 * 1024)

/* The parts of the scratch, for n draws. */
struct parts {
    double *a;   /* [(blocks + 1) x n x r] activations of the blocks, and those of the pre layer */
    double *z;   /* [n x r] state, then its adjoint */
    double *d;   /* [n x r] */
    double *raw; /* [n x o] before the final map */
    double *y;   /* [n x n_out] */
    double *d_raw; /* [n x o] the adjoint of raw */
};

static size_t padded(size_t values)
{
    return (values + 7) & ~(size_t)7;
}

static struct parts parts_of(const struct plan *plan, int n, double *scratch)
{
    size_t state = padded((size_t)n * (size_t)plan->net->arch.width);
    struct parts p = {.a = scratch};
    p.z = p.a + ((size_t)plan->net->n_blocks + 1) * state;
    p.d = p.z + state;
    p.raw = p.d + state;
    p.y = p.raw + padded((size_t)n * (size_t)plan->net->arch.outputs);
    p.d_raw = p.y + padded((size_t)n * (size_t)plan->net->n_out);
    return p;
}

size_t plan_gradient_scratch(const struct plan *plan, int n)
{
    const struct resnet *net = plan->net;
    return ((size_t)net->n_blocks + 3) * padded((size_t)n * (size_t)net->arch.width) +
           2 * padded((size_t)n * (size_t)net->arch.outputs) +
           padded((size_t)n * (size_t)net->n_out);
}

int plan_gradient_group(const struct plan *plan)
{
    if (plan->precision == PRECISION_FLOAT32) {
        return 0;
    }
    size_t weight = plan->precision == PRECISION_FLOAT64 ? sizeof(double) : sizeof(uint32_t);
    size_t bytes = plan->net->pack_size * weight;
    size_t group = bytes * GROUP_MAX <= GROUP_BYTES ? GROUP_MAX : bytes * 4 <= FOUR_BYTES ? 4 : 1;
    group = group < (size_t)plan->m ? group : (size_t)plan->m;
    return group > 1 ? (int)group : 1;
}

/* out <- bias + W z; period 1: z [n_in] is the same row for all, n: z [n x n_in]. */
static void forward(const struct plan_gradient *of, const struct plan_layer *layer, int period,
                    const double *z, double *out)
{
    const struct plan *plan = of->plan;
    size_t at = (size_t)of->first * plan->net->pack_size + (size_t)layer->at;
    size_t biases = at + (size_t)layer->n_in * (size_t)layer->n_out;
    if (plan->precision == PRECISION_FLOAT64) {
        const double *packs = plan->packs;
        const struct kernels_rows_f64 p = {.n_out = layer->n_out,
                                           .n_in = layer->n_in,
                                           .n = of->n,
                                           .share = 1,
                                           .period = period,
                                           .stride = plan->net->pack_size,
                                           .wt = packs + at,
                                           .bias = layer->bias ? packs + biases : NULL,
                                           .z = z,
                                           .out = out};
        plan->kernels->rows_f64(&p);
    } else {
        const uint32_t *packs = plan->packs;
        const struct kernels_rows_mixed p = {.n_out = layer->n_out,
                                             .n_in = layer->n_in,
                                             .n = of->n,
                                             .share = 1,
                                             .period = period,
                                             .stride = plan->net->pack_size,
                                             .ahead = plan->ahead,
                                             .wt = packs + at,
                                             .bias = layer->bias ? packs + biases : NULL,
                                             .z = z,
                                             .out = out};
        plan->kernels->rows_mixed(&p);
    }
}

/* out [n x n_in] <- W^T d, or out + W^T d; d [n x n_out]. */
static void back(const struct plan_gradient *of, const struct plan_layer *layer, bool add,
                 const double *d, double *out)
{
    const struct plan *plan = of->plan;
    size_t at = (size_t)of->first * plan->net->pack_size + (size_t)layer->at;
    if (plan->precision == PRECISION_FLOAT64) {
        const struct kernels_rows_f64 p = {.n_out = layer->n_out,
                                           .n_in = layer->n_in,
                                           .n = of->n,
                                           .stride = plan->net->pack_size,
                                           .wt = (const double *)plan->packs + at,
                                           .z = d,
                                           .out = out};
        plan->kernels->back_f64(&p, add);
    } else {
        const struct kernels_rows_mixed p = {.n_out = layer->n_out,
                                             .n_in = layer->n_in,
                                             .n = of->n,
                                             .stride = plan->net->pack_size,
                                             .wt = (const uint32_t *)plan->packs + at,
                                             .z = d,
                                             .out = out};
        plan->kernels->back_mixed(&p, add);
    }
}

/* a <- act(a), next <- z + h a; not residual: next <- a. [count] */
static void end_block(const struct plan *plan, size_t count, double *a, const double *z,
                      double *next)
{
    const struct arch *arch = &plan->net->arch;
    if (arch->activation == ACT_TANH && arch->residual) {
        plan->kernels->layer(count, plan->net->step, z, a, next);
        return;
    }
    if (arch->activation == ACT_TANH) {
        plan->kernels->tanh_f64(a, count);
    }
    memcpy(next, arch->residual ? z : a, count * sizeof *next);
    if (arch->residual) {
        plan->kernels->axpy(count, plan->net->step, a, next);
    }
}

void plan_gradient_forward(const struct plan_gradient *of, const double *x, double *y)
{
    const struct plan *plan = of->plan;
    const struct resnet *net = plan->net;
    const int n = of->n;
    size_t r = (size_t)net->arch.width;
    size_t count = (size_t)n * r;
    struct parts p = parts_of(plan, n, of->scratch);
    double *pre = p.a + (size_t)net->n_blocks * padded(count);
    double *z = p.z;
    double *next = p.d;
    if (net->arch.layer_pre) {
        struct plan_layer layer = plan_pre(net);
        forward(of, &layer, 1, x, pre);
        if (net->arch.activation == ACT_TANH) {
            plan->kernels->tanh_f64(pre, count);
        }
        z = pre;
    }
    for (size_t j = 0; j < (size_t)n && !net->arch.layer_pre; j++) {
        memcpy(p.z + j * r, x, r * sizeof *x);
    }
    for (int i = 0; i < net->n_blocks; i++) {
        struct plan_layer layer = plan_block(net, i);
        double *a = p.a + (size_t)i * padded(count);
        forward(of, &layer, n, z, a);
        end_block(plan, count, a, z, next);
        z = next;
        next = next == p.d ? p.z : p.d;
    }
    if (net->arch.layer_post) {
        struct plan_layer layer = plan_post(net);
        forward(of, &layer, n, z, p.raw);
    } else {
        memcpy(p.raw, z, count * sizeof *z);
    }
    resnet_final(net, n, p.raw, y);
    memcpy(p.y, y, (size_t)n * (size_t)net->n_out * sizeof *y);
}

/* d [n x o] <- dF/draw from dF/dy. */
static void final_back(const struct plan *plan, int n, const struct parts *p, const double *dy,
                       double *d)
{
    size_t o = (size_t)plan->net->arch.outputs;
    for (size_t i = 0; i < (size_t)n * o; i++) {
        switch (plan->net->arch.final) {
        case FINAL_NONE:
            d[i] = dy[i];
            break;
        case FINAL_EXP:
            d[i] = dy[i] * p->y[i];
            break;
        case FINAL_LOGABS:
            d[i] = dy[i] / p->raw[i];
            break;
        case FINAL_SUM:
            d[i] = dy[i / o];
            break;
        }
    }
}

/* p->d <- scale g act'(a) for the adjoint g in p->z, [count] */
static void activation_back(const struct plan *plan, size_t count, double scale, const double *a,
                            const struct parts *p)
{
    if (plan->net->arch.activation == ACT_TANH) {
        plan->kernels->slope(count, scale, p->z, a, p->d);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        p->d[i] = scale * p->z[i];
    }
}

void plan_gradient_backward(const struct plan_gradient *of, const double *dy, double *dx)
{
    const struct plan *plan = of->plan;
    const struct resnet *net = plan->net;
    const int n = of->n;
    size_t count = (size_t)n * (size_t)net->arch.width;
    struct parts p = parts_of(plan, n, of->scratch);
    double *g = p.z;
    if (net->arch.layer_post) {
        struct plan_layer layer = plan_post(net);
        final_back(plan, n, &p, dy, p.d_raw);
        back(of, &layer, false, p.d_raw, g);
    } else {
        final_back(plan, n, &p, dy, g);
    }
    for (int i = net->n_blocks - 1; i >= 0; i--) {
        struct plan_layer layer = plan_block(net, i);
        activation_back(plan, count, net->step, p.a + (size_t)i * padded(count), &p);
        back(of, &layer, net->arch.residual, p.d, g);
    }
    if (!net->arch.layer_pre) {
        memcpy(dx, g, count * sizeof *g);
        return;
    }
    struct plan_layer layer = plan_pre(net);
    activation_back(plan, count, 1.0, p.a + (size_t)net->n_blocks * padded(count), &p);
    back(of, &layer, false, p.d, dx);
}
