/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/halton.h"

#include "base/mem.h"
#include "base/rng.h"

#define PLACES 53 /* in base 2 they reach below the last digit of a double */

/* bases [d] <- the first d primes. */
static void fill_primes(int d, int *bases)
{
    int found = 0;
    for (int candidate = 2; found < d; candidate++) {
        bool prime = true;
        for (int k = 0; k < found && bases[k] * bases[k] <= candidate && prime; k++) {
            prime = candidate % bases[k] != 0;
        }
        if (prime) {
            bases[found++] = candidate;
        }
    }
}

static void fill_mix(struct halton_sequence *halton, uint64_t seed)
{
    for (int k = 0; k < halton->d; k++) {
        uint64_t base = (uint64_t)halton->bases[k];
        uint16_t *mix = halton->mix + (size_t)k * PLACES * 2;
        struct rng rng;
        rng_init(&rng, seed, RNG_SEQUENCE, (uint32_t)k);
        for (int place = 0; place < PLACES; place++) {
            mix[2 * place] = (uint16_t)(1 + rng_below(&rng, base - 1));
            mix[2 * place + 1] = (uint16_t)rng_below(&rng, base);
        }
    }
}

enum err_code halton_init(struct halton_sequence *halton, int d, bool scrambled, uint64_t seed,
                          struct err *err)
{
    if (d < 1 || d > HALTON_MAX_DIMENSIONS) {
        return err_set(err, ERR_LIMIT, "a Halton sequence has 1 to %d dimensions, not %d",
                       HALTON_MAX_DIMENSIONS, d);
    }
    *halton = (struct halton_sequence){.d = d};
    halton->bases = mem_alloc_array((size_t)d, sizeof *halton->bases);
    if (scrambled) {
        halton->mix = mem_alloc_array((size_t)d * PLACES * 2, sizeof *halton->mix);
    }
    if (halton->bases == NULL || (scrambled && halton->mix == NULL)) {
        halton_release(halton);
        return err_set(err, ERR_NOMEM, "no memory for a Halton sequence");
    }
    fill_primes(d, halton->bases);
    if (scrambled) {
        fill_mix(halton, seed);
    }
    return ERR_OK;
}

void halton_release(struct halton_sequence *halton)
{
    mem_free(halton->bases);
    mem_free(halton->mix);
    *halton = (struct halton_sequence){.d = 0};
}

/* The digits of `rest` behind the point; mix: of the dimension, or NULL. */
static double radical_inverse(uint64_t rest, uint64_t base, const uint16_t *mix)
{
    double step = 1.0 / (double)base;
    double weight = step;
    double x = 0.0;
    for (int place = 0; place < PLACES && weight > 0x1p-54; place++) {
        uint64_t digit = rest % base;
        if (mix == NULL && rest == 0) {
            break;
        }
        rest /= base;
        if (mix != NULL) {
            digit = (mix[2 * place] * digit + mix[2 * place + 1]) % base;
        }
        x += (double)digit * weight;
        weight *= step;
    }
    return x < 1.0 ? x : 1.0 - 0x1p-53;
}

void halton_next(struct halton_sequence *halton, double *x)
{
    for (int k = 0; k < halton->d; k++) {
        const uint16_t *mix = halton->mix != NULL ? halton->mix + (size_t)k * PLACES * 2 : NULL;
        x[k] = radical_inverse(halton->index, (uint64_t)halton->bases[k], mix);
    }
    halton->index++;
}

void halton_seek(struct halton_sequence *halton, uint64_t index)
{
    halton->index = index;
}
