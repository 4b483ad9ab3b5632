/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request is called in logs and answers: its X-Request-Id, and the W3C trace it belongs to
 * (traceparent). An id that the client sends is kept if it is plain and short. A missing id is made
 * only when something has to name the request, so that a prediction pays nothing for it.
 */
#ifndef TRACE_H
#define TRACE_H

#include "http/exchange.h"

#define TRACE_MAX_ID       64 /* characters of an X-Request-Id; a longer one is not used */
#define TRACE_PARENT_CHARS 55

struct trace {
    const char *id;     /* the client's; "": it sent none that can be used */
    const char *parent; /* the client's; "": none */
    char made[17];      /* in place of a missing id */
};

/* The texts are the request's. */
struct trace trace_of(const struct request *req);

/* The id, which is made if there is none yet. */
const char *trace_id(struct trace *trace);

/* Letters, digits and -_.:/+=@, 1 to TRACE_MAX_ID of them. */
bool trace_id_is_valid(const char *text);
/* Version 00 with ids that are not all zero, in lower case (W3C Trace Context, 3.2.2). */
bool trace_parent_is_valid(const char *text);

/* Puts into an answer what the client sent; with `always`, an id that was made too. The request's
 * arena keeps it. */
void trace_answer(struct trace *trace, bool always, const struct request *req,
                  struct response *res);

#endif
