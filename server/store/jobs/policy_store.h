/* SPDX-License-Identifier: Apache-2.0 */
/* What says when a model is trained again by itself, and the facts it is held against. */
#ifndef POLICY_STORE_H
#define POLICY_STORE_H

#include <stddef.h>

#include "store/models/model_name.h"
#include "store/sqlite/db.h"

/* A document is JSON text of the API's. ERR_NOT_FOUND: no such model. */
enum err_code policy_store_put(struct db *db, const char *model, const char *document,
                               struct err *err) MUST_CHECK;

/* *document is the caller's (mem_free). ERR_NOT_FOUND: no such model, or it has no policy. */
enum err_code policy_store_get(struct db *db, const char *model, char **document,
                               int64_t *changed_ms, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND as above. */
enum err_code policy_store_delete(struct db *db, const char *model, struct err *err) MUST_CHECK;

/* Names of the models that have one; *names is the caller's (mem_free). */
struct policy_name {
    char model[NAME_MAX_CHARS + 1];
};
enum err_code policy_store_list(struct db *db, struct policy_name **names, size_t *n_names,
                                struct err *err) MUST_CHECK;

struct policy_facts {
    int64_t default_version; /* 0: none */
    int64_t n_active;        /* jobs queued or running */
    int64_t last_job_ms;     /* when the last job was asked for; 0: never */
    int64_t last_end_ms;     /* when it ended; 0: not yet, or never */
    bool last_failed;
    int64_t n_rows;      /* there are */
    int64_t n_new;       /* of them came since that job took its rows (or the version did) */
    int64_t last_batch;  /* the newest of all; 0: no new one */
    int64_t last_row_ms; /* when the newest new row came */
    int64_t known_to;    /* last batch of the rows that trained the default, or were there when it
                          * was registered; 0: there were none */
    int64_t n_fresh;     /* rows after it */
    bool changed;        /* rows came or went since the last job took them */
};
enum err_code policy_store_facts(struct db *db, const char *model, struct policy_facts *out,
                                 struct err *err) MUST_CHECK;

#endif
