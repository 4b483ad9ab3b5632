/* SPDX-License-Identifier: Apache-2.0 */
#include "base/known.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_CHARS 48 /* names that are longer are not compared */

bool known_list(struct names names, const char *joining, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < names.n; i++) {
        const char *before = i == 0 ? "" : i == names.n - 1 ? joining : ", ";
        int len = snprintf(out + used, size - used, "%s%s", before, names.list[i]);
        if (len < 0 || (size_t)len >= size - used) {
            out[used] = '\0';
            return false;
        }
        used += (size_t)len;
    }
    return true;
}

static int smallest(int a, int b, int c)
{
    int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Letters to add, drop or change until one name is the other (Levenshtein's distance). */
static int distance(const char *a, const char *b)
{
    int n = (int)strlen(b);
    int row[MAX_CHARS + 1]; /* distances of what was read of a to each beginning of b */
    for (int j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (int i = 0; a[i] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 0; j < n; j++) {
            bool same = tolower((unsigned char)a[i]) == tolower((unsigned char)b[j]);
            int changed = diagonal + (same ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = smallest(changed, row[j] + 1, diagonal + 1);
        }
    }
    return row[n];
}

/* One begins with the other: batch and batch_size. */
static bool is_shortened(const char *a, const char *b)
{
    size_t n_a = strlen(a);
    size_t n_b = strlen(b);
    size_t n = n_a < n_b ? n_a : n_b;
    return n >= 3 && strncmp(a, b, n) == 0;
}

/* The known name that was probably meant; NULL when none is near. */
static const char *find_nearest(struct names names, const char *name)
{
    const char *nearest = NULL;
    int least = strlen(name) <= 4 ? 2 : 3; /* a nearer one is near */
    if (strlen(name) > MAX_CHARS) {
        return NULL;
    }
    for (int i = 0; i < names.n; i++) {
        int far = strlen(names.list[i]) <= MAX_CHARS ? distance(name, names.list[i]) : least;
        if (far < least) {
            least = far;
            nearest = names.list[i];
        }
    }
    for (int i = 0; i < names.n && nearest == NULL; i++) {
        nearest = is_shortened(name, names.list[i]) ? names.list[i] : NULL;
    }
    return nearest;
}

enum err_code known_refuse(const char *what, const char *name, struct names known, struct err *err)
{
    static const char end[] = " are known";
    char head[sizeof err->msg];
    char list[sizeof err->msg];
    const char *nearest = find_nearest(known, name);
    snprintf(head, sizeof head, "%s \"%.40s\" is unknown%s%s%s", what, name,
             nearest != NULL ? " (did you mean " : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "?)" : "");
    size_t taken = strlen(head) + sizeof "; , .." + sizeof end;
    size_t room = taken < sizeof list ? sizeof list - taken : 1;
    if (known_list(known, " and ", list, room)) {
        return err_set(err, ERR_INVALID, "%s; %s%s", head, list, known.n == 1 ? " is known" : end);
    }
    if (nearest != NULL) {
        return err_set(err, ERR_INVALID, "%s", head);
    }
    return err_set(err, ERR_INVALID, "%s; %s, ..%s", head, list, end);
}
