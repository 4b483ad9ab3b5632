/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers from counter-based streams: Philox4x32-10 [1]. A stream is identified by (seed,
 * purpose, index), so that every member, chain or draw has its own, and results do not depend on
 * which of them runs first. The state is a plain struct: a copy of it saves the stream.
 *
 * [1] J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC11, 2011 (Random123).
 * [2] G. E. P. Box, M. E. Muller, A note on the generation of random normal deviates, Annals of
 *     Mathematical Statistics 29(2), 1958.
 * [3] R. Durstenfeld, Algorithm 235: random permutation, Communications of the ACM 7(7), 1964.
 */
#ifndef RNG_H
#define RNG_H

#include "base/bytes.h"

#include <stdint.h>

/* What a stream is for: streams with different purposes never overlap. */
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
    RNG_KEPT, /* rows for validation, fit/split.h */
    RNG_CALIBRATION,
    RNG_FEASIBLE,    /* P(run succeeds) */
    RNG_OBSERVATION, /* the noise of a predicted observation */
    RNG_SEQUENCE,    /* scrambling of a low-discrepancy sequence */
    RNG_DESIGN,      /* points of a design */
    RNG_EXPLORE,     /* starts, candidates and draws of a search */
    RNG_ANALYSE,     /* a replicate of an analysis */
    RNG_OUTLOOK,     /* what pending points may give */
    RNG_CHECK        /* directions of a check of derivatives */
};

struct rng {
    uint64_t seed;    /* Philox key */
    uint64_t stream;  /* high half of the counter: purpose and index */
    uint64_t block;   /* low half: blocks drawn so far */
    uint32_t word[4]; /* the current block */
    int32_t used;     /* words of it that were given out, 0..4 */
    int32_t has_spare;
    double spare; /* the second normal of a Box-Muller pair */
};

void rng_init(struct rng *rng, uint64_t seed, enum rng_purpose purpose, uint32_t index);

/* The state as bytes. When reading fails, the stream is unchanged and the reader has the error. */
void rng_save(const struct rng *rng, struct bytes_writer *writer);
void rng_load(struct rng *rng, struct bytes_reader *reader);

uint64_t rng_u64(struct rng *rng);
/* Uniform on (0, 1): a multiple of 2^-53 plus 2^-54, so never 0 or 1. */
double rng_uniform(struct rng *rng);
/* Standard normal, by Box and Muller [2], of whose values both are used. */
double rng_normal(struct rng *rng);
/* Normal number `at` of a stream that gives nothing but normals. */
double rng_normal_at(uint64_t seed, enum rng_purpose purpose, uint32_t index, uint64_t at);
/* Uniform on 0 .. n-1 without bias; n > 0. */
uint64_t rng_below(struct rng *rng, uint64_t n);
/* out [n] <- a uniform permutation of 0 .. n-1, by Fisher and Yates [3]. */
void rng_permutation(struct rng *rng, int n, int *out);

#endif
