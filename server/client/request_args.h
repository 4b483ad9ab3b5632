/* SPDX-License-Identifier: Apache-2.0 */
/* JSON requests from the command line: --request FILE and --set NAME=VALUE. */
#ifndef REQUEST_ARGS_H
#define REQUEST_ARGS_H

#include "client/client.h"

/* Is a name without a dot a part of the request? Any other is a member of "settings". */
typedef bool request_top_fn(const char *name);

/* *out: the object in the file of --request, or an empty one; for json_decref. ERR_INVALID,
 * ERR_NOMEM. */
enum err_code request_args_read(struct client *client, json_t **out, struct err *err) MUST_CHECK;

/* Sets what "seed=1" or "architecture.width=16" says. The value is JSON, or else a text.
 * is_top_level NULL: every name is a part of the request. ERR_INVALID, ERR_NOMEM. */
enum err_code request_args_apply(struct client *client, json_t *request, const char *setting,
                                 request_top_fn *is_top_level, struct err *err) MUST_CHECK;

/* The whole request: the file, the values of --set, and the words after the first one. */
enum err_code request_args_make(struct client *client, json_t **out, struct err *err) MUST_CHECK;

#endif
