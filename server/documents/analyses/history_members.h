/* SPDX-License-Identifier: Apache-2.0 */
/* The members that belong to a history match alone. */
#ifndef HISTORY_MEMBERS_H
#define HISTORY_MEMBERS_H

#include "documents/analyses/analysis_request.h"
#include "formats/json_write.h"

#define HISTORY_POINTS 4096 /* of a replicate, by default */

/* ERR_INVALID: a member that history matches do not have. */
enum err_code history_check_keys(const json_t *object, struct err *err) MUST_CHECK;

/* Experiments, noise, points and replicates have been read. ERR_INVALID naming the place,
 * ERR_NOMEM.
 */
enum err_code history_members_read(const json_t *object, struct analysis_request *request,
                                   struct err *err) MUST_CHECK;
void history_members_write(struct json_write *json, const struct analysis_request *request);

#endif
