/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The taped forward pass and reverse mode. With a_i = act(W_i z_i + b_i), z_{i+1} = z_i + h a_i and
 * G_i = dF/dz_i,
 *
 *   D_i    = h G_{i+1} * s_i                     s_i = act'(W_i z_i + b_i)
 *   dF/dW_i = D_i z_i^T,   dF/db_i = sum over rows of D_i
 *   G_i    = G_{i+1} + W_i^T D_i                 without the first term unless residual
 *   dF/dww_k = sum_i phi[i][k] dF/dW_i           the transpose of W_i = sum_k phi[i][k] ww_k
 *
 * For tanh and the identity s follows from a (activation_by_value), and the tape keeps a; for the
 * other activations the forward pass leaves s in its place.
 *
 * The rows of the batch lie along the vectors. A product with W or with its transpose reads the
 * weights one at a time, where the parameters hold them, so that nothing is packed or transposed
 * but x on the way in and y on the way out. A general GEMM is 2 to 4 times slower here, because its
 * blocks are far larger than these matrices. A block whose weights are a single coefficient
 * (constant, nonparametric) reads that coefficient in the parameters, and writes its gradient into
 * its place.
 *
 * tape_product, tape_product_back and tape_outer take dimensions and pointers as BLAS does.
 */
#include "network/resnet.h"

#include "base/mem.h"
#include "network/resnet_priv.h"
#include "network/resnet_tape_priv.h"

#include <math.h>
#include <string.h>

/*
 * The length of a feature's columns: whole vectors, and from eight cache lines on an odd number of
 * lines, so that the same column of many features does not fall into a few sets of the cache.
 */
static size_t columns_for(int n)
{
    size_t lines = ((size_t)n + KERNELS_PAD_F64 - 1) / KERNELS_PAD_F64;
    return (lines >= 8 ? lines | 1 : lines) * KERNELS_PAD_F64;
}

size_t tape_columns(int features, int max_rows)
{
    return (size_t)features * columns_for(max_rows);
}

size_t tape_carved(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

double *tape_carve(double **at, size_t n)
{
    double *block = *at;
    *at += tape_carved(n);
    return block;
}

/* The coefficient that a block's weights are; -1 when they combine several or scale one. */
static int single_coefficient(const struct resnet *net, int block)
{
    const double *phi = net->phi + (size_t)block * (size_t)net->n_coef;
    int found = -1;
    for (int k = 0; k < net->n_coef; k++) {
        bool zero = fpclassify(phi[k]) == FP_ZERO;
        if (!zero && (found >= 0 || phi[k] < 1.0 || phi[k] > 1.0)) {
            return -1;
        }
        found = zero ? found : k;
    }
    return found;
}

struct resnet_tape *resnet_tape_new(const struct resnet *net, int max_rows)
{
    struct resnet_tape *tape = mem_zalloc(sizeof *tape);
    if (tape == NULL) {
        return NULL;
    }
    size_t r = (size_t)net->arch.width;
    size_t blocks = (size_t)net->n_blocks;
    size_t outs = tape_columns(net->arch.outputs, max_rows);
    size_t slab = tape_columns(net->arch.width, max_rows);
    size_t inputs = net->arch.layer_pre ? tape_columns(net->arch.inputs, max_rows) : 0;
    bool by_value = activation_by_value(net->arch.activation);
    size_t acts = !by_value ? (blocks + 1) * slab : net->arch.residual ? blocks * slab : 0;
    size_t bends = by_value ? 0 : (blocks + 1) * slab;
    size_t rows_out = tape_carved((size_t)max_rows * (size_t)net->n_out);
    size_t row = 3 * tape_carved(blocks * r) + tape_carved((size_t)net->arch.outputs);
    tape->net = net;
    tape->kernels = kernels_get();
    tape->max_rows = max_rows;
    tape->slab = slab;
    size_t total = tape_carved(blocks * r * r) + tape_carved(blocks * r) + 2 * inputs +
                   3 * (blocks + 1) * slab + acts + bends + 2 * outs + rows_out +
                   tape_carved(r * r) + tape_carved(r) + row;
    tape->memory = mem_zalloc_array(total, sizeof *tape->memory);
    tape->single = mem_alloc_array(blocks, sizeof *tape->single);
    if (tape->memory == NULL || tape->single == NULL) {
        resnet_tape_free(tape);
        return NULL;
    }
    for (int i = 0; i < net->n_blocks; i++) {
        tape->single[i] = single_coefficient(net, i);
    }
    double *at = tape->memory;
    tape->w = tape_carve(&at, blocks * r * r);
    tape->b = tape_carve(&at, blocks * r);
    tape->x = tape_carve(&at, inputs);
    tape->d_x = tape_carve(&at, inputs);
    tape->z = tape_carve(&at, (blocks + 1) * slab);
    tape->a = acts > 0 ? tape_carve(&at, acts) : tape->z + slab;
    tape->bends = tape_carve(&at, bends);
    tape->raw = tape_carve(&at, outs);
    tape->d_raw = tape_carve(&at, outs);
    tape->y = tape_carve(&at, rows_out);
    tape->g = tape_carve(&at, (blocks + 1) * slab);
    tape->d = tape_carve(&at, (blocks + 1) * slab);
    tape->d_w = tape_carve(&at, r * r);
    tape->d_b = tape_carve(&at, r);
    tape->row = tape_carve(&at, row);
    tape->x = net->arch.layer_pre ? tape->x : tape->z;
    return tape;
}

void resnet_tape_free(struct resnet_tape *tape)
{
    if (tape != NULL) {
        mem_free(tape->memory);
        mem_free(tape->single);
        mem_free(tape);
    }
}

/* ---- what every pass uses ---- */

void tape_columns_from_rows(const struct resnet_tape *tape, int k, const double *rows,
                            bool zero_padding, double *columns)
{
    size_t n = (size_t)tape->n;
    size_t width = (size_t)k;
    for (size_t j = 0; j < width; j++) {
        double *to = columns + j * tape->ld;
        for (size_t i = 0; i < n; i++) {
            to[i] = rows[i * width + j];
        }
        double rest = zero_padding ? 0.0 : to[n - 1];
        for (size_t i = n; i < tape->ld; i++) {
            to[i] = rest;
        }
    }
}

void tape_rows_from_columns(const struct resnet_tape *tape, int k, const double *columns,
                            double *rows)
{
    size_t n = (size_t)tape->n;
    size_t width = (size_t)k;
    for (size_t j = 0; j < width; j++) {
        const double *from = columns + j * tape->ld;
        for (size_t i = 0; i < n; i++) {
            rows[i * width + j] = from[i];
        }
    }
}

const double *tape_weight(const struct resnet_tape *tape, int block)
{
    size_t size = (size_t)tape->net->arch.width * (size_t)tape->net->arch.width;
    return tape->single[block] >= 0
               ? tape->params + tape->net->off.ww + (size_t)tape->single[block] * size
               : tape->w + (size_t)block * size;
}

const double *tape_bias(const struct resnet_tape *tape, int block)
{
    size_t r = (size_t)tape->net->arch.width;
    if (!tape->net->arch.bias) {
        return NULL;
    }
    return tape->single[block] >= 0
               ? tape->params + tape->net->off.bb + (size_t)tape->single[block] * r
               : tape->b + (size_t)block * r;
}

void tape_product(const struct resnet_tape *tape, int n_out, int n_in, const double *w,
                  const double *bias, bool add, const double *z, double *out)
{
    struct kernels_product p = {.n_out = n_out,
                                .n_in = n_in,
                                .ld = tape->ld,
                                .w = w,
                                .by_out = (size_t)n_in,
                                .by_in = 1,
                                .bias = bias,
                                .add = add,
                                .z = z,
                                .out = out};
    tape->kernels->product(&p);
}

void tape_product_back(const struct resnet_tape *tape, int n_out, int n_in, const double *w,
                       bool add, const double *d, double *out)
{
    struct kernels_product p = {.n_out = n_in,
                                .n_in = n_out,
                                .ld = tape->ld,
                                .w = w,
                                .by_out = 1,
                                .by_in = (size_t)n_in,
                                .add = add,
                                .z = d,
                                .out = out};
    tape->kernels->product(&p);
}

void tape_spread(const struct resnet_tape *tape, int block, const double *from, size_t size,
                 double *to)
{
    const double *phi = tape->net->phi + (size_t)block * (size_t)tape->net->n_coef;
    for (int k = 0; k < tape->net->n_coef; k++) {
        if (fpclassify(phi[k]) != FP_ZERO) {
            tape->kernels->axpy(size, phi[k], from, to + (size_t)k * size);
        }
    }
}

void tape_outer(const struct resnet_tape *tape, int n_a, int n_b, bool add, const double *d,
                const double *z, double *out)
{
    struct kernels_outer p = {
        .n_a = n_a, .n_b = n_b, .ld = tape->ld, .add = add, .a = d, .b = z, .out = out};
    tape->kernels->outer(&p);
}

void tape_bias_sums(const struct resnet_tape *tape, int n, const double *d, int offset,
                    double *grad)
{
    if (offset >= 0) {
        tape->kernels->sums(n, tape->ld, d, grad + offset);
    }
}

/* ---- forward ---- */

void resnet_set_params(struct resnet_tape *tape, const double *params)
{
    const struct resnet *net = tape->net;
    size_t r = (size_t)net->arch.width;
    tape->params = params;
    for (int i = 0; i < net->n_blocks; i++) {
        if (tape->single[i] < 0) {
            resnet_block_weight(net, params, i, tape->w + (size_t)i * r * r);
            if (net->arch.bias) {
                resnet_block_bias(net, params, i, tape->b + (size_t)i * r);
            }
        }
    }
}

/*
 * next <- z + h act(a), or act(a) without z. a keeps act(a), or the derivative there for
 * activations whose derivative is no function of the value; where it keeps act(a) and there is no
 * z, next is a.
 */
static void activate(const struct resnet_tape *tape, const double *z, double *a, double *next)
{
    const enum activation act = tape->net->arch.activation;
    const struct kernels_sweeps_f64 *sweeps = &tape->kernels->sweeps_f64[act];
    size_t n = (size_t)tape->net->arch.width * tape->ld;
    if (!activation_by_value(act)) {
        if (z != NULL) {
            sweeps->layer(n, tape->net->step, z, a, next);
        } else {
            sweeps->slopes(n, a, next);
        }
    } else if (z == NULL) {
        if (act == ACT_TANH) {
            tape->kernels->tanh_f64(a, n);
        }
    } else if (act == ACT_TANH) {
        tape->kernels->layer_f64(n, tape->net->step, z, a, next);
    } else {
        memcpy(next, z, n * sizeof *next);
        tape->kernels->axpy(n, tape->net->step, a, next);
    }
}

double *tape_slopes(const struct resnet_tape *tape, int block)
{
    if (block == tape->net->n_blocks && activation_by_value(tape->net->arch.activation)) {
        return tape->z;
    }
    return tape_at(tape, tape->a, block);
}

/* Biases of the pre or the post layer; NULL: it has none. */
static const double *bias_at(const struct resnet_tape *tape, int offset)
{
    return offset >= 0 ? tape->params + offset : NULL;
}

/* u <- W z + b of a block, or of the pre layer. */
static void before_activation(const struct resnet_tape *tape, int block, double *u)
{
    const struct resnet *net = tape->net;
    int r = net->arch.width;
    if (block == net->n_blocks) {
        tape_product(tape, r, net->arch.inputs, tape->params + net->off.weight_pre,
                     bias_at(tape, net->off.bias_pre), false, tape->x, u);
    } else {
        tape_product(tape, r, r, tape_weight(tape, block), tape_bias(tape, block), false,
                     tape_at(tape, tape->z, block), u);
    }
}

void tape_keep_bends(struct resnet_tape *tape)
{
    const struct resnet *net = tape->net;
    const struct kernels_sweeps_f64 *sweeps = &tape->kernels->sweeps_f64[net->arch.activation];
    int n = net->n_blocks + (net->arch.layer_pre ? 1 : 0);
    if (tape->bent || activation_by_value(net->arch.activation)) {
        return;
    }
    for (int i = 0; i < n; i++) {
        double *u = tape_at(tape, tape->bends, i);
        before_activation(tape, i, u);
        sweeps->bends((size_t)net->arch.width * tape->ld, u);
    }
    tape->bent = true;
}

void resnet_forward(struct resnet_tape *tape, int n, const double *x, double *y)
{
    const struct resnet *net = tape->net;
    int r = net->arch.width;
    int o = net->arch.outputs;
    tape->n = n;
    if (n == 0) {
        return;
    }
    tape->ld = columns_for(n);
    tape->bent = false;
    tape_columns_from_rows(tape, net->arch.inputs, x, false, tape->x);
    if (net->arch.layer_pre) {
        double *a = tape_slopes(tape, net->n_blocks);
        before_activation(tape, net->n_blocks, a);
        activate(tape, NULL, a, tape->z);
    }
    for (int i = 0; i < net->n_blocks; i++) {
        double *a = tape_at(tape, tape->a, i);
        before_activation(tape, i, a);
        activate(tape, net->arch.residual ? tape_at(tape, tape->z, i) : NULL, a,
                 tape_at(tape, tape->z, i + 1));
    }
    const double *last = tape_at(tape, tape->z, net->n_blocks);
    if (net->arch.layer_post) {
        tape_product(tape, o, r, tape->params + net->off.weight_post,
                     bias_at(tape, net->off.bias_post), false, last, tape->raw);
    } else {
        memcpy(tape->raw, last, (size_t)o * tape->ld * sizeof *last);
    }
    if (net->arch.final == FINAL_SUM) {
        for (size_t i = 0; i < (size_t)n; i++) {
            y[i] = tape->raw[i];
            for (size_t j = 1; j < (size_t)o; j++) {
                y[i] += tape->raw[j * tape->ld + i];
            }
        }
    } else {
        tape_rows_from_columns(tape, o, tape->raw, y);
        resnet_final(net, n, y, y);
    }
    if (net->arch.final == FINAL_EXP) {
        memcpy(tape->y, y, (size_t)n * (size_t)o * sizeof *y);
    }
}

/* ---- reverse ---- */

/* d_raw <- dF/draw from dF/dy. */
static void final_backward(struct resnet_tape *tape, const double *dy)
{
    const struct resnet *net = tape->net;
    size_t n = (size_t)tape->n;
    size_t o = (size_t)net->arch.outputs;
    if (net->arch.final != FINAL_SUM) {
        tape_columns_from_rows(tape, net->arch.outputs, dy, true, tape->d_raw);
    }
    for (size_t j = 0; j < o && net->arch.final != FINAL_NONE; j++) {
        double *d_raw = tape->d_raw + j * tape->ld;
        const double *raw = tape->raw + j * tape->ld;
        if (net->arch.final == FINAL_SUM) {
            memcpy(d_raw, dy, n * sizeof *dy);
            memset(d_raw + n, 0, (tape->ld - n) * sizeof *dy);
        }
        for (size_t i = 0; i < n && net->arch.final == FINAL_EXP; i++) {
            d_raw[i] *= tape->y[i * o + j];
        }
        for (size_t i = 0; i < n && net->arch.final == FINAL_LOGABS; i++) {
            d_raw[i] /= raw[i];
        }
    }
}

/* d <- scale g s, of a block or the pre layer. */
static void activation_backward(const struct resnet_tape *tape, double scale, const double *g,
                                int block, double *d)
{
    const enum activation act = tape->net->arch.activation;
    size_t n = (size_t)tape->net->arch.width * tape->ld;
    const double *a = tape_slopes(tape, block);
    if (act == ACT_TANH) {
        tape->kernels->slope_f64(n, scale, g, a, d);
    } else if (!activation_by_value(act)) {
        for (size_t i = 0; i < n; i++) {
            d[i] = scale * g[i] * a[i];
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            d[i] = scale * g[i];
        }
    }
}

/* Adds a block's share to the gradient of the coefficients. */
static void block_gradient(struct resnet_tape *tape, int block, const double *d, double *grad)
{
    const struct resnet *net = tape->net;
    int r = net->arch.width;
    size_t size = (size_t)r * (size_t)r;
    const double *z = tape_at(tape, tape->z, block);
    if (tape->single[block] >= 0) {
        tape_outer(tape, r, r, true, d, z, grad + net->off.ww + (size_t)tape->single[block] * size);
    } else {
        tape_outer(tape, r, r, false, d, z, tape->d_w);
        tape_spread(tape, block, tape->d_w, size, grad + net->off.ww);
    }
    if (net->arch.bias) {
        tape->kernels->sums(r, tape->ld, d, tape->d_b);
        tape_spread(tape, block, tape->d_b, (size_t)r, grad + net->off.bb);
    }
}

/* g <- dF/dz at the end of the last block, from d_raw. */
static void post_backward(struct resnet_tape *tape, double *grad, double *g)
{
    const struct resnet *net = tape->net;
    int r = net->arch.width;
    int o = net->arch.outputs;
    if (!net->arch.layer_post) {
        memcpy(g, tape->d_raw, (size_t)r * tape->ld * sizeof *g);
        return;
    }
    if (grad != NULL) {
        tape_outer(tape, o, r, false, tape->d_raw, tape_at(tape, tape->z, net->n_blocks),
                   grad + net->off.weight_post);
        tape_bias_sums(tape, o, tape->d_raw, net->off.bias_post, grad);
    }
    tape_product_back(tape, o, r, tape->params + net->off.weight_post, false, tape->d_raw, g);
}

/* From g = dF/dz at the first block's beginning: the pre layer's part of grad, and dx. */
static void pre_backward(struct resnet_tape *tape, const double *g, double *d, double *grad,
                         double *dx)
{
    const struct resnet *net = tape->net;
    int r = net->arch.width;
    int inputs = net->arch.inputs;
    if (!net->arch.layer_pre) {
        if (dx != NULL) {
            tape_rows_from_columns(tape, inputs, g, dx);
        }
        return;
    }
    activation_backward(tape, 1.0, g, net->n_blocks, d);
    if (grad != NULL) {
        tape_outer(tape, r, inputs, false, d, tape->x, grad + net->off.weight_pre);
        tape_bias_sums(tape, r, d, net->off.bias_pre, grad);
    }
    if (dx != NULL) {
        tape_product_back(tape, r, inputs, tape->params + net->off.weight_pre, false, d, tape->d_x);
        tape_rows_from_columns(tape, inputs, tape->d_x, dx);
    }
}

/* The whole backward pass. `keep`: G and D of every block stay on the tape. */
static void backward_pass(struct resnet_tape *tape, const double *dy, double *grad, double *dx,
                          bool keep)
{
    const struct resnet *net = tape->net;
    int r = net->arch.width;
    bool residual = net->arch.residual;
    int stride = keep ? 1 : 0;
    double *g = tape_at(tape, tape->g, stride * net->n_blocks);
    final_backward(tape, dy);
    post_backward(tape, grad, g);
    for (int i = net->n_blocks - 1; i >= 0; i--) {
        double *d = tape_at(tape, tape->d, stride * i);
        double *before = keep ? tape_at(tape, tape->g, i) : g;
        activation_backward(tape, net->step, g, i, d);
        if (grad != NULL) {
            block_gradient(tape, i, d, grad);
        }
        if (keep && residual) {
            memcpy(before, g, (size_t)r * tape->ld * sizeof *g);
        }
        tape_product_back(tape, r, r, tape_weight(tape, i), residual, d, before);
        g = before;
    }
    pre_backward(tape, g, tape_at(tape, tape->d, stride * net->n_blocks), grad, dx);
}

void resnet_backward(struct resnet_tape *tape, const double *dy, double *grad, double *dx)
{
    if (grad != NULL) {
        memset(grad, 0, (size_t)tape->net->n_params * sizeof *grad);
    }
    if (tape->n > 0) {
        backward_pass(tape, dy, grad, dx, false);
    }
}

void tape_keep_adjoints(struct resnet_tape *tape, const double *dy)
{
    backward_pass(tape, dy, NULL, NULL, true);
}
