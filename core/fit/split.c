/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/split.h"

#include "base/rng.h"

#include <math.h>

#define SLACK 1e-9   /* allowed when a quotient should be an integer */
#define MAX   0x1p62 /* behind all rows: with the smallest shares a block never ends */

/* Where the j-th block begins, of blocks that are 1 / share long on average. */
static int64_t block_start(int64_t j, double share)
{
    return (int64_t)fmin(ceil((double)j / share - SLACK), MAX);
}

/* The choice of one part among the rows that still train, in their order. */
struct choice {
    uint64_t seed;
    enum rng_purpose purpose;
    double share;
    enum split_role role;
    int64_t block;  /* the current block */
    int64_t end;    /* where it ends */
    int64_t chosen; /* its row that is chosen */
    int64_t seen;   /* training rows so far */
};

static void enter_block(struct choice *t, int64_t block)
{
    struct rng rng;
    int64_t start = block_start(block, t->share);
    t->block = block;
    t->end = block_start(block + 1, t->share);
    rng_init(&rng, t->seed, t->purpose, (uint32_t)block);
    t->chosen = start + (int64_t)rng_below(&rng, (uint64_t)(t->end - start));
}

/* Chooses one row of every block; returns how many. */
static int choose_by_block(struct choice *t, int n, unsigned char *role)
{
    int chosen = 0;
    enter_block(t, 0);
    for (int i = 0; i < n; i++) {
        if (role[i] != SPLIT_TRAIN) {
            continue;
        }
        if (t->seen == t->end) {
            enter_block(t, t->block + 1);
        }
        if (t->seen == t->chosen) {
            role[i] = (unsigned char)t->role;
            chosen++;
        }
        t->seen++;
    }
    return chosen;
}

/* For fewer rows than a block, whose chosen row is not there yet: any row. */
static void choose_any(const struct choice *t, int n, unsigned char *role)
{
    struct rng rng;
    rng_init(&rng, t->seed, t->purpose, UINT32_MAX);
    int64_t left = (int64_t)rng_below(&rng, (uint64_t)t->seen);
    for (int i = 0; i < n; i++) {
        if (role[i] == SPLIT_TRAIN && left-- == 0) {
            role[i] = (unsigned char)t->role;
        }
    }
}

static int count_training(int n, const unsigned char *role)
{
    int found = 0;
    for (int i = 0; i < n; i++) {
        found += role[i] == SPLIT_TRAIN;
    }
    return found;
}

static void choose_part(struct choice t, int n, unsigned char *role)
{
    if (t.share > 0.0 && count_training(n, role) >= 2 && choose_by_block(&t, n, role) == 0) {
        choose_any(&t, n, role);
    }
}

void split_rows(uint64_t seed, int n, double validation, double calibration, unsigned char *role)
{
    for (int i = 0; i < n; i++) {
        role[i] = SPLIT_TRAIN;
    }
    choose_part(
        (struct choice){.seed = seed, .purpose = RNG_KEPT, .share = validation, .role = SPLIT_KEPT},
        n, role);
    choose_part((struct choice){.seed = seed,
                                .purpose = RNG_CALIBRATION,
                                .share = calibration,
                                .role = SPLIT_CALIBRATION},
                n, role);
}
