/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who changed what, when and from where. Each request that changed something, or tried to and was
 * refused, gets a log line and an entry in a ring in memory, which GET /v1/audit shows. The log is
 * the lasting record; the ring ends with the process.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include "base/log.h"
#include "access/token.h"
#include "http/exchange.h"

#include <pthread.h>

#define AUDIT_ENTRIES    1000
#define AUDIT_PATH_CHARS 160

struct audit_entry {
    int64_t id; /* from 1, one more with each entry */
    int64_t at_ms;
    char who[TOKEN_ID_CHARS + 1];
    char from[EXCHANGE_ADDRESS_CHARS]; /* "": not known */
    const char *method;                /* constant */
    const char *route;                 /* constant: the pattern */
    char path[AUDIT_PATH_CHARS];       /* cut if it is longer */
    int status;
};

struct audit {
    pthread_mutex_t lock;
    /* guarded by lock: */
    int64_t newest; /* id of the last entry; 0: there is none */
    struct audit_entry entries[AUDIT_ENTRIES];
};

/* ERR_NOMEM. */
enum err_code audit_new(struct audit **out, struct err *err) MUST_CHECK;
void audit_free(struct audit *audit); /* NULL is fine */

/* Keeps and logs a request that was answered. */
void audit_add(struct audit *audit, const struct log *log, const struct request *req,
               const char *route, int status);

/* Copies at most n entries with ids above `after`, oldest first. Returns how many. */
int audit_read(struct audit *audit, int64_t after, struct audit_entry *out, int n);

/* The id after which the newest n follow. */
int64_t audit_before_newest(struct audit *audit, int n);

#endif
