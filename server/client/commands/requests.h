/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for jobs from the command line: a file, settings, and the job that answers. */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "client/client.h"

#include <jansson.h>

/* *out: the object in the file of --request, or an empty one; the caller's, also after a failure.
 */
enum err_code request_read(struct client *client, json_t **out, struct err *err) MUST_CHECK;

/* Where a name without a dot belongs, in the client's arena; NULL: no memory. */
typedef char *request_place_fn(struct client *client, char *name);

/* Sets what "epochs=300" or "architecture.width=16" says; place NULL: where the name says. */
enum err_code request_apply(struct client *client, json_t *request, const char *setting,
                            request_place_fn *place, struct err *err) MUST_CHECK;
/* All of --set, and the words from first_word on. */
enum err_code request_apply_all(struct client *client, json_t *request, int first_word,
                                request_place_fn *place, struct err *err) MUST_CHECK;

/* Posts to /v1/models/WORD/route and tells people of the job, whose id is in the arena. request
 * NULL: no body. */
enum err_code request_queue(struct client *client, const char *route, const char *request,
                            char **id, struct err *err) MUST_CHECK;

#endif
