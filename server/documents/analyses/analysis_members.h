/* SPDX-License-Identifier: Apache-2.0 */
/* The members of an analysis request that belong to a kind, and names of inputs and outputs. */
#ifndef ANALYSIS_MEMBERS_H
#define ANALYSIS_MEMBERS_H

#include "documents/analyses/analysis_request.h"
#include "formats/json_write.h"

/* ERR_INVALID: a member that requests of this kind do not have, with those that they have. */
enum err_code analysis_check_keys(const json_t *object, enum analyse_kind kind,
                                  struct err *err) MUST_CHECK;

/* Reads those of request->spec.kind. ERR_INVALID, ERR_NOMEM. */
enum err_code analysis_members_read(const json_t *object, struct analysis_request *request,
                                    struct err *err) MUST_CHECK;
void analysis_members_write(struct json_write *json, const struct analysis_request *request);

/* *at <- the place of a name; `where` names the member in messages. ERR_INVALID. */
enum err_code analysis_find_input(const struct space *space, const char *name, const char *where,
                                  int *at, struct err *err) MUST_CHECK;
enum err_code analysis_find_output(const struct space *space, const json_t *name, const char *where,
                                   int *at, struct err *err) MUST_CHECK;

/* The value of an input: a number, or a member of a category. ERR_INVALID. */
enum err_code analysis_read_value(const struct space_input *input, const json_t *value,
                                  const char *where, double *out, struct err *err) MUST_CHECK;
/* As a member of an object. */
void analysis_write_value(struct json_write *json, const struct space_input *input, double value);

#endif
