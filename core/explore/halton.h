/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Halton sequences: number i of dimension k has the digits of i in the k-th prime as its base, in
 * reverse order behind the point. Unscrambled, the first point is 0.
 *
 * Scrambled, each digit c becomes a c + b modulo the base, with a and b drawn for each dimension
 * and place (random linear scrambling [1]), which breaks the correlations between dimensions with
 * large bases. Infinitely many zeros follow the digits of i, so each number gets places until they
 * no longer matter to a double.
 *
 * [1] J. Matousek, On the L2-discrepancy for anchored boxes, Journal of Complexity 14, 1998.
 */
#ifndef HALTON_H
#define HALTON_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define HALTON_MAX_DIMENSIONS 1111

struct halton_sequence {
    int d;
    uint64_t index; /* of the next point */
    int *bases;     /* [d] primes; mem, as is the next */
    uint16_t *mix;  /* [d x places x 2] a and b of each place; NULL: unscrambled */
};

/* A zeroed struct may be released. ERR_LIMIT (d), ERR_NOMEM. */
enum err_code halton_init(struct halton_sequence *halton, int d, bool scrambled, uint64_t seed,
                          struct err *err) MUST_CHECK;
void halton_release(struct halton_sequence *halton);

/* x [d] <- the next point, in [0, 1). */
void halton_next(struct halton_sequence *halton, double *x);

/* Goes to point number `index`, counted from 0. */
void halton_seek(struct halton_sequence *halton, uint64_t index);

#endif
