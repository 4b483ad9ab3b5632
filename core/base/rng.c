/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <string.h>

#include <math.h>
#include <Random123/philox.h>

#define TWO_PI 6.283185307179586477

static uint32_t high32(uint64_t x)
{
    return (uint32_t)(x >> 32);
}

static uint32_t low32(uint64_t x)
{
    return (uint32_t)(x & 0xffffffffu);
}

void rng_init(struct rng *rng, uint64_t seed, enum rng_purpose purpose, uint32_t index)
{
    *rng = (struct rng){.seed = seed, .stream = ((uint64_t)purpose << 32) | index, .used = 4};
}

void rng_save(const struct rng *rng, struct bytes_writer *writer)
{
    bytes_put(writer, rng, sizeof *rng);
}

void rng_load(struct rng *rng, struct bytes_reader *reader)
{
    const void *bytes = bytes_get(reader, sizeof *rng);
    if (bytes != NULL) {
        memcpy(rng, bytes, sizeof *rng);
    }
}

static void refill(struct rng *rng)
{
    philox4x32_ctr_t counter = {
        {low32(rng->block), high32(rng->block), low32(rng->stream), high32(rng->stream)}};
    philox4x32_key_t key = {{low32(rng->seed), high32(rng->seed)}};
    philox4x32_ctr_t out = philox4x32(counter, key);
    for (int i = 0; i < 4; i++) {
        rng->word[i] = out.v[i];
    }
    rng->block++;
    rng->used = 0;
}

uint64_t rng_u64(struct rng *rng)
{
    if (rng->used > 2) {
        refill(rng);
    }
    uint64_t lo = rng->word[rng->used];
    uint64_t hi = rng->word[rng->used + 1];
    rng->used += 2;
    return (hi << 32) | lo;
}

double rng_uniform(struct rng *rng)
{
    return ((double)(rng_u64(rng) >> 11) + 0.5) * 0x1p-53;
}

double rng_normal(struct rng *rng)
{
    if (rng->has_spare) {
        rng->has_spare = 0;
        return rng->spare;
    }
    double radius = sqrt(-2.0 * log(rng_uniform(rng)));
    double angle = TWO_PI * rng_uniform(rng);
    rng->spare = radius * sin(angle);
    rng->has_spare = 1;
    return radius * cos(angle);
}

double rng_normal_at(uint64_t seed, enum rng_purpose purpose, uint32_t index, uint64_t at)
{
    struct rng rng;
    rng_init(&rng, seed, purpose, index);
    rng.block = at / 2; /* a pair of normals takes one block */
    double first = rng_normal(&rng);
    return at % 2 == 0 ? first : rng_normal(&rng);
}

uint64_t rng_below(struct rng *rng, uint64_t n)
{
    /* The values below 2^64 mod n would favour small results, so they are drawn again. */
    uint64_t reject = (0 - n) % n;
    uint64_t x;
    do {
        x = rng_u64(rng);
    } while (x < reject);
    return x % n;
}

void rng_permutation(struct rng *rng, int n, int *out)
{
    for (int i = 0; i < n; i++) {
        int j = (int)rng_below(rng, (uint64_t)i + 1);
        out[i] = out[j];
        out[j] = i;
    }
}
