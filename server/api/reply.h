/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers share: reading what a path or a query names, sending JSON. */
#ifndef REPLY_H
#define REPLY_H

#include "api/app.h"
#include "base/textbuf.h"
#include "formats/json_read.h"
#include "formats/json_stream.h"
#include "formats/json_write.h"
#include "store/data/training_data.h"
#include "store/models/model_view.h"

/* Sends what was written as application/json. ERR_NOMEM when memory ran out while writing. */
enum err_code reply_json(struct response *res, int status, const struct json_write *json,
                         struct err *err) MUST_CHECK;

/* Sends another text, with status 200. ERR_NOMEM. */
enum err_code reply_text(struct response *res, const char *type, struct textbuf *text,
                         struct err *err) MUST_CHECK;

/* The same for a stream that has ended, which lies in the arena: a short text whole, with its
 * length; a long one as the client takes it. ERR_NOMEM. */
enum err_code reply_stream(struct response *res, struct json_stream *stream, struct arena *arena,
                           struct err *err) MUST_CHECK;

/* A parameter of the path as the name of a model. ERR_INVALID, with the rule. */
enum err_code reply_model_name(const char *text, const char **name, struct err *err) MUST_CHECK;

/* A version in JSON: a number from 1, or its text (version_ref.h). `where` names it. */
enum err_code reply_version(const json_t *value, const char *where, struct version_ref *ref,
                            struct err *err) MUST_CHECK;

/* The number of a job, a batch or the like in the path; `what` names it. ERR_NOT_FOUND. */
enum err_code reply_number(const char *text, const char *what, int64_t *number,
                           struct err *err) MUST_CHECK;

/* A number in the query, written in digits; *out stays when the key is absent. low: 0 or 1.
 * ERR_INVALID. */
enum err_code reply_query_int(const struct request *req, const char *key, int64_t low, int64_t high,
                              int64_t *out, struct err *err) MUST_CHECK;

/* After ERR_SYNTAX in JSON rows: if the body looks like a table, says why it was read as JSON. */
void reply_explain_syntax(const struct request *req, struct err *err);

/* ---- values that several answers have; key as in json_write.h ---- */

/* The rows that something was trained on, or null when they are not known. */
void reply_write_training_data(struct json_write *json, const char *key,
                               const struct training_data *data);

/* The number of a version, a job and the like, from 1; null for 0. */
void reply_write_positive(struct json_write *json, const char *key, int64_t number);

void reply_write_aliases(struct json_write *json, const char *key, const struct model_view *view);

/* An ISO 8601 time in UTC, or null for 0. */
void reply_write_time(struct json_write *json, const char *key, int64_t time_ms);

/*
 * Sets ETag. *not_modified: If-None-Match has the same tag, status 304 is set and no body is
 * needed. digest: of the version, in hexadecimal. ERR_NOMEM.
 */
enum err_code reply_etag(const struct request *req, struct response *res, const char *digest,
                         bool *not_modified, struct err *err) MUST_CHECK;

#endif
