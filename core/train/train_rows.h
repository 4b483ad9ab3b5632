/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a training run in their parts: those that train, those kept out, scaled and not. */
#ifndef TRAIN_ROWS_H
#define TRAIN_ROWS_H

#include "fit/data.h"
#include "train/row_groups.h"
#include "model/model.h"

/* A zeroed part is empty and may be released; arrays are mem. */
struct train_rows {
    int n, d, o;
    double present; /* of struct data */
    struct data_room room;
    double *x; /* [n x d] user's units, of the room */
    double *y; /* [n x o] */
    double mean_weight;
    int width;  /* columns of zx, once train_rows_scale was called: d, or more with categories */
    double *zx; /* [n x width] what the network sees */
    double *zy;
    double *z_sigmas;   /* [n x o] scaled, as the next one; NULL: rows have none of their own */
    double *z_jacobian; /* [n x o x width]; NULL: rows have none */
    int *places;        /* [n] in the rows that they were taken from */
};

void train_rows_release(struct train_rows *rows);

/* Copies of rows index[0 .. n-1] of data. ERR_NOMEM. */
enum err_code train_rows_take(struct train_rows *rows, const struct data *data, const int *index,
                              int n, struct err *err) MUST_CHECK;

struct train_spec;

/*
 * role [n] <- the roles (enum split_role) of the rows, by what the spec keeps out. Rows of a group
 * have the same one, and the shares are shares of the groups. Where the user has chosen validation
 * rows (data->kept) these alone are kept, whatever group they are of.
 */
void train_rows_assign(const struct train_spec *spec, const struct row_groups *groups,
                       const struct data *data, unsigned char *role);

/*
 * All rows in their parts, by what the spec keeps out; parts [3]: zeroed ones, by enum split_role.
 * A row without any output, or of weight 0, counts for the split, since a row's role depends on its
 * place, but is left out of its part. ERR_INVALID (too few for what is wanted), ERR_LIMIT,
 * ERR_NOMEM.
 */
enum err_code train_rows_split(const struct train_spec *spec, const struct data *data,
                               struct train_rows *const *parts, struct err *err) MUST_CHECK;

/* ERR_INVALID naming an output that none of the rows has; where: which rows they are. */
enum err_code train_rows_check_outputs(const struct train_rows *rows, const char *where,
                                       struct err *err) MUST_CHECK;

/* Scalers of the model, of these kinds, by the user's rows. ERR_INVALID naming inputs or outputs.
 */
enum err_code train_rows_fit(const struct train_rows *rows, enum scaler_kind inputs,
                             enum scaler_kind outputs, struct model *model,
                             struct err *err) MUST_CHECK;

/* Fills zx and zy by the model's scalers and space. ERR_INVALID naming the place; ERR_NOMEM. */
enum err_code train_rows_scale(struct train_rows *rows, const struct model *model,
                               struct err *err) MUST_CHECK;

/* Views: in the user's units, and scaled. */
struct data train_rows_user(const struct train_rows *rows);
struct data train_rows_scaled(const struct train_rows *rows);

/* low_high [k x 2] of the columns of v [n x k], of what is not NaN. */
void train_rows_ranges(const double *v, int n, int k, double *low_high);

/*
 * Do n rows, each with an output, leave enough for the parts of a training: rows that train, for
 * the calibration, and for each fold? ERR_INVALID, ERR_LIMIT saying what is missing and which
 * setting leaves more; ERR_NOMEM. Of very many rows the split is not made.
 */
enum err_code train_rows_check_parts(const struct train_spec *spec, int n,
                                     struct err *err) MUST_CHECK;

struct train_calibration;

/* How many folds the calibration makes of so many groups of rows that train; 1: no folds. */
int train_rows_count_folds(const struct train_calibration *calibration, int n_groups);

#define TRAIN_MAX_FOLDS 250000 /* so that their tasks' numbers fit an int */

/*
 * The folds of the rows that train, 1 where the spec wants none, and fold [rows->n], mem, of each
 * row. Rows of a group are in one fold; sizes of folds differ by at most one group. ERR_INVALID and
 * ERR_LIMIT (the number of folds does not suit the rows), ERR_NOMEM.
 */
enum err_code train_rows_choose_folds(const struct train_spec *spec, const struct train_rows *rows,
                                      int *n_folds, int **fold, struct err *err) MUST_CHECK;

#endif
