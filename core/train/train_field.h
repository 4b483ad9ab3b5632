/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training on outputs that are fields: a reduction is found from the rows that train, the network
 * learns its coefficients as it would learn any outputs, and the model that comes of it is judged,
 * calibrated and scored by whole fields.
 */
#ifndef TRAIN_FIELD_H
#define TRAIN_FIELD_H

#include "train/train_priv.h"

struct train_field;

/* ERR_INVALID naming the first row that misses some of its outputs and not all. */
enum err_code train_field_check(const struct data *data, struct err *err) MUST_CHECK;

/* train_run for a spec with a reduction. Its errors, and: ERR_INVALID for a row that misses some of
 * its outputs, those of reduction_fit. */
enum err_code train_field_run(const struct train_run *run, struct model **out,
                              struct err *err) MUST_CHECK;

/*
 * The model of the coefficients, which is not published yet, becomes that of the fields, and the
 * rows of the trainee become fields again. ERR_NOMEM.
 */
enum err_code train_field_attach(struct train_field *field, struct trainee *t,
                                 struct err *err) MUST_CHECK;

/* Warns of poor predictions of the kept fields, which have been scored. ERR_NOMEM. */
enum err_code train_field_judge(struct trainee *t, struct err *err) MUST_CHECK;

/* The train_run of coefficients (train.c). */
enum err_code train_run_coefficients(const struct train_run *run, struct train_field *field,
                                     struct model **out, struct err *err) MUST_CHECK;

#endif
