/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a handle to its server, over client/connection. */
#ifndef SERVER_CALL_H
#define SERVER_CALL_H

#include "base/textbuf.h"
#include "client/connection.h"
#include "library/handle.h"

#include <jansson.h>

/* A connection with what it borrows. It belongs to one call at a time. */
struct link {
    struct connection *connection;
    struct endpoint endpoint;
    struct arena arena; /* of the endpoint */
    struct link *next;  /* of those that are idle */
};

/* An idle connection or a new one. ERR_INVALID (address, token, files of TLS), ERR_NOMEM. */
enum err_code link_take(struct surr *s, struct link **out, struct err *err) MUST_CHECK;
/* Back among the idle ones; NULL is fine. */
void link_return(struct surr *s, struct link *link);
/* Closes all that are idle. */
void links_close(struct surr *s);

/*
 * A call with the timeouts and retries of the handle, as connection_call. call->path may be NULL
 * (ERR_NOMEM). The caller releases `answer` in each case.
 */
enum err_code server_call(struct surr *s, struct link *link, struct call *call,
                          struct answer *answer, struct outcome *outcome,
                          struct err *err) MUST_CHECK;

/* The same over a connection of its own, for an answer that is a JSON object; json_decref. */
enum err_code server_ask(struct surr *s, struct call *call, json_t **out, struct outcome *outcome,
                         struct err *err) MUST_CHECK;

/* "/v1/models/NAME" and what follows it as text; in the arena; NULL: memory was short. */
char *server_path(const struct surr *s, struct arena *arena, const char *rest) MUST_CHECK;

/* "/versions/V" and what follows it; version 0: that of the settings. */
char *server_version_path(const struct surr *s, struct arena *arena, int64_t version,
                          const char *rest) MUST_CHECK;

/* ERR_READ_ONLY where the model is in a file. what: "takes no rows". */
enum err_code server_needed(const struct surr *s, const char *what, struct err *err) MUST_CHECK;

#endif
