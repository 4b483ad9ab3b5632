/* SPDX-License-Identifier: Apache-2.0 */
#include "model/space_names.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_CHARS 80 /* of a list of names in a message */
#define NAME_CHARS 40 /* of a name in it */

int space_count(const struct space *space, enum space_part part)
{
    return part == SPACE_OUTPUTS   ? space->o
           : part == SPACE_COLUMNS ? space->d + space->o
                                   : space->d;
}

const char *space_name(const struct space *space, enum space_part part, int place)
{
    return space_column_name(space, part == SPACE_OUTPUTS ? space->d + place : place);
}

int space_find(const struct space *space, enum space_part part, const char *name)
{
    int n = space_count(space, part);
    for (int j = 0; j < n; j++) {
        if (strcmp(space_name(space, part, j), name) == 0) {
            return j;
        }
    }
    return -1;
}

/* ---- messages ---- */

/* Names to list: given ones, or those of a part. */
struct listed {
    const char *const *names; /* NULL: of the space */
    const struct space *space;
    enum space_part part;
    int n;
};

/* "k, T, p" or "k, T and 12 more", at most LIST_CHARS. */
static void write_list(const struct listed *list, char *out)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < list->n; i++) {
        const char *name =
            list->names != NULL ? list->names[i] : space_name(list->space, list->part, i);
        size_t len = strnlen(name, NAME_CHARS);
        /* Room is kept for the words at the end. */
        if (used + len + 24 > LIST_CHARS && i > 0) {
            snprintf(out + used, LIST_CHARS - used, " and %d more", list->n - i);
            return;
        }
        used += (size_t)snprintf(out + used, LIST_CHARS - used, "%s%.*s", i > 0 ? ", " : "",
                                 NAME_CHARS, name);
    }
}

static enum err_code refuse(const struct listed *sent, const char *name, const char *what,
                            struct err *err)
{
    char given[LIST_CHARS];
    char known[LIST_CHARS];
    struct listed of_space = {NULL, sent->space, sent->part, space_count(sent->space, sent->part)};
    write_list(sent, given);
    write_list(&of_space, known);
    return err_set(err, ERR_INVALID, "\"%.30s\" %s; sent: %s; known: %s", name, what, given, known);
}

enum err_code space_refuse_missing(const struct space *space, enum space_part part,
                                   const char *const *names, int n, int place, struct err *err)
{
    const struct listed sent = {names, space, part, n};
    return refuse(&sent, space_name(space, part, place), "is missing", err);
}

/* ---- matching ---- */

/* A name of the space and its place. */
struct known_name {
    const char *name;
    int place;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct known_name *)a)->name, ((const struct known_name *)b)->name);
}

/* The names of the part in the order of strcmp; mem. NULL: no memory. */
static struct known_name *sort_names(const struct space *space, enum space_part part)
{
    int n = space_count(space, part);
    struct known_name *list = mem_alloc_array((size_t)n, sizeof *list);
    for (int j = 0; list != NULL && j < n; j++) {
        list[j] = (struct known_name){space_name(space, part, j), j};
    }
    if (list != NULL) {
        qsort(list, (size_t)n, sizeof *list, compare_names);
    }
    return list;
}

enum err_code space_match(const struct space *space, enum space_part part, const char *const *names,
                          int n, int *place, struct err *err)
{
    const int known = space_count(space, part);
    const struct listed sent = {names, space, part, n};
    struct known_name *sorted = sort_names(space, part);
    unsigned char *seen = mem_zalloc((size_t)known);
    if (sorted == NULL || seen == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the names of columns");
        goto done;
    }
    for (int i = 0; i < n; i++) {
        const struct known_name key = {names[i], 0};
        const struct known_name *found =
            bsearch(&key, sorted, (size_t)known, sizeof *sorted, compare_names);
        if (found == NULL) {
            refuse(&sent, names[i], "is no known column", err);
            goto done;
        }
        if (seen[found->place] != 0) {
            refuse(&sent, names[i], "is given twice", err);
            goto done;
        }
        seen[found->place] = 1;
        place[i] = found->place;
    }
    for (int j = 0; j < known; j++) {
        if (seen[j] == 0 && !(part == SPACE_GIVEN_INPUTS && space->inputs[j].has_default)) {
            refuse(&sent, space_name(space, part, j), "is missing", err);
            goto done;
        }
    }
done:
    mem_free(sorted);
    mem_free(seen);
    return err->code;
}
