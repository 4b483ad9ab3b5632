/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/columns.h"

#include "base/phrase.h"
#include "formats/text_number.h"

#include <stdio.h>
#include <string.h>

/* ---- tables ---- */

/* Where column j of the table belongs. */
static int place_of(const struct columns *columns, int j)
{
    return columns->place != NULL ? columns->place[j] : j;
}

static enum err_code match_names(struct columns *columns, const struct text_table_reader *reader,
                                 struct err *err)
{
    size_t k = (size_t)reader->k;
    bool moved = false;
    int *place = arena_alloc_array(columns->arena, k, sizeof *place);
    if (place == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of columns");
    }
    if (space_match(columns->space, columns->part, reader->names, reader->k, place, err) !=
        ERR_OK) {
        return err->code;
    }
    for (int j = 0; j < reader->k; j++) {
        moved = moved || place[j] != j;
    }
    columns->place = moved ? place : NULL;
    return ERR_OK;
}

static enum err_code begin_table(void *ctx, struct text_table_reader *reader, struct err *err)
{
    struct columns *columns = ctx;
    const struct space *space = columns->space;
    int wanted = space_count(space, columns->part);
    if (reader->names != NULL && match_names(columns, reader, err) != ERR_OK) {
        return err->code;
    }
    if (reader->k != wanted) {
        return err_set(err, ERR_SHAPE, "%s, the model's %s%s need %d",
                       phrase_count(reader->k, "column").text, phrase_count(space->d, "input").text,
                       columns->part == SPACE_COLUMNS ? " and its outputs" : "", wanted);
    }
    if (space_first_category(space) < 0) {
        return ERR_OK;
    }
    bool *words = arena_zalloc_array(columns->arena, (size_t)reader->k, sizeof *words);
    if (words == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of columns");
    }
    for (int j = 0; j < reader->k; j++) {
        int place = place_of(columns, j);
        words[j] = place < space->d && space->inputs[place].type == SPACE_CATEGORY;
    }
    reader->words = words;
    return ERR_OK;
}

static int find_member(void *ctx, int column, const char *text, size_t len)
{
    const struct columns *columns = ctx;
    const struct space_input *input = &columns->space->inputs[place_of(columns, column)];
    int member = space_member(input, text, len);
    double number;
    if (member < 0 && text_number_read(text, len, NULL, &number) == TEXT_NUMBER) {
        member = space_member_of_number(input, number);
    }
    return member;
}

static void describe_members(void *ctx, int column, char *out, size_t size)
{
    const struct columns *columns = ctx;
    char wanted[SPACE_WANTED_CHARS];
    space_describe_wanted(&columns->space->inputs[place_of(columns, column)], wanted);
    snprintf(out, size, "%s", wanted);
}

void columns_init(struct columns *columns, const struct space *space, enum space_part part,
                  struct arena *arena)
{
    *columns = (struct columns){.space = space, .part = part, .arena = arena};
    columns->members = (struct text_members){
        .begin = begin_table, .find = find_member, .describe = describe_members, .ctx = columns};
}

enum err_code columns_arrange(const struct columns *columns, struct text_rows *text,
                              struct err *err)
{
    size_t k = (size_t)text->table.k;
    if (columns->place == NULL) {
        return ERR_OK;
    }
    double *row = arena_alloc_array(columns->arena, k, sizeof *row);
    const char **names = arena_alloc_array(columns->arena, k, sizeof *names);
    if (row == NULL || names == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < (size_t)text->table.n; i++) {
        double *values = text->table.values + i * k;
        memcpy(row, values, k * sizeof *row);
        for (size_t j = 0; j < k; j++) {
            values[columns->place[j]] = row[j];
        }
    }
    for (size_t j = 0; j < k; j++) {
        names[columns->place[j]] = text->reader.names[j];
    }
    text->reader.names = names;
    return ERR_OK;
}

enum err_code columns_check_text(const struct space *space, const struct text_rows *text,
                                 const struct request *req, struct err *err)
{
    struct space_fault fault;
    const struct space_rows rows = {(size_t)text->table.n, (size_t)text->table.k,
                                    text->table.values};
    char place[160];
    char wanted[SPACE_WANTED_CHARS];
    int64_t line = 0;
    if (!space_find_fault(space, &rows, &fault)) {
        return ERR_OK;
    }
    int row = (int)fault.row;
    text_rows_lines(text, req, &row, 1, &line);
    snprintf(place, sizeof place, "line %lld, column \"%.60s\"", (long long)line,
             space->inputs[fault.column].name);
    space_describe_wanted(&space->inputs[fault.column], wanted);
    err_set_at(err, ERR_INVALID, row, fault.column, "%s is %g, %s", place, fault.value, wanted);
    err->line = line;
    return err->code;
}

/* ---- numbers ---- */

enum err_code columns_read_numbers(const struct space *space, const struct space_rows *rows,
                                   const char *where, struct err *err)
{
    struct space_fault fault;
    char wanted[SPACE_WANTED_CHARS];
    if (!space_place_numbers(space, rows, &fault) && !space_find_fault(space, rows, &fault)) {
        return ERR_OK;
    }
    space_describe_wanted(&space->inputs[fault.column], wanted);
    return err_set_at(err, ERR_INVALID, (int)fault.row, fault.column,
                      "%srow %zu, column %d (\"%.40s\") is %g, %s", where, fault.row, fault.column,
                      space->inputs[fault.column].name, fault.value, wanted);
}
