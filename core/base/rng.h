/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers: Philox4x32-10 [1] as counted streams. A stream is named by (seed, purpose,
 * index), so every member, chain or draw has its own and results do not depend on who runs first.
 * The whole state is these plain fields: copying it saves it, copying back restores it.
 *
 * [1] J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3. SC11, 2011 (Random123).
 */
#ifndef RNG_H
#define RNG_H

#include "base/bytes.h"

#include <stdint.h>

/* What a stream is for: streams of different purpose never meet. */
enum rng_purpose {
    RNG_INIT,
    RNG_SPLIT, /* a member's share of the rows */
    RNG_BATCH,
    RNG_SAMPLE,
    RNG_TEST,
    RNG_DRAW,   /* of a Gaussian posterior */
    RNG_CHAIN,  /* a Markov chain */
    RNG_ANCHOR, /* of rms and duq */
    RNG_MASK,   /* dropout at prediction */
    RNG_SWAG,
    RNG_FOLD, /* conformal prediction */
    RNG_KEPT, /* split.h */
    RNG_CALIBRATION
};

struct rng {
    uint64_t seed;    /* Philox key */
    uint64_t stream;  /* high half of the counter: purpose and index */
    uint64_t block;   /* low half: blocks drawn so far */
    uint32_t word[4]; /* the present block */
    int32_t used;     /* words of it given out, 0..4 */
    int32_t has_spare;
    double spare; /* second normal of a Box-Muller pair */
};

void rng_init(struct rng *rng, uint64_t seed, enum rng_purpose purpose, uint32_t index);

/* As bytes; what cannot be read leaves the stream as it is, and the error in the reader. */
void rng_save(const struct rng *rng, struct bytes_writer *writer);
void rng_load(struct rng *rng, struct bytes_reader *reader);

uint64_t rng_u64(struct rng *rng);
/* Uniform on (0, 1): multiples of 2^-53 plus 2^-54, never 0 or 1. */
double rng_uniform(struct rng *rng);
/* Standard normal (Box-Muller, both values used). */
double rng_normal(struct rng *rng);
/* Uniform on 0 .. n-1 without bias; n > 0. */
uint64_t rng_below(struct rng *rng, uint64_t n);
/* A uniform permutation of 0 .. n-1 (Fisher-Yates); out: [n]. */
void rng_permutation(struct rng *rng, int n, int *out);

#endif
