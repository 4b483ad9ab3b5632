/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the rows of a version: which of the rows of a training trained it, and which it
 * had and kept out.
 *
 * A version that was trained here has a record (store/models/version_rows_store.h). Of versions of
 * registries before schema 8 the rows can be split again as they were, as long as all of them are
 * there. Of what is neither, a registered version above all, only this is known: rows that came
 * after it cannot have trained it.
 */
#ifndef ROW_HISTORY_H
#define ROW_HISTORY_H

#include "documents/job_spec.h"
#include "fit/data.h"
#include "live/models.h"
#include "store/models/version_rows_store.h"

/* The rows of a training. */
struct row_prints {
    struct db *db;
    const char *model;
    const struct data *data;
    const uint32_t *prints; /* [data->n] (row_set.h) */
};

struct row_history {
    struct version_rows rows;
    int n_unsure; /* so many first rows of the training may have trained it as well */
};

/* A zeroed one may be released. */
void row_history_release(struct row_history *history);

/* ERR_NOMEM; errors of reading the store. The caller releases *out in any case. */
enum err_code row_history_of_version(const struct row_prints *prints, const struct served *version,
                                     struct row_history *out, struct err *err) MUST_CHECK;

/* Only what is recorded: without a record no row is in the sets, and those of batches up to
 * out->unsure_to may have trained it. Errors of reading the store. The caller releases *out. */
enum err_code row_history_on_record(struct db *db, const char *model, int64_t version,
                                    struct version_rows *out, struct err *err) MUST_CHECK;

/*
 * That of a training on these rows. roles [n] become 1 where a row was kept out, else 0. base: the
 * version that the training started from, all of whose rows count; NULL: none.
 */
enum err_code row_history_of_training(const struct row_prints *prints, unsigned char *roles,
                                      const struct served *base, struct row_history *out,
                                      struct err *err) MUST_CHECK;

/* Did row i train it, or may it have? */
bool row_history_has_seen(const struct row_history *history, const struct row_prints *prints,
                          size_t i);
/* Did it have row i? */
bool row_history_had(const struct row_history *history, const struct row_prints *prints, size_t i);

#endif
