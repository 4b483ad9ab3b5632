/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that handlers share: reading what a path names, sending JSON. */
#ifndef REPLY_H
#define REPLY_H

#include "api/app.h"
#include "base/textbuf.h"
#include "formats/json_read.h"
#include "store/data/training_data.h"
#include "store/models/model_view.h"

/* Sends the text as application/json; ERR_NOMEM when writing it ran short. */
enum err_code reply_json(struct response *res, int status, struct textbuf *text,
                         struct err *err) MUST_CHECK;

/* A path or query parameter as a model name. ERR_INVALID with the rule. */
enum err_code reply_model_name(const char *text, const char **name, struct err *err) MUST_CHECK;

/* A version in JSON: a number from 1, or its text (version_ref.h). `where` names it. */
enum err_code reply_version(const json_t *value, const char *where, struct version_ref *ref,
                            struct err *err) MUST_CHECK;

/* A job's number in a path. */
enum err_code reply_job_id(const char *text, int64_t *id, struct err *err) MUST_CHECK;

/* The number of some other thing in a path; ERR_NOT_FOUND with its name when it is none. */
enum err_code reply_number(const char *text, const char *what, int64_t *number,
                           struct err *err) MUST_CHECK;

/* A number in the query; stays as it is when the key is absent. low: 0 or 1. ERR_INVALID. */
enum err_code reply_query_int(const struct request *req, const char *key, int64_t low, int64_t high,
                              int64_t *out, struct err *err) MUST_CHECK;

/* Appends the rows that something was trained on as a JSON object, or null. */
void reply_training_data(struct textbuf *text, const struct training_data *data);

/* Appends `before` and a number of a version, or null for 0. */
void reply_version_number(struct textbuf *text, const char *before, int64_t number);

/* Appends the aliases of a model as a JSON array. */
void reply_aliases(struct textbuf *text, const struct model_view *view);

/* Appends an ISO 8601 UTC time as a JSON string, or null for 0. */
void reply_time(struct textbuf *text, int64_t time_ms);

/* True, after a 304 or 412 has been chosen, when the conditional headers end the exchange. */
enum err_code reply_etag(const struct request *req, struct response *res, const char *digest,
                         bool *not_modified, struct err *err) MUST_CHECK;

#endif
