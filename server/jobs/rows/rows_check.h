/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be refused of a model's rows before a job is queued, told by the statistics of their
 * columns. Rows are read only to find the one to name, and not more than ROWS_CHECK_MAX of them.
 */
#ifndef ROWS_CHECK_H
#define ROWS_CHECK_H

#include "store/sqlite/db.h"
#include "train/train_memory.h"

#define ROWS_CHECK_MAX 1000000

struct rows_check {
    struct db *db;
    const char *model;
    const struct train_spec *spec;
    const struct space *space;         /* of inputs and targets; NULL: none */
    const struct train_roles_map *map; /* of columns that are no targets; NULL: all are */
    const struct model *base;          /* of a warm start, whose scaling is kept; NULL: none */
};

/*
 * ERR_INVALID: no row has an output, or one of them; a value that log scaling cannot take, with its
 * row as an export counts them; a column that cannot be scaled; too few rows for the parts that the
 * spec splits them into. *load <- what there is to train on. Errors of the store.
 */
enum err_code rows_check(const struct rows_check *check, struct train_load *load,
                         struct err *err) MUST_CHECK;

#endif
