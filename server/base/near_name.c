/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The distance is the number of changed, added, missing and swapped neighbouring characters (the
 * optimal string alignment), by the usual dynamic program over three rows. A name is near when at
 * most a third of what was given has to change; of up to four characters one may, of others two may
 * in any case. A name is also near, but less so, when it begins with the other ("quant" for
 * "quantiles").
 */
#include "base/near_name.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MIN_BEGINNING 3 /* characters that tell which name was meant */

struct near_name near_name_of(const char *given)
{
    return (struct near_name){.given = given};
}

/* Case, and '-' in place of '_', do not count as changes. */
static char folded(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static bool begin_alike(const char *a, const char *b, size_t len)
{
    size_t i = 0;
    while (i < len && folded(a[i]) == folded(b[i])) {
        i++;
    }
    return i == len;
}

static int min3(int a, int b, int c)
{
    int smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

static int distance(const char *a, size_t n, const char *b, size_t k)
{
    int rows[3][NEAR_NAME_CHARS + 1];
    for (size_t j = 0; j <= k; j++) {
        rows[0][j] = (int)j;
    }
    for (size_t i = 1; i <= n; i++) {
        int *row = rows[i % 3];
        const int *above = rows[(i + 2) % 3];
        const int *two_above = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= k; j++) {
            bool same = folded(a[i - 1]) == folded(b[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                folded(a[i - 2]) == folded(b[j - 1]) && two_above[j - 2] + 1 < row[j]) {
                row[j] = two_above[j - 2] + 1;
            }
        }
    }
    return rows[n % 3][k];
}

void near_name_try(struct near_name *near, const char *name)
{
    size_t n = strlen(near->given);
    size_t k = strlen(name);
    if (n == 0 || n > NEAR_NAME_CHARS || k > NEAR_NAME_CHARS) {
        return;
    }
    int allowed = n < 5 ? 1 : n < 9 ? 2 : (int)n / 3;
    int changes = distance(near->given, n, name, k);
    size_t shorter = n < k ? n : k;
    if (changes > allowed && shorter >= MIN_BEGINNING && begin_alike(name, near->given, shorter)) {
        changes = allowed;
    }
    if (changes <= allowed && (near->best == NULL || changes < near->changes)) {
        near->best = name;
        near->changes = changes;
    }
}

struct near_hint near_name_hint(const struct near_name *near, const char *mark)
{
    struct near_hint hint = {.text = ""};
    if (near->best != NULL) {
        snprintf(hint.text, sizeof hint.text, "; did you mean %s%s?", mark, near->best);
    }
    return hint;
}
