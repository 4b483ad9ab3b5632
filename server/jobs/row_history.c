/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/row_history.h"

#include "base/mem.h"
#include "documents/job_json.h"
#include "fit/split.h"
#include "store/data/data_read.h"
#include "store/jobs/job_read.h"

#include <string.h>

void row_history_release(struct row_history *history)
{
    version_rows_release(&history->rows);
    history->n_unsure = 0;
}

bool row_history_has_seen(const struct row_history *history, const struct row_prints *prints,
                          size_t i)
{
    return i < (size_t)history->n_unsure || row_set_has(&history->rows.trained, prints->prints[i]);
}

bool row_history_had(const struct row_history *history, const struct row_prints *prints, size_t i)
{
    return row_history_has_seen(history, prints, i) ||
           row_set_has(&history->rows.kept, prints->prints[i]);
}

/* How many of the rows are in the batches up to this one. */
static enum err_code count_until(const struct row_prints *prints, int64_t batch, int *n,
                                 struct err *err)
{
    int64_t found = 0;
    if (batch > 0 &&
        data_store_rows_until(prints->db, prints->model, batch, &found, err) != ERR_OK) {
        return err->code;
    }
    *n = found < prints->data->n ? (int)found : prints->data->n;
    return ERR_OK;
}

/* roles [n] become 1 where a row was kept out. */
static enum err_code take_roles(const struct row_prints *prints, unsigned char *roles, size_t n,
                                struct version_rows *out, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        roles[i] = roles[i] != SPLIT_TRAIN;
    }
    return row_set_of(prints->prints, roles, n, 0, &out->trained, err) == ERR_OK
               ? row_set_of(prints->prints, roles, n, 1, &out->kept, err)
               : err->code;
}

/* ---- of a version ---- */

/* Splits the first n rows as the version's settings say. *done: they do. */
static enum err_code split_again(const struct row_prints *prints, const struct model *model, int n,
                                 struct row_history *out, bool *done, struct err *err)
{
    struct job_spec spec = {.promote = false};
    const char *settings = model->settings;
    *done = false;
    if (settings == NULL) {
        return ERR_OK;
    }
    if (job_json_parse(settings, strlen(settings), &spec, err) != ERR_OK) {
        if (err->code != ERR_NOMEM) {
            err_clear(err); /* it cannot be told */
        }
        return err->code;
    }
    unsigned char *roles = mem_alloc((size_t)n);
    if (roles == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the rows of a version");
    } else {
        split_rows((uint64_t)spec.train.seed, n, spec.train.validation,
                   train_calibration_share(&spec.train), roles);
        *done = take_roles(prints, roles, (size_t)n, &out->rows, err) == ERR_OK;
    }
    mem_free(roles);
    train_spec_release(&spec.train);
    return err->code;
}

/* What is known of a version without a record. */
struct origin {
    struct training_data data; /* its fingerprint is "" if nothing is known of a training */
    int64_t base;              /* the version that its training started from; 0: none */
    int64_t last;              /* the last batch whose rows may have trained it */
};

static enum err_code find_origin(struct db *db, const char *model, int64_t version,
                                 struct origin *out, struct err *err)
{
    *out = (struct origin){.base = 0};
    if (job_store_training_data(db, model, version, &out->data, &out->base, err) != ERR_OK) {
        return err->code;
    }
    out->last = out->data.last_batch;
    return out->data.fingerprint[0] == '\0'
               ? version_rows_store_last_before(db, model, version, &out->last, err)
               : ERR_OK;
}

static enum err_code reconstruct(const struct row_prints *prints, const struct served *version,
                                 struct row_history *out, struct err *err)
{
    struct origin from;
    int n = 0;
    bool done = false;
    if (find_origin(prints->db, prints->model, version->version, &from, err) != ERR_OK ||
        count_until(prints, from.last, &n, err) != ERR_OK) {
        return err->code;
    }
    /* Batches are only deleted as a whole, so with as many rows they are the same ones. */
    if (from.data.fingerprint[0] != '\0' && from.base == 0 && n == from.data.n_rows &&
        split_again(prints, version->model, n, out, &done, err) != ERR_OK) {
        return err->code;
    }
    out->rows.unsure_to = done ? 0 : from.last;
    out->n_unsure = done ? 0 : n;
    return ERR_OK;
}

enum err_code row_history_on_record(struct db *db, const char *model, int64_t version,
                                    struct version_rows *out, struct err *err)
{
    struct origin from;
    *out = (struct version_rows){.unsure_to = 0};
    if (version_rows_store_find(db, model, version, out, err) == ERR_NOT_FOUND ||
        err->code == ERR_CORRUPT) {
        err_clear(err);
        if (find_origin(db, model, version, &from, err) == ERR_OK) {
            out->unsure_to = from.last;
        }
    }
    return err->code;
}

enum err_code row_history_of_version(const struct row_prints *prints, const struct served *version,
                                     struct row_history *out, struct err *err)
{
    *out = (struct row_history){.n_unsure = 0};
    if (version_rows_store_find(prints->db, prints->model, version->version, &out->rows, err) ==
        ERR_OK) {
        return count_until(prints, out->rows.unsure_to, &out->n_unsure, err);
    }
    if (err->code == ERR_NOT_FOUND || err->code == ERR_CORRUPT) {
        err_clear(err);
        return reconstruct(prints, version, out, err);
    }
    return err->code;
}

/* ---- of a training ---- */

enum err_code row_history_of_training(const struct row_prints *prints, unsigned char *roles,
                                      const struct served *base, struct row_history *out,
                                      struct err *err)
{
    struct row_history before = {.n_unsure = 0};
    *out = (struct row_history){.n_unsure = 0};
    if (take_roles(prints, roles, (size_t)prints->data->n, &out->rows, err) == ERR_OK &&
        base != NULL && row_history_of_version(prints, base, &before, err) == ERR_OK &&
        row_set_add(&out->rows.trained, &before.rows.trained, err) == ERR_OK) {
        out->rows.unsure_to = before.rows.unsure_to;
        out->n_unsure = before.n_unsure;
    }
    row_history_release(&before);
    return err->code;
}
