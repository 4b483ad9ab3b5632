/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/nonfinite.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* The first value that is not finite; k when all are. */
static int find_column(const double *row, int k)
{
    int j = 0;
    while (j < k && isfinite(row[j])) {
        j++;
    }
    return j;
}

void nonfinite_find(const double *values, int n, int k, struct nonfinite *out)
{
    *out = (struct nonfinite){.n = 0};
    for (int i = 0; i < n; i++) {
        const double *row = values + (size_t)i * (size_t)k;
        int j = find_column(row, k);
        if (j == k) {
            continue;
        }
        if (out->n == 0) {
            out->column = j;
            out->value = row[j];
        }
        if (out->n < NONFINITE_LISTED) {
            out->rows[out->n] = i;
        }
        out->n++;
    }
}

int nonfinite_remove(double *values, int n, int k, int *origin)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        double *row = values + (size_t)i * (size_t)k;
        if (find_column(row, k) == k) {
            memmove(values + (size_t)kept * (size_t)k, row, (size_t)k * sizeof *row);
            origin[kept++] = i;
        }
    }
    return kept;
}
