/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/split.h"

#include "base/rng.h"

#include <math.h>

#define SLACK 1e-9   /* of a division that should be whole */
#define MAX   0x1p62 /* a place behind all rows: the smallest shares know no end of a block */

/* Where the j-th block begins, of blocks that are 1 / share long on average. */
static int64_t block_start(int64_t j, double share)
{
    return (int64_t)fmin(ceil((double)j / share - SLACK), MAX);
}

/* One part that is taken out of the rows that still train, in their order. */
struct taking {
    uint64_t seed;
    enum rng_purpose purpose;
    double share;
    enum split_role role;
    int64_t block;  /* the present one */
    int64_t end;    /* of it */
    int64_t chosen; /* in it */
    int64_t seen;   /* rows before */
};

static void enter_block(struct taking *t, int64_t block)
{
    struct rng rng;
    int64_t start = block_start(block, t->share);
    t->block = block;
    t->end = block_start(block + 1, t->share);
    rng_init(&rng, t->seed, t->purpose, (uint32_t)block);
    t->chosen = start + (int64_t)rng_below(&rng, (uint64_t)(t->end - start));
}

static int take(struct taking *t, int n, unsigned char *role)
{
    int taken = 0;
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
            taken++;
        }
        t->seen++;
    }
    return taken;
}

/* Too few for a whole block, and its row is not there yet: another one then. */
static void take_any(const struct taking *t, int n, unsigned char *role)
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

static void take_part(struct taking t, int n, unsigned char *role)
{
    if (t.share > 0.0 && count_training(n, role) >= 2 && take(&t, n, role) == 0) {
        take_any(&t, n, role);
    }
}

void split_rows(uint64_t seed, int n, double validation, double calibration, unsigned char *role)
{
    for (int i = 0; i < n; i++) {
        role[i] = SPLIT_TRAIN;
    }
    take_part(
        (struct taking){.seed = seed, .purpose = RNG_KEPT, .share = validation, .role = SPLIT_KEPT},
        n, role);
    take_part((struct taking){.seed = seed,
                              .purpose = RNG_CALIBRATION,
                              .share = calibration,
                              .role = SPLIT_CALIBRATION},
              n, role);
}
