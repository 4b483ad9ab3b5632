/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Derivatives of each row by itself. One reverse sweep over all rows leaves D_i of every block and
 * row (core/network/resnet_tape.c); the gradient of one row is then
 *
 *   dww_k = sum_i (phi[i][k] D_i) z_i^T
 *
 * a product of [r x n_blocks] by [n_blocks x r] for each coefficient k. A Jacobian by parameters
 * thus costs one sweep an output, and for each of its rows the writing of K numbers.
 */
#include "network/resnet.h"

#include "network/resnet_tape_priv.h"

#include <math.h>
#include <string.h>

/* to[f] = columns[f][i] of k features. */
static void gather(const struct resnet_tape *tape, const double *columns, int k, size_t i,
                   double *to)
{
    for (size_t f = 0; f < (size_t)k; f++) {
        to[f] = columns[f * tape->ld + i];
    }
}

/* Weights [n_out x n_in] and biases of the pre or post layer from D and its inputs, at row i. */
static void end_layer(const struct resnet_tape *tape, int n_out, int n_in, const double *d,
                      const double *z, size_t i, double *weight, double *bias)
{
    gather(tape, d, n_out, i, bias);
    for (int q = 0; q < n_in; q++) {
        double value = z[(size_t)q * tape->ld + i];
        for (int p = 0; p < n_out; p++) {
            weight[(size_t)p * (size_t)n_in + (size_t)q] = bias[p] * value;
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

/* The coefficients' part of row i. */
static void block_gradients(const struct resnet_tape *tape, size_t i, double *grad)
{
    const struct resnet *net = tape->net;
    size_t r = (size_t)net->arch.width;
    size_t part = tape_carved((size_t)net->n_blocks * r);
    double *d = tape->row;
    double *z = d + part;
    double *scaled = z + part;
    for (int b = 0; b < net->n_blocks; b++) {
        gather(tape, tape_at(tape, tape->d, b), (int)r, i, d + (size_t)b * r);
        gather(tape, tape_at(tape, tape->z, b), (int)r, i, z + (size_t)b * r);
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
    tape_keep_adjoints(tape, dy);
    for (size_t i = 0; i < (size_t)tape->n; i++) {
        double *row = grad + i * stride;
        if (a->layer_pre) {
            end_layer(tape, a->width, a->inputs, tape_at(tape, tape->d, net->n_blocks), tape->x, i,
                      row + net->off.weight_pre, row + net->off.bias_pre);
        }
        if (a->layer_post) {
            end_layer(tape, a->outputs, a->width, tape->d_raw,
                      tape_at(tape, tape->z, net->n_blocks), i, row + net->off.weight_post,
                      row + net->off.bias_post);
        }
        block_gradients(tape, i, row);
    }
}

/* dy [n x n_out] <- 1 at output a of every row, else 0. */
static void unit(size_t n, size_t o, size_t a, double *dy)
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
        unit(n, o, a, scratch);
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
        unit((size_t)tape->n, o, a, scratch);
        resnet_row_gradients(tape, scratch, jac + a * k, o * k);
    }
}
