/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_rows.h"

#include "base/mem.h"
#include "base/rng.h"
#include "fit/split.h"
#include "train/train.h"

#include <math.h>

void train_rows_release(struct train_rows *rows)
{
    data_room_release(&rows->room);
    mem_free(rows->zx);
    mem_free(rows->zy);
    mem_free(rows->z_sigmas);
    mem_free(rows->z_jacobian);
    mem_free(rows->places);
    *rows = (struct train_rows){.n = 0};
}

enum err_code train_rows_take(struct train_rows *rows, const struct data *data, const int *index,
                              int n, struct err *err)
{
    size_t x_count = (size_t)n * (size_t)data->d;
    size_t y_count = (size_t)n * (size_t)data->o;
    *rows = (struct train_rows){.n = n, .d = data->d, .o = data->o};
    rows->zx = mem_alloc_array(x_count, sizeof *rows->zx);
    rows->zy = mem_alloc_array(y_count, sizeof *rows->zy);
    rows->places = mem_dup(index, (size_t)n * sizeof *index);
    rows->z_sigmas = data->sigmas != NULL ? mem_alloc_array(y_count, sizeof(double)) : NULL;
    if (rows->zx == NULL || rows->zy == NULL || rows->places == NULL ||
        (data->sigmas != NULL && rows->z_sigmas == NULL)) {
        train_rows_release(rows);
        return err_set(err, ERR_NOMEM, "no memory for %d training rows", n);
    }
    if (data_room_init(&rows->room, data, n, err) != ERR_OK) {
        train_rows_release(rows);
        return err->code;
    }
    struct data taken = data_room_take(&rows->room, data, index, n);
    rows->x = rows->room.x;
    rows->y = rows->room.y;
    data_find_holes(&taken);
    data_find_weight(&taken);
    rows->present = taken.present;
    rows->mean_weight = taken.mean_weight;
    return ERR_OK;
}

enum err_code train_rows_check_outputs(const struct train_rows *rows, const char *where,
                                       struct err *err)
{
    const struct data data = train_rows_user(rows);
    if (!data_has_holes(&data)) {
        return ERR_OK;
    }
    int *counts = mem_alloc_array((size_t)rows->o, sizeof *counts);
    if (counts == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to check %d outputs", rows->o);
    }
    data_count(&data, counts);
    for (int j = 0; j < rows->o && err->code == ERR_OK; j++) {
        if (counts[j] == 0) {
            err_set(err, ERR_INVALID,
                    "none of the %d rows %s has output %d; rows with it are needed, or a "
                    "model without that output",
                    rows->n, where, j);
        }
    }
    mem_free(counts);
    return err->code;
}

/* ---- parts ---- */

int train_rows_count_folds(const struct train_calibration *calibration, int n)
{
    switch (calibration->method) {
    case CONFORMAL_CV_PLUS:
        return calibration->folds;
    case CONFORMAL_JACKKNIFE_PLUS:
        return n;
    case CONFORMAL_NONE:
    case CONFORMAL_SPLIT:
        break;
    }
    return 1;
}

#define MIN_FOLD_ROWS 3 /* to train on for any folds: two are left for each */

/* n_rows train, in n groups. */
static enum err_code check_folds(const struct train_calibration *c, int n_rows, int n,
                                 struct err *err)
{
    bool none = c->method != CONFORMAL_CV_PLUS && c->method != CONFORMAL_JACKKNIFE_PLUS;
    int folds = train_rows_count_folds(c, n);
    if (none) {
        return ERR_OK;
    }
    if (folds > TRAIN_MAX_FOLDS) {
        return err_set(err, ERR_LIMIT,
                       "calibration: %d folds, one for each row that trains, and at most %d are "
                       "allowed; \"cv+\" has a number of its own",
                       folds, TRAIN_MAX_FOLDS);
    }
    if (n < MIN_FOLD_ROWS || folds > n) {
        return err_set(err, ERR_INVALID,
                       "calibration: the rows that are left to train on, %d%s, are too few for %d "
                       "folds; more rows, fewer folds or a smaller validation share are needed",
                       n, n < n_rows ? " with different inputs" : "",
                       folds > MIN_FOLD_ROWS ? folds : MIN_FOLD_ROWS);
    }
    return ERR_OK;
}

static enum err_code check_parts(const struct train_spec *spec, const int *counts, struct err *err)
{
    enum conformal_method method = spec->calibration.method;
    bool folds = method == CONFORMAL_CV_PLUS || method == CONFORMAL_JACKKNIFE_PLUS;
    int n = folds ? counts[SPLIT_TRAIN] : counts[SPLIT_CALIBRATION];
    if (counts[SPLIT_TRAIN] < 1) {
        return err_set(err, ERR_INVALID,
                       "there are too few rows: none with an output are left to train on");
    }
    if (n > CONFORMAL_MAX_ROWS) {
        return err_set(err, ERR_LIMIT, "calibration: %d rows, at most %d are allowed", n,
                       CONFORMAL_MAX_ROWS);
    }
    if (method == CONFORMAL_SPLIT && n < 1) {
        return err_set(
            err, ERR_INVALID,
            "calibration: there are too few rows: none are left for it; more rows, a larger "
            "share or a smaller validation share are needed");
    }
    return ERR_OK;
}

#define MAX_SPLIT 100000 /* rows that are split for a check; of more every part has enough */

enum err_code train_rows_check_parts(const struct train_spec *spec, int n, struct err *err)
{
    int counts[] = {0, 0, 0};
    if (n > MAX_SPLIT) {
        double left = (double)n * (1.0 - spec->validation);
        counts[SPLIT_CALIBRATION] = (int)(left * train_calibration_share(spec));
        counts[SPLIT_TRAIN] = (int)left - counts[SPLIT_CALIBRATION];
        return check_parts(spec, counts, err) == ERR_OK
                   ? check_folds(&spec->calibration, counts[SPLIT_TRAIN], counts[SPLIT_TRAIN], err)
                   : err->code;
    }
    unsigned char *role = mem_alloc((size_t)n + 1);
    if (role == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to split %d rows", n);
    }
    split_rows((uint64_t)spec->seed, n, spec->validation, train_calibration_share(spec), role);
    for (int i = 0; i < n; i++) {
        counts[role[i]]++;
    }
    mem_free(role);
    return check_parts(spec, counts, err) == ERR_OK
               ? check_folds(&spec->calibration, counts[SPLIT_TRAIN], counts[SPLIT_TRAIN], err)
               : err->code;
}

void train_rows_assign(const struct train_spec *spec, const struct row_groups *groups,
                       const struct data *data, unsigned char *role)
{
    double validation = data->kept != NULL ? 0.0 : spec->validation;
    split_rows((uint64_t)spec->seed, groups->n, validation, train_calibration_share(spec), role);
    row_groups_spread(groups, data->n, role);
    for (int i = 0; data->kept != NULL && i < data->n; i++) {
        if (data->kept[i]) {
            role[i] = SPLIT_KEPT;
        }
    }
}

/* Does a row say anything: has it an output, and a weight above 0? */
static bool says_something(const struct data *data, int row)
{
    if (data->weights != NULL && !(data->weights[row] > 0.0)) {
        return false;
    }
    const double *y = data->y + (size_t)row * (size_t)data->o;
    for (int j = 0; j < data->o; j++) {
        if (!isnan(y[j])) {
            return true;
        }
    }
    return false;
}

/* Copies the rows of one role that say something, in their order. index: scratch for data->n
 * numbers. */
static enum err_code take_role(const struct data *data, const unsigned char *role,
                               enum split_role which, int *index, struct train_rows *rows,
                               struct err *err)
{
    int n = 0;
    for (int i = 0; i < data->n; i++) {
        if (role[i] == which && says_something(data, i)) {
            index[n++] = i;
        }
    }
    return train_rows_take(rows, data, index, n, err);
}

enum err_code train_rows_split(const struct train_spec *spec, const struct data *data,
                               struct train_rows *const *parts, struct err *err)
{
    int counts[] = {0, 0, 0};
    struct row_groups groups = {.n = 0};
    int *index = mem_alloc_array((size_t)data->n, sizeof *index);
    unsigned char *role = mem_alloc((size_t)data->n);
    if (index == NULL || role == NULL) {
        err_set(err, ERR_NOMEM, "no memory to split %d rows", data->n);
        goto done;
    }
    if (row_groups_find(data, &groups, err) != ERR_OK) {
        goto done;
    }
    train_rows_assign(spec, &groups, data, role);
    row_groups_release(&groups);
    for (int i = 0; i < data->n; i++) {
        counts[role[i]] += says_something(data, i);
    }
    if (check_parts(spec, counts, err) != ERR_OK) {
        goto done;
    }
    for (int which = SPLIT_TRAIN; which <= SPLIT_CALIBRATION; which++) {
        if (take_role(data, role, (enum split_role)which, index, parts[which], err) != ERR_OK) {
            goto done;
        }
    }
    err_kept(train_rows_check_outputs(parts[SPLIT_TRAIN], "that train", err));
done:
    mem_free(index);
    mem_free(role);
    return err->code;
}

enum err_code train_rows_choose_folds(const struct train_spec *spec, const struct train_rows *rows,
                                      int *n_folds, int **fold, struct err *err)
{
    const struct train_calibration *c = &spec->calibration;
    const struct data data = train_rows_user(rows);
    struct row_groups groups = {.n = 0};
    int *places = NULL;
    struct rng rng;
    *n_folds = 1;
    if (c->method != CONFORMAL_CV_PLUS && c->method != CONFORMAL_JACKKNIFE_PLUS) {
        return ERR_OK;
    }
    if (row_groups_find(&data, &groups, err) != ERR_OK ||
        check_folds(c, rows->n, groups.n, err) != ERR_OK) {
        goto done;
    }
    places = mem_alloc_array((size_t)groups.n, sizeof *places);
    if (places == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the folds");
        goto done;
    }
    *n_folds = train_rows_count_folds(c, groups.n);
    rng_init(&rng, (uint64_t)spec->seed, RNG_FOLD, 0);
    rng_permutation(&rng, groups.n, places);
    for (int i = 0; i < rows->n; i++) {
        groups.of[i] = places[groups.of[i]] % *n_folds;
    }
    *fold = groups.of; /* has become the fold of each row */
    groups.of = NULL;
done:
    mem_free(places);
    row_groups_release(&groups);
    return err->code;
}

/* ---- scales ---- */

enum err_code train_rows_fit(const struct train_rows *rows, enum scaler_kind inputs,
                             enum scaler_kind outputs, struct model *model, struct err *err)
{
    bool *skip = mem_zalloc_array((size_t)rows->d, sizeof *skip);
    if (skip == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to scale the rows");
    }
    for (int j = 0; model_has_categories(model) && j < rows->d; j++) {
        skip[j] = model->space->inputs[j].type == SPACE_CATEGORY;
    }
    const struct scaler_rows x = {.n = (size_t)rows->n, .k = rows->d, .v = rows->x, .skip = skip};
    const struct scaler_rows y = {
        .n = (size_t)rows->n, .k = rows->o, .v = rows->y, .holes = rows->present > 0.0};
    if (scaler_fit(inputs, &x, model->in, err) != ERR_OK) {
        err_prefix(err, "inputs");
    } else if (scaler_fit(outputs, &y, model->out, err) != ERR_OK) {
        err_prefix(err, "outputs");
    }
    mem_free(skip);
    return err->code;
}

/* Room for what the network sees, which is more than there are inputs. */
static enum err_code widen(struct train_rows *rows, struct err *err)
{
    mem_free(rows->zx);
    rows->zx = mem_alloc_array((size_t)rows->n * (size_t)rows->width, sizeof *rows->zx);
    return rows->zx != NULL ? ERR_OK
                            : err_set(err, ERR_NOMEM, "no memory for %d training rows", rows->n);
}

/* The noise of rows in scaled units; of a logarithm it is that of the logarithm already. */
static void scale_sigmas(struct train_rows *rows, const struct model *model)
{
    for (size_t c = 0; rows->z_sigmas != NULL && c < (size_t)rows->n * (size_t)rows->o; c++) {
        const struct scaler *s = &model->out[c % (size_t)rows->o];
        rows->z_sigmas[c] = scaler_is_constant(s) ? 1.0 : rows->room.sigmas[c] / s->scale;
    }
}

/* The derivatives of a cell, an output of a row, from the user's: dz_y/dz_x = dz_y/dy dy/dx
 * dx/dz_x. What a category or a constant changes is not known. */
static void scale_slopes(const struct train_rows *rows, const struct model *model, size_t cell)
{
    const double *x = rows->x + cell / (size_t)rows->o * (size_t)rows->d;
    const double *user = rows->room.jacobian + cell * (size_t)rows->d;
    double *out = rows->z_jacobian + cell * (size_t)rows->width;
    double slope = scaler_slope(&model->out[cell % (size_t)rows->o], rows->y[cell]);
    int at = 0;
    for (int k = 0; k < model->d; k++) {
        const struct space_input *input = model->space != NULL ? &model->space->inputs[k] : NULL;
        if (input != NULL && input->type == SPACE_CATEGORY) {
            for (int v = 0; v < input->n_values; v++) {
                out[at++] = NAN;
            }
            continue;
        }
        double by_input = scaler_slope(&model->in[k], x[k]);
        out[at++] = by_input > 0.0 && slope > 0.0 ? user[k] * slope / by_input : (double)NAN;
    }
}

static enum err_code scale_jacobian(struct train_rows *rows, const struct model *model,
                                    struct err *err)
{
    size_t o = (size_t)rows->o;
    size_t width = (size_t)rows->width;
    if (rows->room.jacobian == NULL) {
        return ERR_OK;
    }
    mem_free(rows->z_jacobian);
    rows->z_jacobian = mem_alloc_array((size_t)rows->n * o, width * sizeof *rows->z_jacobian);
    if (rows->z_jacobian == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the derivatives of %d rows", rows->n);
    }
    for (size_t c = 0; c < (size_t)rows->n * o; c++) {
        scale_slopes(rows, model, c);
    }
    return ERR_OK;
}

enum err_code train_rows_scale(struct train_rows *rows, const struct model *model, struct err *err)
{
    const struct scaler_rows x = {.n = (size_t)rows->n, .k = rows->d, .v = rows->x};
    const struct scaler_rows y = {
        .n = (size_t)rows->n, .k = rows->o, .v = rows->y, .holes = rows->present > 0.0};
    rows->width = model->net.arch.inputs;
    if ((rows->width > rows->d && widen(rows, err) != ERR_OK) ||
        model_scale_inputs(model, &x, rows->zx, err) != ERR_OK ||
        scale_jacobian(rows, model, err) != ERR_OK) {
        return err->code;
    }
    scale_sigmas(rows, model);
    return scaler_apply(model->out, &y, rows->zy, err);
}

struct data train_rows_user(const struct train_rows *rows)
{
    return (struct data){.n = rows->n,
                         .d = rows->d,
                         .o = rows->o,
                         .x = rows->x,
                         .y = rows->y,
                         .present = rows->present,
                         .weights = rows->room.weights,
                         .sigmas = rows->room.sigmas,
                         .jacobian = rows->room.jacobian,
                         .kept = rows->room.kept,
                         .mean_weight = rows->mean_weight};
}

struct data train_rows_scaled(const struct train_rows *rows)
{
    struct data data = train_rows_user(rows);
    data.d = rows->width;
    data.x = rows->zx;
    data.y = rows->zy;
    data.sigmas = rows->z_sigmas;
    data.jacobian = rows->z_jacobian;
    data.kept = NULL;
    return data;
}

void train_rows_ranges(const double *v, int n, int k, double *low_high)
{
    for (int j = 0; j < k; j++) {
        double low = INFINITY;
        double high = -INFINITY;
        for (int i = 0; i < n; i++) {
            low = fmin(low, v[(size_t)i * (size_t)k + (size_t)j]);
            high = fmax(high, v[(size_t)i * (size_t)k + (size_t)j]);
        }
        low_high[2 * j] = low;
        low_high[2 * j + 1] = high;
    }
}
