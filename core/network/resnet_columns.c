/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients of each row by itself, as core/network/resnet_rows.c, but in columns: the rows of the
 * batch lie side by side along the vectors, as everything else on the tape does. A weight's
 * derivative is then a product of two columns, D_p z_q, without a gather or a scatter, and a
 * product of the gradients with a matrix can go through the kernels, whose bits do not depend on
 * the rows beside a row.
 */
#include "network/resnet.h"

#include "network/resnet_tape_priv.h"

#include <math.h>
#include <string.h>

size_t resnet_tape_stride(const struct resnet_tape *tape)
{
    return tape->ld;
}

/* The derivatives by weights [n_out x n_in], columns at `to` [n_out x n_in x ld], from the adjoints
 * d [n_out x ld] and the inputs z [n_in x ld]. */
struct outer {
    int n_out, n_in;
    const double *d, *z;
    double *to;
};

/* to <- d_p z_q, or to + that with `add`. */
static void outer_columns(size_t ld, bool add, const struct outer *outer)
{
    double *restrict to = outer->to;
    for (size_t p = 0; p < (size_t)outer->n_out; p++) {
        const double *restrict dp = outer->d + p * ld;
        for (size_t q = 0; q < (size_t)outer->n_in; q++) {
            const double *restrict zq = outer->z + q * ld;
            for (size_t i = 0; add && i < ld; i++) {
                to[i] += dp[i] * zq[i];
            }
            for (size_t i = 0; !add && i < ld; i++) {
                to[i] = dp[i] * zq[i];
            }
            to += ld;
        }
    }
}

/* to [n] <- scale from, or to + that with `add`. */
static void scale_columns(size_t n, double scale, bool add, const double *restrict from,
                          double *restrict to)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = add ? to[i] + scale * from[i] : scale * from[i];
    }
}

/* The derivatives by coefficient k: the sum over blocks of phi D z^T. */
static void coefficient_columns(const struct resnet_tape *tape, int k, double *grad)
{
    const struct resnet *net = tape->net;
    int r = net->arch.width;
    size_t size = (size_t)r * tape->ld;
    double *weights = grad + ((size_t)net->off.ww + (size_t)k * (size_t)r * (size_t)r) * tape->ld;
    double *scaled = tape_at(tape, tape->g, 0); /* the adjoints G have done their work */
    bool begun = false;
    for (int b = 0; b < net->n_blocks; b++) {
        double phi = net->phi[(size_t)b * (size_t)net->n_coef + (size_t)k];
        const double *d = tape_at(tape, tape->d, b);
        if (fpclassify(phi) == FP_ZERO) {
            continue;
        }
        if (net->arch.bias) {
            double *biases = grad + ((size_t)net->off.bb + (size_t)k * (size_t)r) * tape->ld;
            scale_columns(size, phi, begun, d, biases);
        }
        if (tape->single[b] < 0) {
            scale_columns(size, phi, false, d, scaled);
            d = scaled;
        }
        const struct outer outer = {
            .n_out = r, .n_in = r, .d = d, .z = tape_at(tape, tape->z, b), .to = weights};
        outer_columns(tape->ld, begun, &outer);
        begun = true;
    }
    if (!begun) {
        memset(weights, 0, (size_t)r * size * sizeof *weights);
        if (net->arch.bias) {
            memset(grad + ((size_t)net->off.bb + (size_t)k * (size_t)r) * tape->ld, 0,
                   size * sizeof *grad);
        }
    }
}

/* The derivatives by n biases from `first` on, if there are any, are the adjoints d. */
static void bias_columns(size_t ld, int n, const double *d, int first, double *grad)
{
    if (first >= 0) {
        memcpy(grad + (size_t)first * ld, d, (size_t)n * ld * sizeof *grad);
    }
}

void resnet_column_gradients(struct resnet_tape *tape, const double *dy, double *grad)
{
    const struct resnet *net = tape->net;
    const struct arch *a = &net->arch;
    size_t ld = tape->ld;
    if (tape->n == 0) {
        return;
    }
    tape_keep_adjoints(tape, dy);
    if (a->layer_pre) {
        const struct outer pre = {.n_out = a->width,
                                  .n_in = a->inputs,
                                  .d = tape_at(tape, tape->d, net->n_blocks),
                                  .z = tape->x,
                                  .to = grad + (size_t)net->off.weight_pre * ld};
        outer_columns(ld, false, &pre);
        bias_columns(ld, a->width, pre.d, net->off.bias_pre, grad);
    }
    if (a->layer_post) {
        const struct outer post = {.n_out = a->outputs,
                                   .n_in = a->width,
                                   .d = tape->d_raw,
                                   .z = tape_at(tape, tape->z, net->n_blocks),
                                   .to = grad + (size_t)net->off.weight_post * ld};
        outer_columns(ld, false, &post);
        bias_columns(ld, a->outputs, post.d, net->off.bias_post, grad);
    }
    for (int k = 0; k < net->n_coef; k++) {
        coefficient_columns(tape, k, grad);
    }
}
