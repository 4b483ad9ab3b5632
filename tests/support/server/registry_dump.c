/* SPDX-License-Identifier: Apache-2.0 */
#include "registry_dump.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/data/data_read.h"
#include "store/jobs/policy_store.h"
#include "store/models/model_store.h"
#include "store/models/model_view.h"

struct sums {
    int64_t n;
    uint64_t rows;
    int64_t n_batches;
    int64_t n_duplicates;
};

static enum err_code begin(void *ctx, const struct data_summary *summary,
                           const struct training_data *data, struct err *err)
{
    struct sums *sums = ctx;
    (void)err;
    ck_assert_int_eq(summary->n_rows, data->n_rows);
    sums->n_batches = data->n_batches;
    return ERR_OK;
}

/* The sum of the rows' hashes (FNV-1a), which does not know their order. */
static enum err_code visit(void *ctx, const struct data_run *run, struct err *err)
{
    struct sums *sums = ctx;
    size_t width = (size_t)(run->d + run->o);
    (void)err;
    for (int64_t i = 0; i < run->n; i++) {
        const unsigned char *bytes = (const unsigned char *)(run->rows + (size_t)i * width);
        uint64_t hash = 14695981039346656037u;
        for (size_t k = 0; k < width * sizeof(double); k++) {
            hash = (hash ^ bytes[k]) * 1099511628211u;
        }
        sums->rows += hash;
    }
    sums->n += run->n;
    return ERR_OK;
}

static void add_batch(void *ctx, const struct data_batch *batch)
{
    struct sums *sums = ctx;
    sums->n_duplicates += batch->n_duplicates;
}

static int by_digest(const void *a, const void *b)
{
    return strcmp(((const struct version_row *)a)->digest, ((const struct version_row *)b)->digest);
}

static const char *digest_of(const struct model_view *view, int64_t version)
{
    for (size_t i = 0; i < view->n_versions; i++) {
        if (view->versions[i].version == version) {
            return view->versions[i].digest;
        }
    }
    return version == 0 ? "none" : "gone";
}

static size_t dump_promotions(struct db *db, const struct model_view *view, char *out, size_t size)
{
    struct err err = ERR_INIT;
    struct promotion_row *rows = NULL;
    size_t n = 0;
    size_t len = 0;
    ck_assert_msg(model_store_promotions(db, "m", 100, &rows, &n, &err) == ERR_OK, "%s", err.msg);
    for (size_t i = 0; i < n; i++) {
        len +=
            (size_t)snprintf(out + len, size - len, "%.8s<%.8s ", digest_of(view, rows[i].version),
                             digest_of(view, rows[i].previous));
    }
    mem_free(rows);
    return len;
}

static size_t dump_policy(struct db *db, char *out, size_t size)
{
    struct err err = ERR_INIT;
    char *document = NULL;
    int64_t changed_ms = 0;
    enum err_code code = policy_store_get(db, "m", &document, &changed_ms, &err);
    ck_assert_msg(code == ERR_OK || code == ERR_NOT_FOUND, "%s", err.msg);
    size_t len = (size_t)snprintf(out, size, "%s ", code == ERR_OK ? document : "no policy");
    mem_free(document);
    return len;
}

/* Versions, what they are and were called, what is kept. */
static size_t dump_model(struct db *db, char *out)
{
    struct err err = ERR_INIT;
    struct model_view view;
    size_t len = 0;
    enum err_code code = model_store_view(db, "m", &view, &err);
    ck_assert_msg(code == ERR_OK || code == ERR_NOT_FOUND, "%s", err.msg);
    if (code != ERR_OK) {
        return 0;
    }
    qsort(view.versions, view.n_versions, sizeof *view.versions, by_digest);
    for (size_t i = 0; i < view.n_versions; i++) {
        const struct version_row *row = &view.versions[i];
        void *bytes = NULL;
        size_t n_bytes = 0;
        ck_assert_msg(!row->damaged, "damaged: %s", row->reason);
        ck_assert_msg(model_store_load(db, "m", row->version, &bytes, &n_bytes, &err) == ERR_OK,
                      "%s", err.msg);
        mem_free(bytes);
        len += (size_t)snprintf(out + len, REGISTRY_DUMP - len, "%.8s%s ", row->digest,
                                row->is_default ? "*" : "");
    }
    for (size_t i = 0; i < view.n_aliases; i++) {
        len += (size_t)snprintf(out + len, REGISTRY_DUMP - len, "%s=%.8s ", view.aliases[i].alias,
                                digest_of(&view, view.aliases[i].version));
    }
    len += (size_t)snprintf(out + len, REGISTRY_DUMP - len, "previous %.8s, kept %lld, ",
                            digest_of(&view, view.row.previous_version),
                            (long long)view.row.keep_versions);
    len += dump_promotions(db, &view, out + len, REGISTRY_DUMP - len);
    len += dump_policy(db, out + len, REGISTRY_DUMP - len);
    model_view_release(&view);
    return len;
}

void registry_dump(struct db *db, char *out)
{
    struct err err = ERR_INIT;
    struct sums sums = {.n = 0};
    struct data_reading reading = {.begin = begin, .visit = visit, .ctx = &sums};
    size_t len = dump_model(db, out);
    enum err_code code = data_store_read(db, "m", &reading, &err);
    ck_assert_msg(code == ERR_OK || code == ERR_NOT_FOUND, "%s", err.msg);
    if (code == ERR_OK) {
        struct data_listing listing = {.limit = 1000, .visit = add_batch, .ctx = &sums};
        ck_assert_int_eq(data_store_batches(db, "m", &listing, &err), ERR_OK);
    }
    snprintf(out + len, REGISTRY_DUMP - len, "%lld rows %016llx, %lld batches, %lld duplicates",
             (long long)sums.n, (unsigned long long)sums.rows, (long long)sums.n_batches,
             (long long)sums.n_duplicates);
}
