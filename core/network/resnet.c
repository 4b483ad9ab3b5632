/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forward pass without a tape, in its plainest form; the other passes are compared with it.
 * Rows are contiguous, [n x r] row-major, so that a block is one product by W(t_i)^T and one sweep
 * that adds the bias and takes the activation. The weights of all blocks are evaluated once for a
 * parameter vector, which takes (layers + 1) n_coef r^2 operations; every row takes 2 (layers + 1)
 * r^2.
 */
#include "network/resnet.h"

#include "base/mem.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "network/resnet_priv.h"
#include "network/wpfn.h"

#include <math.h>
#include <string.h>

enum err_code resnet_init(struct resnet *net, const struct arch *arch, struct err *err)
{
    *net = (struct resnet){.phi = NULL};
    if (arch_validate(arch, err) != ERR_OK) {
        return err->code;
    }
    ptrdiff_t d = arch->inputs;
    ptrdiff_t o = arch->outputs;
    ptrdiff_t r = arch->width;
    ptrdiff_t bias = arch->bias ? 1 : 0;
    net->arch = *arch;
    net->off = arch_offsets(arch);
    net->n_params = net->off.n_params;
    net->n_blocks = arch_n_blocks(arch);
    net->n_coef = arch_n_coef(arch);
    net->n_out = arch_n_outputs(arch);
    net->step = arch->residual ? arch_step(arch) : 1.0;
    net->phi = mem_alloc_array((size_t)net->n_blocks * (size_t)net->n_coef, sizeof *net->phi);
    if (net->phi == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the weight functions");
    }
    wpfn_table_fill(arch, net->phi);

    ptrdiff_t at = 0;
    net->pack_pre = arch->layer_pre ? at : -1;
    at += arch->layer_pre ? d * r : 0;
    net->pack_bias_pre = net->off.bias_pre >= 0 ? at : -1;
    at += net->off.bias_pre >= 0 ? r : 0;
    net->pack_blocks = at;
    net->block_stride = r * r + bias * r;
    at += net->n_blocks * net->block_stride;
    net->pack_post = arch->layer_post ? at : -1;
    at += arch->layer_post ? r * o : 0;
    net->pack_bias_post = net->off.bias_post >= 0 ? at : -1;
    at += net->off.bias_post >= 0 ? o : 0;
    net->pack_size = (size_t)at;
    return ERR_OK;
}

void resnet_release(struct resnet *net)
{
    mem_free(net->phi);
    net->phi = NULL;
}

/* to[j][i] = from[i][j]; from: [rows x cols]. */
static void transpose(const double *from, int rows, int cols, double *to)
{
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < cols; j++) {
            to[(size_t)j * (size_t)rows + (size_t)i] = from[(size_t)i * (size_t)cols + (size_t)j];
        }
    }
}

/* out += scale * in, or out = scale * in when `first`; [n]. */
static void accumulate(bool first, double scale, const double *in, size_t n, double *out)
{
    if (first) {
        for (size_t i = 0; i < n; i++) {
            out[i] = scale * in[i];
        }
    } else {
        kernels_get()->axpy(n, scale, in, out);
    }
}

/* out <- sum_k phi[block][k] coef_k, where each coef_k has `size` doubles; skips zero terms. */
static void combine(const struct resnet *net, int block, const double *coef, size_t size,
                    double *out)
{
    const double *phi = net->phi + (size_t)block * (size_t)net->n_coef;
    bool first = true;
    for (int k = 0; k < net->n_coef; k++) {
        if (fpclassify(phi[k]) != FP_ZERO) {
            accumulate(first, phi[k], coef + (size_t)k * size, size, out);
            first = false;
        }
    }
    if (first) {
        memset(out, 0, size * sizeof *out);
    }
}

void resnet_block_weight(const struct resnet *net, const double *params, int block, double *w)
{
    combine(net, block, params + net->off.ww, (size_t)net->arch.width * (size_t)net->arch.width, w);
}

void resnet_block_bias(const struct resnet *net, const double *params, int block, double *b)
{
    combine(net, block, params + net->off.bb, (size_t)net->arch.width, b);
}

/* n parameters from `first` on into the pack at `at`, where the network has them. */
static void copy_part(const double *params, int first, size_t n, double *pack, ptrdiff_t at)
{
    if (first >= 0) {
        memcpy(pack + at, params + first, n * sizeof *pack);
    }
}

/* Where a part of the pack begins; NULL when it is absent. */
static const double *pack_part(const struct resnet_packed *packed, ptrdiff_t at)
{
    return at >= 0 ? packed->pack + at : NULL;
}

void resnet_pack(const struct resnet *net, const double *params, double *pack)
{
    const struct arch *a = &net->arch;
    size_t r = (size_t)a->width;
    if (a->layer_pre) {
        transpose(params + net->off.weight_pre, a->width, a->inputs, pack + net->pack_pre);
        copy_part(params, net->off.bias_pre, r, pack, net->pack_bias_pre);
    }
    for (int i = 0; i < net->n_blocks; i++) {
        double *w = pack + net->pack_blocks + i * net->block_stride;
        resnet_block_weight(net, params, i, w);
        /* W(t_i) becomes its transpose, in place. */
        for (size_t p = 0; p < r; p++) {
            for (size_t q = p + 1; q < r; q++) {
                double upper = w[p * r + q];
                w[p * r + q] = w[q * r + p];
                w[q * r + p] = upper;
            }
        }
        if (a->bias) {
            resnet_block_bias(net, params, i, w + r * r);
        }
    }
    if (a->layer_post) {
        transpose(params + net->off.weight_post, a->outputs, a->width, pack + net->pack_post);
        copy_part(params, net->off.bias_post, (size_t)a->outputs, pack, net->pack_bias_post);
    }
}

static void add_bias(double *z, const double *b, size_t n, size_t r)
{
    for (size_t i = 0; b != NULL && i < n; i++) {
        for (size_t j = 0; j < r; j++) {
            z[i * r + j] += b[j];
        }
    }
}

static void activate(const struct resnet *net, double *z, const double *b, size_t n)
{
    size_t r = (size_t)net->arch.width;
    add_bias(z, b, n, r);
    if (net->arch.activation != ACT_IDENTITY) {
        kernels_get()->sweeps_f64[net->arch.activation].value(z, n * r);
    }
}

static void apply_pre(const struct resnet_packed *packed, int n, const double *x, double *z)
{
    const struct resnet *net = packed->net;
    if (net->arch.layer_pre) {
        gemm_nn(n, net->arch.width, net->arch.inputs, x, packed->pack + net->pack_pre, 0.0, z);
        activate(net, z, pack_part(packed, net->pack_bias_pre), (size_t)n);
    } else {
        memcpy(z, x, (size_t)n * (size_t)net->arch.inputs * sizeof *z);
    }
}

/* The state between blocks, and a block's activations; both [n x r]. */
struct state {
    double *z;
    double *a;
};

/* a <- act(z W^T + b); then z <- z + h a, or z and a change places when not residual. */
static void apply_block(const struct resnet_packed *packed, int block, int n, struct state *s)
{
    const struct resnet *net = packed->net;
    size_t r = (size_t)net->arch.width;
    size_t count = (size_t)n * r;
    const double *w = packed->pack + net->pack_blocks + block * net->block_stride;
    double *z = s->z;
    double *a = s->a;
    gemm_nn(n, (int)r, (int)r, z, w, 0.0, a);
    activate(net, a, net->arch.bias ? w + r * r : NULL, (size_t)n);
    if (net->arch.residual) {
        double h = net->step;
        for (size_t i = 0; i < count; i++) {
            z[i] = z[i] + h * a[i];
        }
    } else {
        s->z = a;
        s->a = z;
    }
}

static void apply_post(const struct resnet_packed *packed, int n, const double *z, double *raw)
{
    const struct resnet *net = packed->net;
    size_t o = (size_t)net->arch.outputs;
    if (net->arch.layer_post) {
        gemm_nn(n, (int)o, net->arch.width, z, packed->pack + net->pack_post, 0.0, raw);
        add_bias(raw, pack_part(packed, net->pack_bias_post), (size_t)n, o);
    } else {
        memcpy(raw, z, (size_t)n * o * sizeof *raw);
    }
}

void resnet_final(const struct resnet *net, int n, const double *raw, double *y)
{
    size_t o = (size_t)net->arch.outputs;
    size_t count = (size_t)n * o;
    switch (net->arch.final) {
    case FINAL_NONE:
        if (y != raw) {
            memcpy(y, raw, count * sizeof *y);
        }
        break;
    case FINAL_EXP:
        if (y != raw) {
            memcpy(y, raw, count * sizeof *y);
        }
        kernels_get()->exp_f64(y, count);
        break;
    case FINAL_LOGABS:
        for (size_t i = 0; i < count; i++) {
            y[i] = log(fabs(raw[i]));
        }
        break;
    case FINAL_SUM:
        for (size_t i = 0; i < (size_t)n; i++) {
            double sum = 0.0;
            for (size_t j = 0; j < o; j++) {
                sum += raw[i * o + j];
            }
            y[i] = sum;
        }
        break;
    }
}

size_t resnet_apply_scratch(const struct resnet *net, int n)
{
    return (size_t)n * (2 * (size_t)net->arch.width + (size_t)net->arch.outputs);
}

/* The inputs of the post layer: they are in z or in a, both [n x r]. */
static double *apply_hidden(const struct resnet_packed *packed, int n, const double *x, double *z,
                            double *a)
{
    struct state state = {.z = z, .a = a};
    apply_pre(packed, n, x, z);
    for (int i = 0; i < packed->net->n_blocks; i++) {
        apply_block(packed, i, n, &state);
    }
    return state.z;
}

void resnet_apply(const struct resnet_packed *packed, int n, const double *x, double *y)
{
    size_t cells = (size_t)n * (size_t)packed->net->arch.width;
    double *a = packed->scratch + cells;
    double *raw = a + cells;
    const double *z = apply_hidden(packed, n, x, packed->scratch, a);
    apply_post(packed, n, z, raw);
    resnet_final(packed->net, n, raw, y);
}

void resnet_features(const struct resnet_packed *packed, int n, const double *x, double *z)
{
    const double *found = apply_hidden(packed, n, x, z, packed->scratch);
    if (found != z) {
        memcpy(z, found, (size_t)n * (size_t)packed->net->arch.width * sizeof *z);
    }
}
