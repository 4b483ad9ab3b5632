/* SPDX-License-Identifier: Apache-2.0 */
/* Text tables in requests: the dialect that the headers tell, and messages with the user's places.
 */
#ifndef TEXT_ROWS_H
#define TEXT_ROWS_H

#include "formats/nonfinite.h"
#include "formats/text/text_table.h"
#include "http/exchange.h"
#include "model/model.h"

struct text_rows {
    struct text_table_reader reader;
    struct text_table table;
    int64_t first_line; /* of the body, in the user's file */
};

/*
 * Reads the body as a table, into the request's arena. members: NULL, or columns of words. The
 * header Surrogate-First-Line says where the body begins in a file that is sent in parts. A body
 * that is no text is refused by its kind. Errors are those of text_table_read; ERR_MEDIA_TYPE.
 */
enum err_code text_rows_read(const struct request *req, int max_rows,
                             const struct text_members *members, struct text_rows *out,
                             struct err *err) MUST_CHECK;

/* ERR_NONFINITE, with line and column, when a value is missing or not finite. */
enum err_code text_rows_check_finite(const struct text_rows *rows, const struct request *req,
                                     struct err *err) MUST_CHECK;

/* Can the model scale the inputs x [n x d] of the table's rows? ERR_INVALID, with line and column.
 */
enum err_code text_rows_check_inputs(const struct text_rows *rows, const struct request *req,
                                     const struct model *model, const double *x,
                                     struct err *err) MUST_CHECK;

/* The lines in the user's file where rows begin. at: [n], ascending; lines: [n]. */
void text_rows_lines(const struct text_rows *rows, const struct request *req, const int *at, int n,
                     int64_t *lines);

/* ERR_NONFINITE for what nonfinite_find found; advice: how to send such rows, or "". */
enum err_code text_rows_refuse(const struct text_rows *rows, const struct request *req,
                               const struct nonfinite *found, const char *advice, struct err *err);

#endif
