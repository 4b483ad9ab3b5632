/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that are no targets, and constraints, of a training request (core/train/train_roles.h):
 *
 *   "columns":[{"name":"w","role":"weight"}, {"name":"y_sd","role":"sigma","of":"y"},
 *              {"name":"dy_dx","role":"derivative","of":"y","by":"x"},
 *              {"name":"kept","role":"validation"}]
 *   "constraints":[{"kind":"monotone","input":"x","output":"y","direction":"rising"},
 *                  {"kind":"positive","output":"y"},
 *                  {"kind":"periodic","input":"angle","low":0,"high":6.283}]
 *
 * the list of a schedule, "rates":[[epoch, rate], ..], and what is given of chains,
 * "chains":{"starts":[[..]], "covariance":[[..]]}.
 */
#ifndef TRAIN_ROLES_JSON_H
#define TRAIN_ROLES_JSON_H

#include "fit/optim.h"
#include "formats/json_write.h"
#include "train/train.h"

#include <jansson.h>

/* Both members of a request, which may be absent. On failure what was read is the caller's to
 * release. ERR_INVALID naming the key; ERR_LIMIT; ERR_NOMEM. */
enum err_code train_roles_json_read(const json_t *request, struct train_roles *roles,
                                    struct err *err) MUST_CHECK;

/* Both members, where there is something to write. */
void train_roles_json_write(struct json_write *json, const struct train_roles *roles);

/* The rates of a schedule's object, which may have none. */
enum err_code train_rates_json_read(const json_t *schedule, struct optim_settings *settings,
                                    struct err *err) MUST_CHECK;
void train_rates_json_write(struct json_write *json, const struct optim_settings *settings);

/* The member of a request, which may be absent. On failure the caller releases what was read.
 * ERR_INVALID naming the place; ERR_LIMIT; ERR_NOMEM. */
enum err_code train_chains_json_read(const json_t *request, struct train_chains *chains,
                                     struct err *err) MUST_CHECK;
void train_chains_json_write(struct json_write *json, const struct train_chains *chains);

#endif
