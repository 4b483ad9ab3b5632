/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reverse mode. With a_i = act(W_i z_i + b_i), z_{i+1} = z_i + h a_i and G_i = dF/dz_i,
 *
 *   D_i    = h G_{i+1} * act'(a_i)               act' = 1 - a^2 for tanh, 1 for identity
 *   dF/dW_i = D_i^T z_i,   dF/db_i = sum over rows of D_i
 *   G_i    = G_{i+1} + D_i W_i                   without the first term when not residual
 *   dF/dww_k = sum_i phi[i][k] dF/dW_i           the transpose of W_i = sum_k phi[i][k] ww_k
 *
 * Products by W_i need the weights as they are, the forward pass needs them transposed: both are
 * kept, which costs r^2 copies against the slow transposed product on small matrices.
 */
#include "resnet.h"

#include "gemm.h"
#include "mem.h"
#include "resnet_priv.h"

#include <math.h>
#include <string.h>

struct resnet_tape {
    const struct resnet *net;
    const double *params; /* of the last resnet_set_params */
    int max_rows;
    int n;           /* rows of the last forward pass */
    const double *x; /* its inputs */
    double *pack;    /* weights for the forward pass */
    double *w;       /* [n_blocks x r x r]: W(t_i) */
    double *z;       /* [n_blocks + 1][max_rows x r] */
    double *a;       /* [n_blocks][max_rows x r]; aliases z + 1 when not residual */
    double *raw;     /* [max_rows x outputs] before the final map */
    double *y;       /* [max_rows x n_out] */
    double *d_raw;   /* [max_rows x outputs] */
    double *d_z;     /* [max_rows x r] */
    double *d_a;     /* [max_rows x r] */
    double *d_w;     /* [r x r] */
    double *d_b;     /* [r] */
    double *memory;
};

static size_t slab(const struct resnet_tape *tape)
{
    return (size_t)tape->max_rows * (size_t)tape->net->arch.width;
}

static double *carve(double **at, size_t n)
{
    double *block = *at;
    *at += (n + 7) & ~(size_t)7; /* whole cache lines */
    return block;
}

struct resnet_tape *resnet_tape_new(const struct resnet *net, int max_rows)
{
    struct resnet_tape *tape = mem_zalloc(sizeof *tape);
    if (tape == NULL) {
        return NULL;
    }
    tape->net = net;
    tape->max_rows = max_rows;
    size_t r = (size_t)net->arch.width;
    size_t blocks = (size_t)net->n_blocks;
    size_t rows = (size_t)max_rows;
    size_t o = (size_t)net->arch.outputs;
    size_t layers = net->arch.residual ? 2 * blocks + 1 : blocks + 1;
    size_t total = net->pack_size + blocks * r * r + (layers + 2) * rows * r + 3 * rows * o +
                   r * r + r + 16 * 8;
    tape->memory = mem_alloc_array(total, sizeof *tape->memory);
    if (tape->memory == NULL) {
        resnet_tape_free(tape);
        return NULL;
    }
    double *at = tape->memory;
    tape->pack = carve(&at, net->pack_size);
    tape->w = carve(&at, blocks * r * r);
    tape->z = carve(&at, (blocks + 1) * rows * r);
    tape->a = net->arch.residual ? carve(&at, blocks * rows * r) : tape->z + rows * r;
    tape->raw = carve(&at, rows * o);
    tape->y = carve(&at, rows * o);
    tape->d_raw = carve(&at, rows * o);
    tape->d_z = carve(&at, rows * r);
    tape->d_a = carve(&at, rows * r);
    tape->d_w = carve(&at, r * r);
    tape->d_b = carve(&at, r);
    return tape;
}

void resnet_tape_free(struct resnet_tape *tape)
{
    if (tape != NULL) {
        mem_free(tape->memory);
        mem_free(tape);
    }
}

void resnet_set_params(struct resnet_tape *tape, const double *params)
{
    const struct resnet *net = tape->net;
    size_t r = (size_t)net->arch.width;
    tape->params = params;
    resnet_pack(net, params, tape->pack);
    for (int i = 0; i < net->n_blocks; i++) {
        resnet_pack_block(net, params, i, tape->w + (size_t)i * r * r);
    }
}

void resnet_forward(struct resnet_tape *tape, int n, const double *x, double *y)
{
    const struct resnet *net = tape->net;
    tape->n = n;
    tape->x = x;
    resnet_pre(net, tape->pack, n, x, tape->z);
    for (int i = 0; i < net->n_blocks; i++) {
        double *z = tape->z + (size_t)i * slab(tape);
        resnet_block(net, tape->pack, i, n, z, tape->a + (size_t)i * slab(tape), z + slab(tape));
    }
    resnet_post(net, tape->pack, n, tape->z + (size_t)net->n_blocks * slab(tape), tape->raw);
    resnet_final(net, n, tape->raw, tape->y);
    memcpy(y, tape->y, (size_t)n * (size_t)net->n_out * sizeof *y);
}

/* d_raw <- dF/draw from dF/dy. */
static void final_backward(struct resnet_tape *tape, const double *dy)
{
    const struct resnet *net = tape->net;
    size_t n = (size_t)tape->n;
    size_t o = (size_t)net->arch.outputs;
    switch (net->arch.final) {
    case FINAL_NONE:
        memcpy(tape->d_raw, dy, n * o * sizeof *dy);
        break;
    case FINAL_EXP:
        for (size_t i = 0; i < n * o; i++) {
            tape->d_raw[i] = dy[i] * tape->y[i];
        }
        break;
    case FINAL_LOGABS:
        for (size_t i = 0; i < n * o; i++) {
            tape->d_raw[i] = dy[i] / tape->raw[i];
        }
        break;
    case FINAL_SUM:
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < o; j++) {
                tape->d_raw[i * o + j] = dy[i];
            }
        }
        break;
    }
}

/* out[j] = sum_i d[i][j]; d: [n x r]. */
static void column_sums(const double *d, size_t n, size_t r, double *out)
{
    memset(out, 0, r * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < r; j++) {
            out[j] += d[i * r + j];
        }
    }
}

/* d_a <- scale * d_z * act'(a). */
static void activation_backward(const struct resnet *net, double scale, const double *d_z,
                                const double *a, size_t count, double *d_a)
{
    if (net->arch.activation == ACT_TANH) {
        for (size_t i = 0; i < count; i++) {
            d_a[i] = scale * d_z[i] * (1.0 - a[i] * a[i]);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            d_a[i] = scale * d_z[i];
        }
    }
}

static void spread(const struct resnet *net, int block, const double *from, size_t size, double *to)
{
    const double *phi = net->phi + (size_t)block * (size_t)net->n_coef;
    for (int k = 0; k < net->n_coef; k++) {
        if (fpclassify(phi[k]) != FP_ZERO) {
            double scale = phi[k];
            double *out = to + (size_t)k * size;
            for (size_t i = 0; i < size; i++) {
                out[i] += scale * from[i];
            }
        }
    }
}

/* D_block is in d_a: adds its share to the gradient of the coefficients. */
static void block_gradient(struct resnet_tape *tape, int block, double *grad)
{
    const struct resnet *net = tape->net;
    size_t r = (size_t)net->arch.width;
    const double *z = tape->z + (size_t)block * slab(tape);
    gemm_tn((int)r, (int)r, tape->n, tape->d_a, z, 0.0, tape->d_w);
    spread(net, block, tape->d_w, r * r, grad + net->off.ww);
    if (net->arch.bias) {
        column_sums(tape->d_a, (size_t)tape->n, r, tape->d_b);
        spread(net, block, tape->d_b, r, grad + net->off.bb);
    }
}

static void post_backward(struct resnet_tape *tape, double *grad)
{
    const struct resnet *net = tape->net;
    int r = net->arch.width;
    int o = net->arch.outputs;
    const double *z = tape->z + (size_t)net->n_blocks * slab(tape);
    if (!net->arch.layer_post) {
        memcpy(tape->d_z, tape->d_raw, (size_t)tape->n * (size_t)r * sizeof *tape->d_z);
        return;
    }
    if (grad != NULL) {
        gemm_tn(o, r, tape->n, tape->d_raw, z, 0.0, grad + net->off.weight_post);
        column_sums(tape->d_raw, (size_t)tape->n, (size_t)o, grad + net->off.bias_post);
    }
    gemm_nn(tape->n, r, o, tape->d_raw, tape->params + net->off.weight_post, 0.0, tape->d_z);
}

static void pre_backward(struct resnet_tape *tape, double *grad, double *dx)
{
    const struct resnet *net = tape->net;
    int r = net->arch.width;
    int d = net->arch.inputs;
    size_t count = (size_t)tape->n * (size_t)r;
    if (!net->arch.layer_pre) {
        if (dx != NULL) {
            memcpy(dx, tape->d_z, count * sizeof *dx);
        }
        return;
    }
    activation_backward(net, 1.0, tape->d_z, tape->z, count, tape->d_a);
    if (grad != NULL) {
        gemm_tn(r, d, tape->n, tape->d_a, tape->x, 0.0, grad + net->off.weight_pre);
        column_sums(tape->d_a, (size_t)tape->n, (size_t)r, grad + net->off.bias_pre);
    }
    if (dx != NULL) {
        gemm_nn(tape->n, d, r, tape->d_a, tape->params + net->off.weight_pre, 0.0, dx);
    }
}

void resnet_backward(struct resnet_tape *tape, const double *dy, double *grad, double *dx)
{
    const struct resnet *net = tape->net;
    size_t r = (size_t)net->arch.width;
    size_t count = (size_t)tape->n * r;
    if (grad != NULL) {
        memset(grad, 0, (size_t)net->n_params * sizeof *grad);
    }
    final_backward(tape, dy);
    post_backward(tape, grad);
    for (int i = net->n_blocks - 1; i >= 0; i--) {
        activation_backward(net, net->step, tape->d_z, tape->a + (size_t)i * slab(tape), count,
                            tape->d_a);
        if (grad != NULL) {
            block_gradient(tape, i, grad);
        }
        gemm_nn(tape->n, (int)r, (int)r, tape->d_a, tape->w + (size_t)i * r * r,
                net->arch.residual ? 1.0 : 0.0, tape->d_z);
    }
    pre_backward(tape, grad, dx);
}

void resnet_input_jacobian(struct resnet_tape *tape, double *jac, double *scratch)
{
    const struct resnet *net = tape->net;
    size_t n = (size_t)tape->n;
    size_t o = (size_t)net->n_out;
    size_t d = (size_t)net->arch.inputs;
    double *dy = scratch;
    double *dx = scratch + n * o;
    for (size_t a = 0; a < o; a++) {
        memset(dy, 0, n * o * sizeof *dy);
        for (size_t i = 0; i < n; i++) {
            dy[i * o + a] = 1.0;
        }
        resnet_backward(tape, dy, NULL, dx);
        for (size_t i = 0; i < n; i++) {
            memcpy(jac + (i * o + a) * d, dx + i * d, d * sizeof *jac);
        }
    }
}

void resnet_param_jacobian(struct resnet_tape *tape, double *jac, double *scratch)
{
    size_t cells = (size_t)tape->n * (size_t)tape->net->n_out;
    memset(scratch, 0, cells * sizeof *scratch);
    for (size_t c = 0; c < cells; c++) {
        scratch[c] = 1.0;
        resnet_backward(tape, scratch, jac + c * (size_t)tape->net->n_params, NULL);
        scratch[c] = 0.0;
    }
}
