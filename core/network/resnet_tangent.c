/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The derivative, along a direction, of each formula of core/network/resnet_tape.c [1]. A dot marks
 * it, and the letters are those of that file. s is act'(u) and c is act''(u):
 *
 *   s.     = c u.                                 for tanh s = 1 - a^2 and s. = -2 a a.
 *
 *   u.     = W. z + W z. + b.                     a. = s * u.          z'. = z. + h a.
 *   D.     = h (G'. * s + G' * s.)
 *   dF/dW. = D. z^T + D z.^T,  dF/db. = sum of D.
 *   G.     = G'. + W^T D. + W.^T D
 *
 * where a prime marks the next block. G and D of the point stay on the tape, so that a direction
 * takes, in each block, two products forward, and two products and two sums of outer products back:
 * about twice the work of a gradient.
 *
 * [1] B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6, 1994.
 */
#include "network/resnet_tangent.h"

#include "base/mem.h"
#include "network/resnet_priv.h"
#include "network/resnet_tape_priv.h"

#include <string.h>

struct resnet_tangent {
    const struct resnet *net;
    const struct resnet_tape *tape; /* of the last forward pass */
    const double *v;                /* the direction in the parameters; NULL: none */
    bool by_inputs;                 /* whether there is a direction in the inputs */
    size_t slab;
    double *w;     /* [n_blocks][r x r]: W., as the tape's w */
    double *b;     /* [n_blocks][r] */
    double *x;     /* [d x ld]; z itself without a pre layer */
    double *z;     /* [n_blocks + 1][r x ld] */
    double *a;     /* [n_blocks][r x ld]; z + 1 when not residual */
    double *s;     /* [n_blocks + 1][r x ld]: s., of the pre layer at the end; not for tanh */
    double *raw;   /* [outputs x ld] */
    double *d_raw; /* [outputs x ld] */
    double *g;     /* [r x ld] */
    double *d;     /* [r x ld] */
    double *d_x;   /* [d x ld] */
    double *d_w;   /* [r x r] */
    double *d_b;   /* [r] */
    double *memory;
};

struct resnet_tangent *resnet_tangent_new(const struct resnet *net, int max_rows)
{
    struct resnet_tangent *t = mem_zalloc(sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    size_t r = (size_t)net->arch.width;
    size_t blocks = (size_t)net->n_blocks;
    size_t slab = tape_columns(net->arch.width, max_rows);
    size_t outs = tape_columns(net->arch.outputs, max_rows);
    size_t inputs = net->arch.layer_pre ? tape_columns(net->arch.inputs, max_rows) : 0;
    size_t acts = net->arch.residual ? blocks * slab : 0;
    size_t slopes = activation_by_value(net->arch.activation) ? 0 : (blocks + 1) * slab;
    size_t total = tape_carved(blocks * r * r) + tape_carved(blocks * r) + 2 * inputs +
                   (blocks + 3) * slab + acts + slopes + 2 * outs + tape_carved(r * r) +
                   tape_carved(r);
    t->net = net;
    t->slab = slab;
    t->memory = mem_zalloc_array(total, sizeof *t->memory);
    if (t->memory == NULL) {
        resnet_tangent_free(t);
        return NULL;
    }
    double *at = t->memory;
    t->w = tape_carve(&at, blocks * r * r);
    t->b = tape_carve(&at, blocks * r);
    t->x = tape_carve(&at, inputs);
    t->d_x = tape_carve(&at, inputs);
    t->z = tape_carve(&at, (blocks + 1) * slab);
    t->a = net->arch.residual ? tape_carve(&at, acts) : t->z + slab;
    t->s = tape_carve(&at, slopes);
    t->raw = tape_carve(&at, outs);
    t->d_raw = tape_carve(&at, outs);
    t->g = tape_carve(&at, slab);
    t->d = tape_carve(&at, slab);
    t->d_w = tape_carve(&at, r * r);
    t->d_b = tape_carve(&at, r);
    t->x = net->arch.layer_pre ? t->x : t->z;
    return t;
}

void resnet_tangent_free(struct resnet_tangent *tangent)
{
    if (tangent != NULL) {
        mem_free(tangent->memory);
        mem_free(tangent);
    }
}

/* ---- forward ---- */

static void evaluate_weights(struct resnet_tangent *t)
{
    const struct resnet *net = t->net;
    size_t r = (size_t)net->arch.width;
    for (int i = 0; t->v != NULL && i < net->n_blocks; i++) {
        resnet_block_weight(net, t->v, i, t->w + (size_t)i * r * r);
        if (net->arch.bias) {
            resnet_block_bias(net, t->v, i, t->b + (size_t)i * r);
        }
    }
}

/* ---- a layer, and the change of its weights along the direction ---- */

struct layer {
    int n_out, n_in;
    const double *w;        /* [n_out x n_in] */
    const double *w_change; /* W.; NULL without a direction in the parameters */
    const double *b_change; /* b.; NULL also without a bias */
};

/* Columns on the tape, and their change along the direction. */
struct moving {
    const double *at;
    const double *change;
};

/* The direction from an offset of the flat parameters on; NULL without one, or at -1. */
static const double *direction_at(const struct resnet_tangent *t, int offset)
{
    return t->v != NULL && offset >= 0 ? t->v + offset : NULL;
}

static struct layer pre_layer(const struct resnet_tangent *t)
{
    const struct arch_offsets *off = &t->net->off;
    return (struct layer){.n_out = t->net->arch.width,
                          .n_in = t->net->arch.inputs,
                          .w = t->tape->params + off->weight_pre,
                          .w_change = direction_at(t, off->weight_pre),
                          .b_change = direction_at(t, off->bias_pre)};
}

static struct layer post_layer(const struct resnet_tangent *t)
{
    const struct arch_offsets *off = &t->net->off;
    return (struct layer){.n_out = t->net->arch.outputs,
                          .n_in = t->net->arch.width,
                          .w = t->tape->params + off->weight_post,
                          .w_change = direction_at(t, off->weight_post),
                          .b_change = direction_at(t, off->bias_post)};
}

static struct layer block_layer(const struct resnet_tangent *t, int block)
{
    int r = t->net->arch.width;
    size_t size = (size_t)r * (size_t)r;
    bool changes = t->v != NULL;
    return (struct layer){.n_out = r,
                          .n_in = r,
                          .w = tape_weight(t->tape, block),
                          .w_change = changes ? t->w + (size_t)block * size : NULL,
                          .b_change = changes && t->net->arch.bias ? t->b + block * r : NULL};
}

/* z before a block; n_blocks: z after the last one. */
static struct moving state_before(const struct resnet_tangent *t, int block)
{
    return (struct moving){.at = tape_at(t->tape, t->tape->z, block),
                           .change = t->z + (size_t)block * t->slab};
}

/* out <- W. z + W z. + b. */
static void product_change(const struct resnet_tangent *t, const struct layer *layer,
                           struct moving z, double *out)
{
    int n_out = layer->n_out;
    int n_in = layer->n_in;
    tape_product(t->tape, n_out, n_in, layer->w, layer->b_change, false, z.change, out);
    if (layer->w_change != NULL) {
        tape_product(t->tape, n_out, n_in, layer->w_change, NULL, true, z.at, out);
    }
}

/* u <- s u, of a block or the pre layer; and s. where its backward pass will need it. */
static void activation_change(const struct resnet_tangent *t, int block, double *u)
{
    const enum activation act = t->net->arch.activation;
    size_t n = (size_t)t->net->arch.width * t->tape->ld;
    const double *restrict a = tape_slopes(t->tape, block);
    for (size_t i = 0; act == ACT_TANH && i < n; i++) {
        u[i] *= 1.0 - a[i] * a[i];
    }
    if (activation_by_value(act)) {
        return;
    }
    if (t->tape->bent) {
        const double *restrict c = tape_at(t->tape, t->tape->bends, block);
        double *restrict s = t->s + (size_t)block * t->slab;
        for (size_t i = 0; i < n; i++) {
            s[i] = c[i] * u[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        u[i] *= a[i];
    }
}

static void final_change(const struct resnet_tangent *t, double *dy)
{
    const struct resnet_tape *tape = t->tape;
    size_t n = (size_t)tape->n;
    size_t o = (size_t)t->net->arch.outputs;
    if (t->net->arch.final == FINAL_SUM) {
        for (size_t i = 0; i < n; i++) {
            dy[i] = t->raw[i];
            for (size_t j = 1; j < o; j++) {
                dy[i] += t->raw[j * tape->ld + i];
            }
        }
        return;
    }
    tape_rows_from_columns(tape, (int)o, t->raw, dy);
    for (size_t c = 0; t->net->arch.final == FINAL_EXP && c < n * o; c++) {
        dy[c] *= tape->y[c];
    }
    for (size_t c = 0; t->net->arch.final == FINAL_LOGABS && c < n * o; c++) {
        dy[c] /= tape->raw[c % o * tape->ld + c / o];
    }
}

void resnet_tangent_forward(struct resnet_tangent *t, const struct resnet_tape *tape,
                            const double *v, const double *dx, double *dy)
{
    const struct resnet *net = t->net;
    int r = net->arch.width;
    int d = net->arch.inputs;
    size_t count = (size_t)r * tape->ld;
    t->tape = tape;
    t->v = v;
    t->by_inputs = dx != NULL;
    evaluate_weights(t);
    if (dx != NULL) {
        tape_columns_from_rows(tape, d, dx, true, t->x);
    } else {
        memset(t->x, 0, (size_t)d * tape->ld * sizeof *t->x);
    }
    if (net->arch.layer_pre) {
        const struct layer layer = pre_layer(t);
        product_change(t, &layer, (struct moving){tape->x, t->x}, t->z);
        activation_change(t, net->n_blocks, t->z);
    }
    for (int i = 0; i < net->n_blocks; i++) {
        double *z = t->z + (size_t)i * t->slab;
        double *a = t->a + (size_t)i * t->slab;
        const struct layer layer = block_layer(t, i);
        product_change(t, &layer, state_before(t, i), a);
        activation_change(t, i, a);
        for (size_t c = 0; net->arch.residual && c < count; c++) {
            z[t->slab + c] = z[c] + net->step * a[c];
        }
    }
    const struct moving last = state_before(t, net->n_blocks);
    if (net->arch.layer_post) {
        const struct layer layer = post_layer(t);
        product_change(t, &layer, last, t->raw);
    } else {
        memcpy(t->raw, last.change, count * sizeof *t->raw);
    }
    final_change(t, dy);
}

/* ---- forward over reverse ---- */

void resnet_tangent_adjoint(struct resnet_tape *tape, const double *w)
{
    tape_keep_bends(tape);
    tape_keep_adjoints(tape, w);
}

/* On the tape d_raw = w p, where p = d y / d raw; its change is dw p + w p. and goes to d_raw. */
static void final_backward_change(struct resnet_tangent *t, const double *dw)
{
    const struct resnet_tape *tape = t->tape;
    size_t n = (size_t)tape->n;
    size_t o = (size_t)t->net->arch.outputs;
    enum arch_final final = t->net->arch.final;
    if (final != FINAL_SUM) {
        tape_columns_from_rows(tape, (int)o, dw, true, t->d_raw);
    }
    for (size_t j = 0; j < o && final != FINAL_NONE; j++) {
        double *d_raw = t->d_raw + j * tape->ld;
        const double *adjoint = tape->d_raw + j * tape->ld;
        const double *change = t->raw + j * tape->ld;
        const double *raw = tape->raw + j * tape->ld;
        if (final == FINAL_SUM) {
            memcpy(d_raw, dw, n * sizeof *dw);
            memset(d_raw + n, 0, (tape->ld - n) * sizeof *dw);
        }
        for (size_t i = 0; i < n && final == FINAL_EXP; i++) {
            d_raw[i] = d_raw[i] * tape->y[i * o + j] + adjoint[i] * change[i];
        }
        for (size_t i = 0; i < n && final == FINAL_LOGABS; i++) {
            d_raw[i] = (d_raw[i] - adjoint[i] * change[i]) / raw[i];
        }
    }
}

/* out [n_out x n_in] <- D. z^T + D z.^T, the change of the layer's gradient. */
static void outer_change(const struct resnet_tangent *t, const struct layer *layer, struct moving d,
                         struct moving z, double *out)
{
    tape_outer(t->tape, layer->n_out, layer->n_in, false, d.change, z.at, out);
    tape_outer(t->tape, layer->n_out, layer->n_in, true, d.at, z.change, out);
}

/* The values of a block's activation, or of the pre layer's, and their change. */
static struct moving activation_at(const struct resnet_tangent *t, int block)
{
    const bool pre = block == t->net->n_blocks;
    return (struct moving){.at = tape_slopes(t->tape, block),
                           .change = pre ? t->z : t->a + (size_t)block * t->slab};
}

/* d <- scale (G. s + G s.), of a block or the pre layer. */
static void activation_backward_change(const struct resnet_tangent *t, double scale, int block,
                                       struct moving g, double *d)
{
    const enum activation act = t->net->arch.activation;
    const struct moving a = activation_at(t, block);
    size_t n = (size_t)t->net->arch.width * t->tape->ld;
    if (act == ACT_TANH) {
        for (size_t i = 0; i < n; i++) {
            d[i] = scale * (g.change[i] * (1.0 - a.at[i] * a.at[i]) -
                            2.0 * g.at[i] * a.at[i] * a.change[i]);
        }
    } else if (!activation_by_value(act)) {
        const double *s = t->s + (size_t)block * t->slab;
        for (size_t i = 0; i < n; i++) {
            d[i] = scale * (g.change[i] * a.at[i] + g.at[i] * s[i]);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            d[i] = scale * g.change[i];
        }
    }
}

/* out <- W^T D. + W.^T D, or out and that with `add`. */
static void product_back_change(const struct resnet_tangent *t, const struct layer *layer, bool add,
                                struct moving d, double *out)
{
    int n_out = layer->n_out;
    int n_in = layer->n_in;
    tape_product_back(t->tape, n_out, n_in, layer->w, add, d.change, out);
    if (layer->w_change != NULL) {
        tape_product_back(t->tape, n_out, n_in, layer->w_change, true, d.at, out);
    }
}

static void post_change(struct resnet_tangent *t, double *grad)
{
    const struct resnet *net = t->net;
    const struct resnet_tape *tape = t->tape;
    if (!net->arch.layer_post) {
        memcpy(t->g, t->d_raw, (size_t)net->arch.width * tape->ld * sizeof *t->g);
        return;
    }
    const struct layer layer = post_layer(t);
    const struct moving d = {tape->d_raw, t->d_raw};
    if (grad != NULL) {
        outer_change(t, &layer, d, state_before(t, net->n_blocks), grad + net->off.weight_post);
        tape_bias_sums(tape, layer.n_out, t->d_raw, net->off.bias_post, grad);
    }
    product_back_change(t, &layer, false, d, t->g);
}

static void block_change(struct resnet_tangent *t, int block, double *grad)
{
    const struct resnet *net = t->net;
    const struct resnet_tape *tape = t->tape;
    int r = net->arch.width;
    const struct layer layer = block_layer(t, block);
    const struct moving g = {tape_at(tape, tape->g, block + 1), t->g};
    const struct moving d = {tape_at(tape, tape->d, block), t->d};
    activation_backward_change(t, net->step, block, g, t->d);
    if (grad != NULL) {
        outer_change(t, &layer, d, state_before(t, block), t->d_w);
        tape_spread(tape, block, t->d_w, (size_t)r * (size_t)r, grad + net->off.ww);
    }
    if (grad != NULL && net->arch.bias) {
        tape->kernels->sums(r, tape->ld, t->d, t->d_b);
        tape_spread(tape, block, t->d_b, (size_t)r, grad + net->off.bb);
    }
    product_back_change(t, &layer, net->arch.residual, d, t->g);
}

static void pre_change(struct resnet_tangent *t, double *grad, double *dx)
{
    const struct resnet *net = t->net;
    const struct resnet_tape *tape = t->tape;
    int r = net->arch.width;
    int inputs = net->arch.inputs;
    if (!net->arch.layer_pre) {
        if (dx != NULL) {
            tape_rows_from_columns(tape, inputs, t->g, dx);
        }
        return;
    }
    const struct layer layer = pre_layer(t);
    const struct moving g = {tape->g, t->g};
    const struct moving d = {tape_at(tape, tape->d, net->n_blocks), t->d};
    activation_backward_change(t, 1.0, net->n_blocks, g, t->d);
    if (grad != NULL) {
        double *weight = grad + net->off.weight_pre;
        tape_outer(tape, r, inputs, false, d.change, tape->x, weight);
        if (t->by_inputs) {
            tape_outer(tape, r, inputs, true, d.at, t->x, weight);
        }
        tape_bias_sums(tape, r, t->d, net->off.bias_pre, grad);
    }
    if (dx != NULL) {
        product_back_change(t, &layer, false, d, t->d_x);
        tape_rows_from_columns(tape, inputs, t->d_x, dx);
    }
}

void resnet_tangent_backward(struct resnet_tangent *t, const double *dw, double *grad, double *dx)
{
    if (grad != NULL) {
        memset(grad, 0, (size_t)t->net->n_params * sizeof *grad);
    }
    final_backward_change(t, dw);
    post_change(t, grad);
    for (int i = t->net->n_blocks - 1; i >= 0; i--) {
        block_change(t, i, grad);
    }
    pre_change(t, grad, dx);
}
