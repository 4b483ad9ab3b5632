/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/nonfinite.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

struct nonfinite_rule nonfinite_strict(int k)
{
    return (struct nonfinite_rule){.k = k, .first = k};
}

/* From which column on values of a row may be missing. */
static int first_hole(const struct nonfinite_rule *rule, int row)
{
    bool allowed = rule->all || (rule->failed != NULL && rule->failed[row] != 0);
    return allowed ? rule->first : rule->k;
}

/* The first value of row i that is not allowed; k when all are. */
static int find_column(const double *row, const struct nonfinite_rule *rule, int i, bool *holes)
{
    int j = 0;
    for (; j < rule->k; j++) {
        if (isfinite(row[j])) {
            continue;
        }
        if (!isnan(row[j]) || j < first_hole(rule, i)) {
            break;
        }
        *holes = true;
    }
    return j;
}

void nonfinite_find(const double *values, int n, const struct nonfinite_rule *rule,
                    struct nonfinite *out)
{
    *out = (struct nonfinite){.n = 0};
    for (int i = 0; i < n; i++) {
        const double *row = values + (size_t)i * (size_t)rule->k;
        int j = find_column(row, rule, i, &out->holes);
        if (j == rule->k) {
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

int nonfinite_remove(double *values, int n, const struct nonfinite_rule *rule, int *origin)
{
    int kept = 0;
    size_t k = (size_t)rule->k;
    bool holes = false;
    for (int i = 0; i < n; i++) {
        double *row = values + (size_t)i * k;
        if (find_column(row, rule, i, &holes) == rule->k) {
            memmove(values + (size_t)kept * k, row, k * sizeof *row);
            origin[kept++] = i;
        }
    }
    return kept;
}
