/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Derivatives of each row by itself. One reverse sweep over all rows leaves D_i of every block and
 * row on the tape (core/network/resnet_tape.c). The gradient of one row is then
 *
 *   dww_k = sum_i (phi[i][k] D_i) z_i^T
 *
 * which is a product of [r x n_blocks] by [n_blocks x r] for each coefficient k. So a Jacobian with
 * respect to the parameters takes one sweep for each output, and for each of its rows the writing
 * of K numbers.
 */
#include "network/resnet.h"

#include "network/resnet_tape_priv.h"

#include <math.h>
#include <string.h>

/* to[f] <- columns[f][i] for k features. */
static void gather_row(const struct resnet_tape *tape, const double *columns, int k, size_t i,
                       double *to)
{
    for (size_t f = 0; f < (size_t)k; f++) {
        to[f] = columns[f * tape->ld + i];
    }
}

/* The pre or the post layer: its adjoints D, its inputs z, and its place among the parameters. */
struct end_layer {
    int n_out, n_in;
    const double *d;  /* [n_out x ld] */
    const double *z;  /* [n_in x ld] */
    int weight, bias; /* offsets of the weights [n_out x n_in], of the biases [n_out] or -1 */
};

/* The layer's part of row i's gradient. */
static void end_layer_gradient(const struct resnet_tape *tape, const struct end_layer *layer,
                               size_t i, double *grad)
{
    double *weight = grad + layer->weight;
    double *by_output = layer->bias >= 0 ? grad + layer->bias : tape->row;
    size_t n_in = (size_t)layer->n_in;
    gather_row(tape, layer->d, layer->n_out, i, by_output);
    for (size_t q = 0; q < n_in; q++) {
        double value = layer->z[q * tape->ld + i];
        for (int p = 0; p < layer->n_out; p++) {
            weight[(size_t)p * n_in + q] = by_output[p] * value;
        }
    }
}

/* out [r x r] <- sum over blocks of d[block] z[block]^T; d, z: [n_blocks x r]. */
static void sum_of_outer(const struct resnet_tape *tape, const double *d, const double *z,
                         double *out)
{
    size_t r = (size_t)tape->net->arch.width;
    size_t blocks = (size_t)tape->net->n_blocks;
    if (r % KERNELS_PAD_F64 == 0) {
        struct kernels_product p = {.n_out = (int)r,
                                    .n_in = (int)blocks,
                                    .ld = r,
                                    .w = d,
                                    .by_out = 1,
                                    .by_in = r,
                                    .z = z,
                                    .out = out};
        tape->kernels->product(&p);
        return;
    }
    memset(out, 0, r * r * sizeof *out);
    for (size_t i = 0; i < blocks; i++) {
        for (size_t p = 0; p < r; p++) {
            double scale = d[i * r + p];
            for (size_t q = 0; q < r; q++) {
                out[p * r + q] += scale * z[i * r + q];
            }
        }
    }
}

/* The part of row i's gradient that belongs to the coefficients. */
static void block_gradients(const struct resnet_tape *tape, size_t i, double *grad)
{
    const struct resnet *net = tape->net;
    size_t r = (size_t)net->arch.width;
    size_t part = tape_carved((size_t)net->n_blocks * r);
    double *d = tape->row;
    double *z = d + part;
    double *scaled = z + part;
    for (int b = 0; b < net->n_blocks; b++) {
        gather_row(tape, tape_at(tape, tape->d, b), (int)r, i, d + (size_t)b * r);
        gather_row(tape, tape_at(tape, tape->z, b), (int)r, i, z + (size_t)b * r);
    }
    for (int k = 0; k < net->n_coef; k++) {
        for (int b = 0; b < net->n_blocks; b++) {
            double phi = net->phi[(size_t)b * (size_t)net->n_coef + (size_t)k];
            for (size_t p = 0; p < r; p++) {
                scaled[(size_t)b * r + p] = phi * d[(size_t)b * r + p];
            }
        }
        sum_of_outer(tape, scaled, z, grad + net->off.ww + (size_t)k * r * r);
        for (size_t p = 0; net->arch.bias && p < r; p++) {
            double sum = 0.0;
            for (int b = 0; b < net->n_blocks; b++) {
                sum += scaled[(size_t)b * r + p];
            }
            grad[(size_t)net->off.bb + (size_t)k * r + p] = sum;
        }
    }
}

void resnet_row_gradients(struct resnet_tape *tape, const double *dy, double *grad, size_t stride)
{
    const struct resnet *net = tape->net;
    const struct arch *a = &net->arch;
    if (tape->n == 0) {
        return;
    }
    const struct end_layer pre = {.n_out = a->width,
                                  .n_in = a->inputs,
                                  .d = tape_at(tape, tape->d, net->n_blocks),
                                  .z = tape->x,
                                  .weight = net->off.weight_pre,
                                  .bias = net->off.bias_pre};
    const struct end_layer post = {.n_out = a->outputs,
                                   .n_in = a->width,
                                   .d = tape->d_raw,
                                   .z = tape_at(tape, tape->z, net->n_blocks),
                                   .weight = net->off.weight_post,
                                   .bias = net->off.bias_post};
    tape_keep_adjoints(tape, dy);
    for (size_t i = 0; i < (size_t)tape->n; i++) {
        double *row = grad + i * stride;
        if (a->layer_pre) {
            end_layer_gradient(tape, &pre, i, row);
        }
        if (a->layer_post) {
            end_layer_gradient(tape, &post, i, row);
        }
        block_gradients(tape, i, row);
    }
}

/* dy [n x n_out] <- 1 at output a of every row, else 0. */
static void fill_unit(size_t n, size_t o, size_t a, double *dy)
{
    memset(dy, 0, n * o * sizeof *dy);
    for (size_t i = 0; i < n; i++) {
        dy[i * o + a] = 1.0;
    }
}

void resnet_input_jacobian(struct resnet_tape *tape, double *jac, double *scratch)
{
    size_t n = (size_t)tape->n;
    size_t o = (size_t)tape->net->n_out;
    size_t d = (size_t)tape->net->arch.inputs;
    double *dx = scratch + n * o;
    for (size_t a = 0; a < o; a++) {
        fill_unit(n, o, a, scratch);
        resnet_backward(tape, scratch, NULL, dx);
        for (size_t i = 0; i < n; i++) {
            memcpy(jac + (i * o + a) * d, dx + i * d, d * sizeof *jac);
        }
    }
}

void resnet_param_jacobian(struct resnet_tape *tape, double *jac, double *scratch)
{
    size_t o = (size_t)tape->net->n_out;
    size_t k = (size_t)tape->net->n_params;
    for (size_t a = 0; a < o; a++) {
        fill_unit((size_t)tape->n, o, a, scratch);
        resnet_row_gradients(tape, scratch, jac + a * k, o * k);
    }
}
