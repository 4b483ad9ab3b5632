/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results are recognised by their shape, not by their names: "mean" and the like are rows x
 * outputs; "quantiles" is an object with "levels" and, for each level, rows x outputs; "intervals"
 * is a list of levels with lower and upper ends; "feasible" is an object with a number for each row
 * in "mean" and in "std".
 */
#include "client/answer_table.h"

#include "base/numtext.h"
#include "base/textbuf.h"
#include "client/terminal.h"

#include <string.h>

/* One rows x outputs matrix of the answer, or a list with a number for each row. */
struct block {
    const char *name;
    const json_t *rows;
};

static size_t count_columns(const struct block *block)
{
    const json_t *row = json_array_get(block->rows, 0);
    return json_is_number(row) ? 1 : json_array_size(row);
}

static const json_t *find_cell(const struct block *block, size_t i, size_t j)
{
    const json_t *row = json_array_get(block->rows, i);
    return json_is_array(row) ? json_array_get(row, j) : row;
}

struct blocks {
    struct block *list;
    size_t n, capacity;
    struct arena *arena;
};

static enum err_code add_block(struct blocks *blocks, const char *name, const char *level,
                               const json_t *rows, struct err *err)
{
    if (blocks->n == blocks->capacity) {
        size_t capacity = blocks->capacity == 0 ? 16 : 2 * blocks->capacity;
        struct block *list = arena_alloc_array(blocks->arena, capacity, sizeof *list);
        if (list == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the answer");
        }
        if (blocks->n > 0) {
            memcpy(list, blocks->list, blocks->n * sizeof *list);
        }
        blocks->list = list;
        blocks->capacity = capacity;
    }
    struct block *b = &blocks->list[blocks->n++];
    struct textbuf safe = textbuf_in(blocks->arena);
    terminal_escape(&safe, name);
    textbuf_puts(&safe, level);
    b->name = safe.data;
    b->rows = rows;
    return textbuf_failed(&safe) ? err_set(err, ERR_NOMEM, "no memory for the answer") : ERR_OK;
}

/* How deep arrays are nested, going by their first elements; -1: they hold something else. */
static int rank_of(const json_t *value)
{
    int rank = 0;
    while (json_is_array(value)) {
        value = json_array_get(value, 0);
        rank++;
    }
    return json_is_number(value) ? rank : -1;
}

/* "quantiles": q0.05, q0.95; "total_quantiles": total_q0.05, total_q0.95. */
static enum err_code add_levels(struct blocks *blocks, const char *name, const json_t *object,
                                struct err *err)
{
    const json_t *levels = json_object_get(object, "levels");
    const char *prefix = strncmp(name, "total_", strlen("total_")) == 0 ? "total_q" : "q";
    for (void *at = json_object_iter((json_t *)(uintptr_t)object); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        const char *key = json_object_iter_key(at);
        const json_t *values = json_object_iter_value(at);
        if (rank_of(values) != 3) {
            continue;
        }
        for (size_t k = 0; k < json_array_size(values) && err->code == ERR_OK; k++) {
            char level[NUMTEXT_MAX + 1];
            size_t len = numtext_write(json_number_value(json_array_get(levels, k)), level);
            level[len] = '\0';
            err_kept(add_block(blocks, strcmp(key, "values") == 0 ? prefix : key, level,
                               json_array_get(values, k), err));
        }
    }
    return err->code;
}

/* "intervals": a list of {"level":0.9,"lower":[..],"upper":[..]}. */
static enum err_code add_intervals(struct blocks *blocks, const json_t *list, struct err *err)
{
    for (size_t i = 0; i < json_array_size(list) && err->code == ERR_OK; i++) {
        const json_t *item = json_array_get(list, i);
        char level[NUMTEXT_MAX + 1];
        size_t len = numtext_write(json_number_value(json_object_get(item, "level")), level);
        level[len] = '\0';
        if (add_block(blocks, "lower", level, json_object_get(item, "lower"), err) == ERR_OK) {
            err_kept(add_block(blocks, "upper", level, json_object_get(item, "upper"), err));
        }
    }
    return err->code;
}

/* "feasible": {"mean":[..],"std":[..]}. */
static enum err_code add_pair(struct blocks *blocks, const char *key, const json_t *pair,
                              struct err *err)
{
    static const char *const halves[] = {"mean", "std"};
    for (size_t i = 0; i < 2 && err->code == ERR_OK; i++) {
        char *name = arena_printf(blocks->arena, "%s_%s", key, halves[i]);
        err_kept(name != NULL ? add_block(blocks, name, "", json_object_get(pair, halves[i]), err)
                              : err_set(err, ERR_NOMEM, "no memory for the answer"));
    }
    return err->code;
}

static enum err_code collect_blocks(struct blocks *blocks, const json_t *answer, struct err *err)
{
    for (void *at = json_object_iter((json_t *)(uintptr_t)answer);
         at != NULL && err->code == ERR_OK;
         at = json_object_iter_next((json_t *)(uintptr_t)answer, at)) {
        const char *key = json_object_iter_key(at);
        const json_t *value = json_object_iter_value(at);
        bool levels = json_is_array(json_object_get(value, "levels"));
        if (rank_of(value) == 2) {
            err_kept(add_block(blocks, key, "", value, err));
        } else if (rank_of(json_object_get(json_array_get(value, 0), "lower")) == 2) {
            err_kept(add_intervals(blocks, value, err));
        } else if (levels) {
            err_kept(add_levels(blocks, key, value, err));
        } else if (rank_of(json_object_get(value, "mean")) == 1) {
            err_kept(add_pair(blocks, key, value, err));
        } else if (rank_of(value) > 2 || (json_is_object(value) && strcmp(key, "jacobian") == 0)) {
            err_set(err, ERR_UNSUPPORTED, "%.40s is not a table; --json prints it", key);
        }
    }
    return err->code;
}

/* Is every block n rows, all of one length and all of numbers? Otherwise cells would be missing. */
static bool is_whole(const struct blocks *blocks, size_t n)
{
    for (size_t b = 0; b < blocks->n; b++) {
        const json_t *rows = blocks->list[b].rows;
        size_t o = count_columns(&blocks->list[b]);
        if (json_array_size(rows) != n) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            const json_t *row = json_array_get(rows, i);
            if (json_is_array(row) && json_array_size(row) != o) {
                return false;
            }
            for (size_t j = 0; j < o; j++) {
                if (!json_is_number(find_cell(&blocks->list[b], i, j))) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* The name of an output as a field of CSV: without what separates fields, ends lines, or steers a
 * terminal. */
static void write_output_name(FILE *out, const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        bool plain = (unsigned char)*c >= 0x20 && *c != 0x7f && strchr(",;\"", *c) == NULL;
        fputc(plain ? *c : '_', out);
    }
}

/* names: of the outputs, or NULL. One output needs none. */
static void write_header(FILE *out, const struct blocks *blocks, const json_t *names)
{
    const char *comma = "";
    for (size_t b = 0; b < blocks->n; b++) {
        size_t o = count_columns(&blocks->list[b]);
        for (size_t j = 0; j < o; j++, comma = ",") {
            const char *name = json_string_value(json_array_get(names, j));
            if (o == 1) {
                fprintf(out, "%s%s", comma, blocks->list[b].name);
            } else if (name != NULL && json_array_size(names) == o) {
                fprintf(out, "%s%s_", comma, blocks->list[b].name);
                write_output_name(out, name);
            } else {
                fprintf(out, "%s%s_%zu", comma, blocks->list[b].name, j);
            }
        }
    }
    fputc('\n', out);
}

static void write_row(FILE *out, const struct blocks *blocks, size_t i)
{
    bool first = true;
    for (size_t b = 0; b < blocks->n; b++) {
        size_t o = count_columns(&blocks->list[b]);
        for (size_t j = 0; j < o; j++, first = false) {
            char text[NUMTEXT_MAX];
            size_t len = numtext_write(json_number_value(find_cell(&blocks->list[b], i, j)), text);
            if (!first) {
                fputc(',', out);
            }
            fwrite(text, 1, len, out);
        }
    }
    fputc('\n', out);
}

/*
 * Counts the rows outside the training range. The server lists only the first of them, and then
 * says how many there are.
 */
static void note_warnings(struct answer_table *t, const json_t *warnings)
{
    int64_t rows = 0;
    int64_t last = -1;
    int64_t last_bounds = -1;
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const json_t *w = json_array_get(warnings, i);
        const json_t *range = json_object_get(w, "range");
        const char *name = json_string_value(json_object_get(w, "name"));
        int64_t row = (int64_t)json_number_value(json_object_get(w, "row"));
        if (json_object_get(w, "text") != NULL) {
            continue; /* about the version */
        }
        if (json_object_get(w, "bounds") != NULL) {
            t->n_outside_bounds += row != last_bounds;
            last_bounds = row;
            continue;
        }
        if (range == NULL && json_object_get(w, "rows") != NULL) {
            rows = (int64_t)json_number_value(json_object_get(w, "rows"));
            continue;
        }
        if (t->warning[0] == '\0' && range != NULL) {
            char input[80];
            snprintf(input, sizeof input, "%.0f", json_number_value(json_object_get(w, "input")));
            snprintf(t->warning, sizeof t->warning,
                     "in row %lld input %.64s is %.6g, training had %.6g to %.6g",
                     (long long)(t->n_rows + row), name != NULL ? name : input,
                     json_number_value(json_object_get(w, "value")),
                     json_number_value(json_array_get(range, 0)),
                     json_number_value(json_array_get(range, 1)));
        }
        rows += row != last;
        last = row;
    }
    t->n_outside += rows;
}

enum err_code answer_table_add(struct answer_table *t, const json_t *answer, struct arena *scratch,
                               struct err *err)
{
    struct blocks blocks = {.arena = scratch};
    note_warnings(t, json_object_get(answer, "warnings"));
    if (collect_blocks(&blocks, answer, err) != ERR_OK) {
        return err->code;
    }
    size_t n = blocks.n > 0 ? json_array_size(blocks.list[0].rows) : 0;
    if (n == 0) {
        return err_set(err, ERR_CORRUPT, "the server's answer holds no results");
    }
    if (!is_whole(&blocks, n)) {
        return err_set(err, ERR_CORRUPT, "the results in the server's answer are not tables");
    }
    if (!t->begun) {
        write_header(t->out, &blocks, json_object_get(json_object_get(answer, "names"), "outputs"));
        t->begun = true;
    }
    for (size_t i = 0; i < n; i++) {
        write_row(t->out, &blocks, i);
    }
    t->n_rows += (int64_t)n;
    return ERR_OK;
}
