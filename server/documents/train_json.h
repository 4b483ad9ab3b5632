/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training request (documents/job_json) says of the training itself. Absent settings have
 * the defaults of train_defaults.
 *
 *   {"solver":"ensemble", "architecture":{..}, "seed":1,
 *    "settings":{"members":8,"epochs":600, ..}            what the solver knows:
 * core/solve/solver_settings.def "optimizer":{"name":"adam","learning_rate":0.01, ..},
 *    "noise":{"kind":"given","sigma":[0.1]}               or estimated, learned, predicted
 *    "prior":{"sigma":1,"pre":..,"post":..,"blocks":..,"fan_in":false}          null: flat
 *    "calibration":{"method":"split","share":0.2}         or none, cv+ with folds, jackknife+
 *    "split":{"validation":0.1}, "scaling":{"inputs":"range","outputs":"unit"},
 *    "precision":"float64", "start":"cold"}               or warm: from the served version
 */
#ifndef TRAIN_JSON_H
#define TRAIN_JSON_H

#include "formats/json_write.h"
#include "train/train.h"

#include <jansson.h>

/* ERR_INVALID naming the key; else the spec is valid (train_validate) and the caller's to release.
 */
enum err_code train_json_read(const json_t *object, struct train_spec *spec,
                              struct err *err) MUST_CHECK;

/* Every setting written out, so that it means the same when defaults change; without the braces. */
void train_json_write_members(struct json_write *json, const struct train_spec *spec);

#endif
