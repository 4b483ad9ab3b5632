/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/columns.h"

#include "base/phrase.h"
#include "formats/text/text_number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* k given columns that become `width` ones in the order of the space. */
struct arranged {
    struct arena *arena;
    const struct space *space;
    const int *place; /* [k] where each of them belongs */
    size_t k;
    size_t width; /* more than k where inputs are missing that have defaults */
};

/* ---- tables ---- */

/* Where column j of the table belongs. */
static int place_of(const struct columns *columns, int j)
{
    return columns->place != NULL ? columns->place[j] : j;
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the names of columns");
}

static int find_status(const struct columns *columns, const struct text_table_reader *reader)
{
    for (int j = 0; columns->part == SPACE_COLUMNS && j < reader->k; j++) {
        const char *name = reader->names[j];
        if (strcasecmp(name, RUN_STATUS_KEY) == 0 &&
            (columns->space == NULL || space_find(columns->space, columns->part, name) < 0)) {
            return j;
        }
    }
    return -1;
}

/* Are inputs missing whose defaults are to be taken? k: columns of the client. */
static bool has_absent(const struct columns *columns, int k)
{
    return columns->part == SPACE_GIVEN_INPUTS && columns->space != NULL && k < columns->space->d;
}

/* Where each column belongs; the status comes behind all others. */
static enum err_code match_names(struct columns *columns, const struct text_table_reader *reader,
                                 struct err *err)
{
    size_t k = (size_t)reader->k;
    bool moved = has_absent(columns, reader->k);
    int n = 0; /* names other than the status */
    const char **names = arena_alloc_array(columns->arena, k, sizeof *names);
    int *found = arena_alloc_array(columns->arena, k, sizeof *found);
    int *place = arena_alloc_array(columns->arena, k, sizeof *place);
    if (names == NULL || found == NULL || place == NULL) {
        return no_memory(err);
    }
    columns->status = find_status(columns, reader);
    for (int j = 0; j < reader->k; j++) {
        if (j != columns->status) {
            found[n] = n;
            names[n++] = reader->names[j];
        }
    }
    if (columns->space != NULL &&
        space_match(columns->space, columns->part, names, n, found, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0, at = 0; j < reader->k; j++) {
        place[j] = j == columns->status ? n : found[at++];
        moved = moved || place[j] != j;
    }
    columns->place = moved ? place : NULL;
    return ERR_OK;
}

static bool is_category(const struct columns *columns, int column)
{
    const struct space *space = columns->space;
    int place = place_of(columns, column);
    return space != NULL && place < space->d && space->inputs[place].type == SPACE_CATEGORY;
}

static enum err_code begin_table(void *ctx, struct text_table_reader *reader, struct err *err)
{
    struct columns *columns = ctx;
    const struct space *space = columns->space;
    if (reader->names != NULL && match_names(columns, reader, err) != ERR_OK) {
        return err->code;
    }
    int k = reader->k - (columns->status >= 0);
    if (space != NULL && reader->names == NULL && k != space_count(space, columns->part)) {
        return err_set(err, ERR_SHAPE, "%s, the model's %s%s need %d",
                       phrase_count(k, "column").text, phrase_count(space->d, "input").text,
                       columns->part == SPACE_COLUMNS ? " and its outputs" : "",
                       space_count(space, columns->part));
    }
    if (columns->status < 0 && (space == NULL || space_first_category(space) < 0)) {
        return ERR_OK;
    }
    bool *words = arena_zalloc_array(columns->arena, (size_t)reader->k, sizeof *words);
    if (words == NULL) {
        return no_memory(err);
    }
    for (int j = 0; j < reader->k; j++) {
        words[j] = j == columns->status || is_category(columns, j);
    }
    reader->words = words;
    return ERR_OK;
}

static int find_status_word(struct columns *columns, const char *text, size_t len)
{
    size_t n = len < sizeof columns->word ? len : sizeof columns->word - 1;
    memcpy(columns->word, text, n);
    columns->word[n] = '\0';
    return names_find(run_status_known(), columns->word);
}

static int find_member(void *ctx, int column, const char *text, size_t len)
{
    struct columns *columns = ctx;
    if (column == columns->status) {
        return find_status_word(columns, text, len);
    }
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
    if (column == columns->status) {
        struct near_name near = near_name_of(columns->word);
        for (int i = 0; i < run_status_known().n; i++) {
            near_name_try(&near, run_status_known().list[i]);
        }
        snprintf(out, size, "ok or failed is needed in a column of this name%s",
                 near_name_hint(&near, "").text);
        return;
    }
    space_describe_wanted(&columns->space->inputs[place_of(columns, column)], wanted);
    snprintf(out, size, "%s", wanted);
}

void columns_init(struct columns *columns, const struct space *space, enum space_part part,
                  struct arena *arena)
{
    *columns = (struct columns){.space = space, .part = part, .arena = arena, .status = -1};
    columns->members =
        (struct text_members){.may_be_all = space != NULL && space_first_category(space) >= 0,
                              .begin = begin_table,
                              .find = find_member,
                              .describe = describe_members,
                              .ctx = columns};
}

/* The defaults of a space's inputs; what has none is given. */
static void write_defaults(const struct space *space, double *row)
{
    for (int j = 0; j < space->d; j++) {
        row[j] = space->inputs[j].has_default ? space->inputs[j].default_value : 0.0;
    }
}

/* The names of columns in the order of the space. */
static const char *const *arrange_names(const struct arranged *how, const char *const *given)
{
    const char **names = arena_alloc_array(how->arena, how->width, sizeof *names);
    for (size_t j = 0; names != NULL && how->width > how->k && j < how->width; j++) {
        names[j] = how->space->inputs[j].name;
    }
    for (size_t j = 0; names != NULL && j < how->k; j++) {
        names[how->place[j]] = given[j];
    }
    return names;
}

/* The values of n rows in the order of the space; wider rows are new ones that begin as `absent`.
 */
static double *arrange_values(const struct arranged *how, size_t n, double *values,
                              const double *absent)
{
    double *row = arena_alloc_array(how->arena, how->k, sizeof *row);
    double *out =
        how->width > how->k ? arena_alloc_array(how->arena, n * how->width, sizeof *out) : values;
    for (size_t i = 0; row != NULL && out != NULL && i < n; i++) {
        double *to = out + i * how->width;
        memcpy(row, values + i * how->k, how->k * sizeof *row);
        if (how->width > how->k) {
            memcpy(to, absent, how->width * sizeof *to);
        }
        for (size_t j = 0; j < how->k; j++) {
            to[how->place[j]] = row[j];
        }
    }
    return row != NULL ? out : NULL;
}

static enum err_code reorder(const struct columns *columns, struct text_rows *text, struct err *err)
{
    const bool wider = has_absent(columns, text->table.k);
    const struct arranged how = {columns->arena, columns->space, columns->place,
                                 (size_t)text->table.k,
                                 (size_t)(wider ? columns->space->d : text->table.k)};
    double *absent = arena_alloc_array(columns->arena, how.width, sizeof *absent);
    const char *const *names = arrange_names(&how, text->reader.names);
    if (absent == NULL || names == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    if (wider) {
        write_defaults(columns->space, absent);
    }
    double *values = arrange_values(&how, (size_t)text->table.n, text->table.values, absent);
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    text->table.values = values;
    text->table.k = text->reader.k = (int)how.width;
    text->reader.names = names;
    return ERR_OK;
}

/* The last column, which is left out of the table. */
static enum err_code take_status(const struct columns *columns, const struct request *req,
                                 struct text_rows *text, unsigned char **failed, struct err *err)
{
    size_t k = (size_t)text->table.k;
    unsigned char *found = arena_alloc_array(columns->arena, (size_t)text->table.n, sizeof *found);
    if (found == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < (size_t)text->table.n; i++) {
        const double *row = text->table.values + i * k;
        if (isnan(row[k - 1])) {
            const struct nonfinite missing = {
                .n = 1, .rows = {(int)i}, .column = (int)k - 1, .value = row[k - 1]};
            return text_rows_refuse(text, req, &missing, "; ok or failed is needed", err);
        }
        found[i] = row[k - 1] > 0.0;
        memmove(text->table.values + i * (k - 1), row, (k - 1) * sizeof *row);
    }
    text->table.k--;
    text->reader.k--;
    *failed = found;
    return ERR_OK;
}

enum err_code columns_arrange(const struct columns *columns, const struct request *req,
                              struct text_rows *text, unsigned char **failed, struct err *err)
{
    if (columns->place != NULL && reorder(columns, text, err) != ERR_OK) {
        return err->code;
    }
    return columns->status >= 0 ? take_status(columns, req, text, failed, err) : ERR_OK;
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
    err_set_at(err, ERR_INVALID, row, fault.column, "%s is %.15g, %s", place, fault.value, wanted);
    err->line = line;
    return err->code;
}

/* ---- structured arrays ---- */

enum err_code columns_arrange_npy(const struct space *space, enum space_part part,
                                  struct arena *arena, struct npy *npy, struct err *err)
{
    if (space == NULL || npy->names == NULL) {
        return ERR_OK;
    }
    int *place = arena_alloc_array(arena, (size_t)npy->k, sizeof *place);
    double *absent = arena_alloc_array(arena, (size_t)space_count(space, part), sizeof *absent);
    if (place == NULL || absent == NULL) {
        return no_memory(err);
    }
    if (space_match(space, part, npy->names, npy->k, place, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0; j < space_count(space, part); j++) {
        absent[j] = (double)NAN;
    }
    const struct arranged how = {arena, space, place, (size_t)npy->k,
                                 (size_t)space_count(space, part)};
    /* Those with names lie in the arena. */
    double *values = arrange_values(&how, (size_t)npy->n, (double *)npy->values, absent);
    const char *const *names = arrange_names(&how, npy->names);
    if (values == NULL || names == NULL) {
        return no_memory(err);
    }
    npy->values = values;
    npy->names = names;
    npy->k = (int)how.width;
    return ERR_OK;
}

void columns_fill_defaults(const struct space *space, const struct space_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        for (size_t j = 0; j < (size_t)space->d; j++) {
            double *value = &rows->v[i * rows->stride + j];
            if (isnan(*value) && space->inputs[j].has_default) {
                *value = space->inputs[j].default_value;
            }
        }
    }
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
                      "%srow %zu, column %d (\"%.40s\") is %.15g, %s", where, fault.row,
                      fault.column, space->inputs[fault.column].name, fault.value, wanted);
}
