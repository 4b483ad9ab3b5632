/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/text_rows.h"

#include "base/digits.h"
#include "formats/mistaken.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define LINES_TOLD 5 /* in a message */

static enum err_code read_first_line(const struct request *req, int64_t *out, struct err *err)
{
    const char *text = request_header(req, "Surrogate-First-Line");
    *out = 1;
    if (text != NULL && (!digits_parse(text, out) || *out < 1)) {
        return err_set(err, ERR_INVALID,
                       "Surrogate-First-Line is \"%.30s\", the number of a line is needed", text);
    }
    return ERR_OK;
}

enum err_code text_rows_read(const struct request *req, int max_rows,
                             const struct text_members *members, struct text_rows *out,
                             struct err *err)
{
    struct text_dialect dialect;
    const char *mistaken = mistaken_table(req->body, req->n_body);
    if (mistaken != NULL) {
        return err_set(err, ERR_MEDIA_TYPE, "the body %s", mistaken);
    }
    if (read_first_line(req, &out->first_line, err) != ERR_OK ||
        text_dialect_parse(request_header(req, "Content-Type"), &dialect, err) != ERR_OK) {
        return err->code;
    }
    out->reader = text_table_reader(&dialect, out->first_line, req->arena);
    out->reader.max_rows = max_rows;
    out->reader.members = members;
    return text_table_read(&out->reader, req->body, req->n_body, req->arena, &out->table, err);
}

void text_rows_lines(const struct text_rows *rows, const struct request *req, const int *at, int n,
                     int64_t *lines)
{
    const struct text_piece piece = {req->body, req->n_body, rows->first_line, true};
    text_table_lines(&rows->reader, &piece, at, n, lines);
}

enum err_code text_rows_check_inputs(const struct text_rows *rows, const struct request *req,
                                     const struct model *model, const double *x, struct err *err)
{
    const struct scaler_rows inputs = {
        .n = (size_t)rows->table.n, .k = model->d, .v = x, .names = model->input_names};
    if (scaler_check(model->in, &inputs, err) != ERR_OK && err->row >= 0) {
        text_rows_lines(rows, req, &err->row, 1, &err->line);
        err_prefix(err, "line %" PRId64, err->line);
    }
    return err->code;
}

/* " (also lines 7, 9 and 3 more)"; lines: of the first rows that were found. */
static void describe_others(int n_found, const int64_t *lines, int told, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 1; i < told && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%" PRId64,
                                 i > 1      ? ", "
                                 : told > 2 ? " (also lines "
                                            : " (also line ",
                                 lines[i]);
    }
    if (told > 1 && used < size && n_found > told) {
        snprintf(out + used, size - used, " and %d more)", n_found - told);
    } else if (told > 1 && used < size) {
        snprintf(out + used, size - used, ")");
    }
}

enum err_code text_rows_refuse(const struct text_rows *rows, const struct request *req,
                               const struct nonfinite *found, const char *advice, struct err *err)
{
    char place[96];
    char others[96];
    int64_t lines[LINES_TOLD];
    int told = found->n < LINES_TOLD ? found->n : LINES_TOLD;
    text_rows_lines(rows, req, found->rows, told, lines);
    text_table_place(&rows->reader, lines[0], found->column, place, sizeof place);
    describe_others(found->n, lines, told, others, sizeof others);
    err_set_at(err, ERR_NONFINITE, found->rows[0], found->column, "%s is %s%s%s", place,
               isnan(found->value) ? "missing" : "not a finite number", others, advice);
    err->line = lines[0];
    return err->code;
}

enum err_code text_rows_check_finite(const struct text_rows *rows, const struct request *req,
                                     struct err *err)
{
    struct nonfinite found;
    const struct nonfinite_rule rule = nonfinite_strict(rows->table.k);
    nonfinite_find(rows->table.values, rows->table.n, &rule, &found);
    return found.n == 0 ? ERR_OK : text_rows_refuse(rows, req, &found, "", err);
}
