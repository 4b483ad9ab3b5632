/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of requests under the space of a model: put into the model's order by their names, with
 * the members of categories as their places.
 */
#ifndef COLUMNS_H
#define COLUMNS_H

#include "api/rows/run_status.h"
#include "api/rows/text_rows.h"
#include "base/near_name.h"
#include "formats/npy.h"
#include "model/space_names.h"
#include "model/space_rows.h"

/* ---- tables ---- */

/*
 * A table of inputs and outputs may also have a column `status`, which says how the run of each row
 * ended, unless the space has a column of that name. A table without names has none.
 */
struct columns {
    const struct space *space; /* NULL: columns stay in their order */
    enum space_part part;      /* inputs, or SPACE_COLUMNS with the outputs behind them */
    struct arena *arena;
    int *place; /* [k] where each column of the table belongs; NULL: where it is, and all are there
                 */
    int status; /* the column of the table that is the status; -1: none */
    char word[NEAR_NAME_CHARS + 1]; /* the last one that was looked for in it */
    struct text_members members;
};

/* *columns stays where it is while a table is read with columns->members. */
void columns_init(struct columns *columns, const struct space *space, enum space_part part,
                  struct arena *arena);

/*
 * Puts the rows and names of a table that was read into the order of the space, gives inputs that
 * may be missing their defaults, and takes the status out of them. *failed [rows], in the arena;
 * NULL: the table has no status. failed may be NULL where columns are inputs alone. ERR_NONFINITE:
 * the status of a row is missing; ERR_NOMEM.
 */
enum err_code columns_arrange(const struct columns *columns, const struct request *req,
                              struct text_rows *text, unsigned char **failed,
                              struct err *err) MUST_CHECK;

/* ERR_INVALID, with line and column: an integer is needed. The rows have been arranged. */
enum err_code columns_check_text(const struct space *space, const struct text_rows *text,
                                 const struct request *req, struct err *err) MUST_CHECK;

/* ---- numbers of JSON and npy ---- */

/*
 * Puts the fields of a structured array into the order of the space, by their names; space NULL,
 * and an array without names: they stay as they are. Inputs that may be missing become NaN, which
 * columns_fill_defaults replaces once numbers are members. ERR_INVALID with both lists; ERR_NOMEM.
 */
enum err_code columns_arrange_npy(const struct space *space, enum space_part part,
                                  struct arena *arena, struct npy *npy, struct err *err) MUST_CHECK;

/* NaN <- the defaults of inputs that have one. */
void columns_fill_defaults(const struct space *space, const struct space_rows *rows);

/* Numbers that mean members become their places; then as above, with row and column.
 * where: "inputs: ", or "". */
enum err_code columns_read_numbers(const struct space *space, const struct space_rows *rows,
                                   const char *where, struct err *err) MUST_CHECK;

#endif
