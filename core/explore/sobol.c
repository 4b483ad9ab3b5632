/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number of the sequence is a sum modulo 2 of direction numbers v_1, v_2, .., one for each digit
 * of the Gray code of its place; neighbours in that code differ in one digit, so a step is one
 * exclusive or for each dimension. v_j = m_j / 2^j, where the odd numbers m_j < 2^j follow from
 * those given by the recurrence of the dimension's primitive polynomial
 * x^s + a_1 x^(s-1) + .. + a_(s-1) x + 1:
 *
 *   m_j = 2 a_1 m_(j-1) + 2^2 a_2 m_(j-2) + .. + 2^(s-1) a_(s-1) m_(j-s+1) + 2^s m_(j-s) + m_(j-s)
 *
 * with exclusive or for +. Numbers are held as integers of 52 bits, of which the unscrambled
 * sequence uses the upper 32; a scrambled one uses all, so that two points never agree.
 */
#include "explore/sobol.h"

#include "base/mem.h"
#include "base/rng.h"

#include <string.h>

#define BITS 52

static const uint16_t directions[] = {
#include "explore/sobol_directions.inc"
};

static int degree_of(unsigned polynomial)
{
    int degree = 0;
    while (polynomial >> (degree + 1) != 0) {
        degree++;
    }
    return degree;
}

/* v [SOBOL_COLUMNS] of the dimension whose entry is at `entry`; returns the next entry. */
static const uint16_t *fill_dimension(const uint16_t *entry, uint64_t *v)
{
    unsigned polynomial = entry[0];
    int s = degree_of(polynomial);
    uint64_t m[SOBOL_COLUMNS] = {0};
    for (int j = 0; j < SOBOL_COLUMNS; j++) {
        if (j < s) {
            m[j] = entry[1 + j];
        } else {
            m[j] = m[j - s];
            for (int k = 1; k <= s; k++) {
                if (polynomial >> (s - k) & 1u) {
                    m[j] ^= m[j - k] << k;
                }
            }
        }
        v[j] = m[j] << (BITS - 1 - j);
    }
    return entry + 1 + s;
}

/* Multiplies the digits of the direction numbers by a random matrix, and draws the shift. */
static void scramble(struct sobol_sequence *sobol, int dimension, uint64_t seed)
{
    struct rng rng;
    uint64_t row[BITS];
    uint64_t *v = sobol->directions + (size_t)dimension * SOBOL_COLUMNS;
    rng_init(&rng, seed, RNG_SEQUENCE, (uint32_t)dimension);
    for (int k = 0; k < BITS; k++) {
        uint64_t own = (uint64_t)1 << (BITS - 1 - k);
        uint64_t above = (((uint64_t)1 << BITS) - 1) & ~(2 * own - 1);
        row[k] = own | (rng_u64(&rng) & above);
    }
    for (int j = 0; j < SOBOL_COLUMNS; j++) {
        uint64_t mixed = 0;
        for (int k = 0; k < BITS; k++) {
            mixed = mixed << 1 | (uint64_t)__builtin_parityll(row[k] & v[j]);
        }
        v[j] = mixed;
    }
    sobol->shift[dimension] = rng_u64(&rng) >> (64 - BITS);
}

static enum err_code make_room(struct sobol_sequence *sobol, int d, struct err *err)
{
    *sobol = (struct sobol_sequence){.d = d};
    sobol->directions = mem_alloc_array((size_t)d * SOBOL_COLUMNS, sizeof *sobol->directions);
    sobol->shift = mem_zalloc_array((size_t)d, sizeof *sobol->shift);
    sobol->state = mem_zalloc_array((size_t)d, sizeof *sobol->state);
    if (sobol->directions == NULL || sobol->shift == NULL || sobol->state == NULL) {
        sobol_release(sobol);
        return err_set(err, ERR_NOMEM, "no memory for a Sobol' sequence");
    }
    return ERR_OK;
}

enum err_code sobol_init(struct sobol_sequence *sobol, int d, bool scrambled, uint64_t seed,
                         struct err *err)
{
    const uint16_t *entry = directions;
    if (d < 1 || d > SOBOL_MAX_DIMENSIONS) {
        return err_set(err, ERR_LIMIT, "a Sobol' sequence has 1 to %d dimensions, not %d",
                       SOBOL_MAX_DIMENSIONS, d);
    }
    if (make_room(sobol, d, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0; j < SOBOL_COLUMNS; j++) {
        sobol->directions[j] = (uint64_t)1 << (BITS - 1 - j);
    }
    for (int k = 1; k < d; k++) {
        entry = fill_dimension(entry, sobol->directions + (size_t)k * SOBOL_COLUMNS);
    }
    for (int k = 0; k < d && scrambled; k++) {
        scramble(sobol, k, seed);
    }
    return ERR_OK;
}

void sobol_release(struct sobol_sequence *sobol)
{
    mem_free(sobol->directions);
    mem_free(sobol->shift);
    mem_free(sobol->state);
    *sobol = (struct sobol_sequence){.d = 0};
}

enum err_code sobol_copy(struct sobol_sequence *to, const struct sobol_sequence *from,
                         struct err *err)
{
    size_t d = (size_t)from->d;
    if (make_room(to, from->d, err) != ERR_OK) {
        return err->code;
    }
    memcpy(to->directions, from->directions, d * SOBOL_COLUMNS * sizeof *to->directions);
    memcpy(to->shift, from->shift, d * sizeof *to->shift);
    memcpy(to->state, from->state, d * sizeof *to->state);
    to->index = from->index;
    return ERR_OK;
}

void sobol_next(struct sobol_sequence *sobol, double *x)
{
    uint64_t next = sobol->index + 1;
    int column = __builtin_ctzll(next);
    for (int k = 0; k < sobol->d; k++) {
        x[k] = (double)(sobol->state[k] ^ sobol->shift[k]) * 0x1p-52;
        /* Only the point after the last has a digit more. */
        if (column < SOBOL_COLUMNS) {
            sobol->state[k] ^= sobol->directions[(size_t)k * SOBOL_COLUMNS + (size_t)column];
        }
    }
    sobol->index = next;
}

void sobol_seek(struct sobol_sequence *sobol, uint64_t index)
{
    uint64_t gray = index ^ index >> 1;
    for (int k = 0; k < sobol->d; k++) {
        sobol->state[k] = 0;
        for (int j = 0; j < SOBOL_COLUMNS; j++) {
            if (gray >> j & 1u) {
                sobol->state[k] ^= sobol->directions[(size_t)k * SOBOL_COLUMNS + (size_t)j];
            }
        }
    }
    sobol->index = index;
}
