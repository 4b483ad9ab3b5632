/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of requests under the space of a model: put into the model's order by their names, with
 * the members of categories as their places.
 */
#ifndef COLUMNS_H
#define COLUMNS_H

#include "api/rows/text_rows.h"
#include "model/space_names.h"
#include "model/space_rows.h"

/* ---- tables ---- */

struct columns {
    const struct space *space;
    enum space_part part; /* SPACE_INPUTS, or SPACE_COLUMNS with the outputs behind them */
    struct arena *arena;
    int *place; /* [k] where each column of the table belongs; NULL: where it is */
    struct text_members members;
};

/* *columns stays where it is while a table is read with columns->members. space: not NULL. */
void columns_init(struct columns *columns, const struct space *space, enum space_part part,
                  struct arena *arena);

/* Puts the rows and names of a table that was read into the order of the space. ERR_NOMEM. */
enum err_code columns_arrange(const struct columns *columns, struct text_rows *text,
                              struct err *err) MUST_CHECK;

/* ERR_INVALID, with line and column: an integer is needed. The rows have been arranged. */
enum err_code columns_check_text(const struct space *space, const struct text_rows *text,
                                 const struct request *req, struct err *err) MUST_CHECK;

/* ---- numbers of JSON and npy ---- */

/* Numbers that mean members become their places; then as above, with row and column.
 * where: "inputs: ", or "". */
enum err_code columns_read_numbers(const struct space *space, const struct space_rows *rows,
                                   const char *where, struct err *err) MUST_CHECK;

#endif
