/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights in 32 bits for arithmetic in double: the upper half of a double, which is its sign, its
 * exponent and 20 bits of its mantissa. The error is at most 2^-21 of the weight (a float's is
 * 2^-24), and the way back to a double is cheaper than from a float: measured on AVX-512, a product
 * with weights in float is bound by the conversions, and takes 1.5 times as long.
 *
 * In a whole block of KERNELS_OUT outputs (kernels.h), each word of 64 bits holds two weights of an
 * input: in its upper half that of output i, in its lower half that of output i + KERNELS_OUT / 2.
 * The whole word, read as a double, is the first weight: its lower half adds less than the error,
 * and is taken into account when the upper half is rounded. The word shifted by 32 bits is the
 * second one. All other numbers have a word of 32 bits for themselves.
 */
#ifndef HALVES_H
#define HALVES_H

#include <stdint.h>
#include <string.h>

/* to [n_in x n_out] <- wt, in the kernels' order, finite. */
void halves_store_weights(int n_out, int n_in, const double *wt, uint32_t *to);
/* to [n] <- values, finite. */
void halves_store(size_t n, const double *values, uint32_t *to);

static inline double halves_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A number that has a word for itself. */
static inline double halves_get(uint32_t half)
{
    return halves_double((uint64_t)half << 32);
}

#endif
