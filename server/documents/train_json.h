/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a training request (documents/job_json) that is about the training itself. Absent
 * settings have the defaults of train_defaults. The objects and their keys are the tables of
 * documents/request_fields.c; "settings" has the solver's keys of core/solve/solver_settings.def.
 *
 *   {"solver":"ensemble", "architecture":{..}, "seed":1,            without one: auto (auto_json)
 *    "settings":{"members":8,"epochs":600, ..},
 *    "optimizer":{"name":"adam","learning_rate":0.01, ..},
 *    "noise":{"kind":"given","sigma":[0.1]}               or estimated, learned, predicted
 *    "prior":{"sigma":1,"pre":..,"post":..,"blocks":..,"fan_in":false}          null: flat
 *    "calibration":{"method":"split","share":0.2}         or none, cv+ with folds, jackknife+
 *    "split":{"validation":0.1}, "scaling":{"inputs":"range","outputs":"unit"},
 *    "precision":"auto", "start":"cold"}               or warm: from the served version
 */
#ifndef TRAIN_JSON_H
#define TRAIN_JSON_H

#include "documents/job_spec.h"
#include "formats/json_write.h"

#include <jansson.h>

/*
 * Reads `train` and `choice` of a spec. ERR_INVALID naming the key. On success the spec is valid
 * (train_validate, auto_validate) and the caller's to release. Keys of the rest of a request are
 * allowed and not read.
 */
enum err_code train_json_read(const json_t *object, struct job_spec *spec,
                              struct err *err) MUST_CHECK;

/* Writes every setting, so that the text means the same when defaults change: members of an
 * object. Of auto those that are not to be chosen. */
void train_json_write_members(struct json_write *json, const struct job_spec *spec);

#endif
