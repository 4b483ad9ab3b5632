/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a training request that are about the choice of a solver.
 *
 *   {"solver":"auto", "budget_s":60, "budget_fits":40, ..}     what is given of architecture,
 *                    settings, optimizer, noise, prior and scaling of outputs is not chosen
 *   {"solver":"evidence", .., "auto":{"budget_s":60,"budget_fits":0,"fixed":["settings.epochs"]}}
 *                    a version whose solver was chosen, and how it would be chosen again
 */
#ifndef AUTO_JSON_H
#define AUTO_JSON_H

#include "documents/job_spec.h"
#include "formats/json_write.h"

#include <jansson.h>

/* What a request with auto gives: sets `fixed` and `settings` of the choice. The values are read
 * elsewhere. */
void auto_json_read_given(const json_t *request, struct job_auto *choice);

/* The member "auto" of a request that names a solver; without one nothing is chosen. ERR_INVALID.
 */
enum err_code auto_json_read_origin(const json_t *request, struct job_auto *choice,
                                    struct err *err) MUST_CHECK;
void auto_json_write_origin(struct json_write *json, const struct job_auto *choice);

#endif
