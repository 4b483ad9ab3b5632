/* SPDX-License-Identifier: Apache-2.0 */
#include "train/row_groups.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Increment and mixing constants of SplitMix64: G. L. Steele, D. Lea, C. H. Flood, Fast splittable
 * pseudorandom number generators, OOPSLA 2014. */
#define INCREMENT    UINT64_C(0x9E3779B97F4A7C15)
#define FIRST_FACTOR UINT64_C(0xBF58476D1CE4E5B9)
#define LAST_FACTOR  UINT64_C(0x94D049BB133111EB)

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * FIRST_FACTOR;
    z = (z ^ (z >> 27)) * LAST_FACTOR;
    return z ^ (z >> 31);
}

static uint64_t hash_values(uint64_t hash, const double *v, int k)
{
    for (int j = 0; j < k; j++) {
        double value = isnan(v[j]) ? (double)NAN : v[j] + 0.0; /* -0.0 + 0.0 is 0.0 */
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        hash = mix((hash + INCREMENT) ^ bits);
    }
    return hash;
}

struct hashed {
    uint64_t hash;
    int row;
};

static int compare_hashed(const void *a, const void *b)
{
    const struct hashed *left = a;
    const struct hashed *right = b;
    if (left->hash != right->hash) {
        return left->hash < right->hash ? -1 : 1;
    }
    return (left->row > right->row) - (left->row < right->row);
}

/* Groups of rows with the same inputs and, if asked for, outputs. list: scratch for rows->n. */
static void find_equal(const struct data *rows, bool outputs, struct hashed *list,
                       struct row_groups *out)
{
    size_t d = (size_t)rows->d;
    size_t o = (size_t)rows->o;
    for (int i = 0; i < rows->n; i++) {
        uint64_t hash = hash_values(0, rows->x + (size_t)i * d, rows->d);
        list[i].hash = outputs ? hash_values(hash, rows->y + (size_t)i * o, rows->o) : hash;
        list[i].row = i;
    }
    qsort(list, (size_t)rows->n, sizeof *list, compare_hashed);
    int first = 0; /* row of a group */
    for (int i = 0; i < rows->n; i++) {
        first = i > 0 && list[i].hash == list[i - 1].hash ? first : list[i].row;
        out->of[list[i].row] = first;
    }
    out->n = 0;
    for (int i = 0; i < rows->n; i++) {
        out->of[i] = out->of[i] == i ? out->n++ : out->of[out->of[i]];
    }
}

enum err_code row_groups_find(const struct data *rows, struct row_groups *out, struct err *err)
{
    struct hashed *list = mem_alloc_array((size_t)rows->n, sizeof *list);
    *out = (struct row_groups){.of = mem_alloc_array((size_t)rows->n, sizeof *out->of)};
    if (list == NULL || out->of == NULL) {
        row_groups_release(out);
        err_set(err, ERR_NOMEM, "no memory to compare %d rows", rows->n);
    } else {
        find_equal(rows, false, list, out);
        if (out->n < ROW_GROUPS_MIN_INPUTS && out->n < rows->n) {
            find_equal(rows, true, list, out);
        }
    }
    mem_free(list);
    return err->code;
}

void row_groups_release(struct row_groups *groups)
{
    mem_free(groups->of);
    *groups = (struct row_groups){.n = 0};
}

void row_groups_spread(const struct row_groups *groups, int n_rows, unsigned char *values)
{
    /* A group's number is at most that of its first row, so what is still needed stays. */
    for (int i = n_rows - 1; i >= 0; i--) {
        values[i] = values[groups->of[i]];
    }
}
