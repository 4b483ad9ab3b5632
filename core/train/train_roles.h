/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of rows that are no targets, and what is known of the function besides the rows, as a
 * request names them. Columns are uploaded as
 * outputs and stay so with the rows:
 *
 *   weight      how much the row counts; missing: 1
 *   validation  not 0: a validation row of the user's own choice, which does not train
 *   sigma       the standard deviation of the noise of output `of` at this row
 *   derivative  of output `of` by input `by`; missing: not known
 *
 * A name is that of the space, or a place counted from 0 where the space has no such name.
 */
#ifndef TRAIN_ROLES_H
#define TRAIN_ROLES_H

#include "base/names.h"
#include "fit/data.h"
#include "model/model.h"

enum train_role { TRAIN_WEIGHT, TRAIN_VALIDATION, TRAIN_SIGMA, TRAIN_DERIVATIVE };
const char *train_role_name(enum train_role role);
struct names train_role_known(void);

struct train_column {
    enum train_role role;
    char *name; /* mem, as are the next two */
    char *of;   /* sigma, derivative; else NULL */
    char *by;   /* derivative; else NULL */
};

enum train_constraint_kind { TRAIN_MONOTONE, TRAIN_POSITIVE, TRAIN_PERIODIC };
const char *train_constraint_kind_name(enum train_constraint_kind kind);
struct names train_constraint_kind_known(void);

struct train_constraint {
    enum train_constraint_kind kind;
    char *input;  /* monotone, periodic; else NULL; mem, as the next one */
    char *output; /* NULL: all of them; NULL of periodic */
    bool falling; /* monotone */
    double low;   /* periodic: where the period begins and ends */
    double high;
};

#define TRAIN_MAX_COLUMNS     8192
#define TRAIN_MAX_CONSTRAINTS 1024

struct train_roles {
    int n_columns;
    struct train_column *columns; /* mem */
    int n_constraints;
    struct train_constraint *constraints; /* mem */
};

void train_roles_release(struct train_roles *roles);

/* Is there a column of this role? */
bool train_roles_have(const struct train_roles *roles, enum train_role role);

/* Checks what does not depend on the rows: names that are missing or given twice, periods.
 * ERR_INVALID. */
enum err_code train_roles_validate(const struct train_roles *roles, struct err *err) MUST_CHECK;

/* Where names come from: a space, or lists, which may be NULL as their texts may be. */
struct train_names {
    const struct space *space;
    char *const *inputs;
    char *const *outputs;
};

/* The place of a name among n inputs or outputs; -1: it is none. */
int train_names_find(const struct train_names *names, bool output, int n, const char *name);

/* The names of the constraints, for rows of d inputs and o targets in this space (NULL: none).
 * ERR_INVALID naming one that is not there or is a category. */
enum err_code train_roles_check_names(const struct train_roles *roles, const struct space *space,
                                      int d, int o, struct err *err) MUST_CHECK;

/* The same check of one name. */
enum err_code train_names_refuse(const char *what, const char *name, const char *kind, int n,
                                 struct err *err);

/* ---- rows with columns of several roles ---- */

/* Where they are among the columns that were uploaded as outputs. A zeroed one may be released. */
struct train_roles_map {
    int d;
    int n_columns; /* uploaded as outputs */
    int o;         /* of them targets */
    int *targets;  /* [o]; mem, of all that follow */
    int *sigmas;   /* [o]; NULL: none */
    int *slopes;   /* [o x d], -1: none; NULL: none at all */
    int weight;    /* -1: none */
    int validation;
};

/* space: of the rows as they are stored; NULL: none. ERR_INVALID naming a column that is not there,
 * or what is missing: a target, the sigma of a target. ERR_NOMEM. */
enum err_code train_roles_map(const struct train_roles *roles, const struct space *space, int d,
                              int n_columns, struct train_roles_map *map,
                              struct err *err) MUST_CHECK;
void train_roles_map_release(struct train_roles_map *map);

/* The arrays of rows in their roles; mem. A zeroed one may be released. */
struct train_roles_rows {
    double *y, *weights, *sigmas, *jacobian;
    unsigned char *kept;
};
void train_roles_rows_release(struct train_roles_rows *rows);

/*
 * data->y and what rows carry <- the columns [data->n x map->n_columns] in their roles, which rows
 * then holds. ERR_INVALID with err->row (data_check_extras); ERR_NOMEM.
 */
enum err_code train_roles_take(const struct train_roles_map *map, const double *columns,
                               struct data *data, struct train_roles_rows *rows,
                               struct err *err) MUST_CHECK;

/*
 * All of it: data, as rows are stored, and their space, of which the caller has a reference (NULL:
 * none), become those of the targets with what rows carry. Nothing changes without columns.
 */
enum err_code train_roles_apply(const struct train_roles *roles, struct data *data,
                                struct space **space, struct train_roles_rows *rows,
                                struct err *err) MUST_CHECK;

/* The space of the rows without the columns that are no targets; space NULL: *out is NULL. */
enum err_code train_roles_space(const struct train_roles_map *map, const struct space *space,
                                struct space **out, struct err *err) MUST_CHECK;

/* ---- constraints ---- */

struct loss_terms;
struct solver_settings;

/* Terms of a loss, with the arrays that they borrow. A zeroed one may be released. */
struct train_terms {
    struct loss_terms *terms; /* NULL: there are none; mem, as are the arrays */
    signed char *signs;
    double *reals;
};

/*
 * What the settings, constraints and rows ask of the loss, in the scaled units of a model without
 * its posterior. rows: those that train, in the user's units. ERR_INVALID naming an input or output
 * that is not there, a category, a logarithm of what is not above log_shift; ERR_UNSUPPORTED;
 * ERR_NOMEM.
 */
enum err_code train_terms_make(const struct train_roles *roles,
                               const struct solver_settings *settings, const struct model *model,
                               const struct data *rows, struct train_terms *out,
                               struct err *err) MUST_CHECK;
void train_terms_release(struct train_terms *terms);

#endif
