/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: the document that says when a model is retrained automatically, and the facts that this
 * decision depends on.
 */
#ifndef POLICY_STORE_H
#define POLICY_STORE_H

#include <stddef.h>

#include "store/models/model_name.h"
#include "store/sqlite/db.h"

/* document: JSON text, opaque here. ERR_NOT_FOUND: no such model. */
enum err_code policy_store_put(struct db *db, const char *model, const char *document,
                               struct err *err) MUST_CHECK;

/* The caller frees *document (mem_free). ERR_NOT_FOUND: no such model, or it has no policy. */
enum err_code policy_store_get(struct db *db, const char *model, char **document,
                               int64_t *changed_ms, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND: no such model, or it has no policy. */
enum err_code policy_store_delete(struct db *db, const char *model, struct err *err) MUST_CHECK;

struct policy_name {
    char model[NAME_MAX_CHARS + 1];
};

/* The models that have a policy. The caller frees *names (mem_free). */
enum err_code policy_store_list(struct db *db, struct policy_name **names, size_t *n_names,
                                struct err *err) MUST_CHECK;

/*
 * "Known" rows are those that the default version was trained on or, if it was registered, those
 * that were stored before it. "New" rows have arrived since the last job took its rows or, if there
 * was none, since the default version was trained.
 */
struct policy_facts {
    int64_t default_version; /* 0: none */
    int64_t n_active;        /* queued and running jobs */
    int64_t last_job_ms;     /* when the last job was created; 0: never */
    int64_t last_end_ms;     /* when it ended; 0: not yet, or there is none */
    bool last_failed;
    int64_t n_rows;      /* all stored rows */
    int64_t n_new;       /* new rows */
    int64_t last_batch;  /* the last batch with new rows; 0: none */
    int64_t last_row_ms; /* when it arrived */
    int64_t known_to;    /* the last batch with known rows; 0: none */
    int64_t n_fresh;     /* rows that are not known */
    bool changed;        /* rows have arrived, or been deleted, since the last job took its rows */
};
enum err_code policy_store_facts(struct db *db, const char *model, struct policy_facts *out,
                                 struct err *err) MUST_CHECK;

#endif
