/* SPDX-License-Identifier: Apache-2.0 */
#include "store/care/check_file.h"

#include <string.h>

#include "base/phrase.h"
#include "store/care/check_content.h"
#include "store/data/data_stats.h"
#include "store/data/row_run.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_file.h"
#include "store/sqlite/query.h"

#define PROGRESS_OPS 2000 /* instructions of SQLite between two calls of progress */

/* ---- pages and references ---- */

static int ask_whether_to_stop(void *ctx)
{
    const struct checking *c = ctx;
    return !c->calls->progress(c->calls->ctx, "pages", 0, 0);
}

static enum err_code check_pages(struct checking *c, struct err *err)
{
    char text[200];
    struct err one = ERR_INIT;
    sqlite3_progress_handler(c->conn->sqlite, PROGRESS_OPS, ask_whether_to_stop, c);
    struct query q = query_open(c->conn, SQL_INTEGRITY_CHECK, &one);
    while (query_row(&q)) {
        query_get_text(&q, 0, text, sizeof text);
        if (strcmp(text, "ok") != 0) {
            text[strcspn(text, "\n")] = '\0';
            checking_found(c, "integrity check: %s; restore a backup", text);
        }
    }
    err_kept(query_close(&q));
    if (one.code == ERR_OK) {
        q = query_open(c->conn, SQL_FOREIGN_KEY_CHECK, &one);
        while (query_row(&q)) {
            query_get_text(&q, 0, text, sizeof text);
            checking_found(c, "row %lld of table %s refers to what is not there; restore a backup",
                           (long long)query_get_int(&q, 1), text);
        }
        err_kept(query_close(&q));
    }
    sqlite3_progress_handler(c->conn->sqlite, 0, NULL, NULL);
    if (one.code != ERR_OK) {
        err_kept(checking_forgive(c, &one, err,
                                  "the file's pages cannot all be read; restore a backup"));
    }
    c->report->n_broken = c->report->n_findings;
    return err->code;
}

/* ---- what must agree ---- */

static enum err_code check_default(struct checking *c, const struct check_model *model,
                                   struct err *err)
{
    int64_t last = 0;
    struct stored_version stored;
    if (model_get_version(c->conn, model->id, model->default_version, &stored, err) != ERR_OK ||
        query_number_for(c->conn, SQL_CHECK_LAST_VERSION, ":model", model->id, &last, err) !=
            ERR_OK) {
        return err->code;
    }
    if (model->default_version != 0 && !stored.found) {
        checking_found(c, "model %s: its default version %lld is not there; promote another",
                       model->name, (long long)model->default_version);
    }
    if (model->next_version <= last) {
        checking_found(
            c,
            "model %s: its next version would be %lld, but there is %lld already; restore "
            "a backup",
            model->name, (long long)model->next_version, (long long)last);
    }
    return ERR_OK;
}

/* Of a deleted model only its row is left. */
static enum err_code check_owned(struct checking *c, const struct check_model *model,
                                 struct err *err)
{
    int64_t n = model->default_version != 0;
    struct query q = query_open(c->conn, SQL_CHECK_OWNED, err);
    query_int(&q, ":model", model->id);
    if (query_row(&q)) {
        n += query_get_int(&q, 0) + query_get_int(&q, 1) + query_get_int(&q, 2);
    }
    if (query_close(&q) == ERR_OK && c->report->schema >= 2) {
        q = query_open(c->conn, SQL_CHECK_OWNED_DATA, err);
        query_int(&q, ":model", model->id);
        if (query_row(&q)) {
            n += query_get_int(&q, 0) + query_get_int(&q, 1);
        }
        err_kept(query_close(&q));
    }
    if (err->code == ERR_OK && n > 0) {
        checking_found(
            c,
            "model %s is deleted, but versions, rows or jobs of it are there; register a "
            "version of that name and delete the model again",
            model->name);
    }
    return err->code;
}

/* What the batches of a model add up to. */
struct counts {
    int64_t n_batches, n_rows;
    int64_t n_without_digest; /* of an older file, before data_upgrade */
    int64_t d[2], o[2];       /* smallest and largest */
};

static enum err_code read_counts(struct checking *c, int64_t model, struct counts *counts,
                                 struct err *err)
{
    *counts = (struct counts){.n_batches = 0};
    struct query q = query_open(c->conn, SQL_CHECK_COUNTS, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        *counts = (struct counts){query_get_int(&q, 0),
                                  query_get_int(&q, 1),
                                  query_get_int(&q, 2),
                                  {query_get_int(&q, 3), query_get_int(&q, 4)},
                                  {query_get_int(&q, 5), query_get_int(&q, 6)}};
    }
    return query_close(&q);
}

static bool statistics_agree(const struct counts *counts, const struct data_stats *stats)
{
    bool same = stats->n_batches == counts->n_batches && stats->n_rows == counts->n_rows;
    bool shape = counts->d[0] == stats->d && counts->d[1] == stats->d && counts->o[0] == stats->o &&
                 counts->o[1] == stats->o;
    return same && (counts->n_batches == 0 || shape);
}

/* Does the index have an entry for each row, and each run the entries that it should have? */
static enum err_code check_index(struct checking *c, const struct check_model *model,
                                 int64_t n_rows, struct err *err)
{
    static const char advice[] = "duplicates may pass as new rows; restore a backup";
    int64_t n_entries = 0;
    struct query q = query_open(c->conn, SQL_CHECK_RUNS, err);
    query_int(&q, ":model", model->id);
    while (query_row(&q)) {
        int64_t n = query_get_int(&q, 1);
        n_entries += n;
        if (query_get_int(&q, 3) != n * (int64_t)sizeof(struct row_entry) ||
            query_get_int(&q, 4) >= query_get_int(&q, 2) || query_get_int(&q, 5) != 0) {
            checking_found(c, "run %lld of the index of model %s is not whole: %s",
                           (long long)query_get_int(&q, 0), model->name, advice);
        }
    }
    if (query_close(&q) == ERR_OK && n_entries < n_rows) {
        checking_found(c, "the index of model %s has %s for %s: %s", model->name,
                       phrase_count(n_entries, "entry").text, phrase_count(n_rows, "row").text,
                       advice);
    }
    return err->code;
}

static enum err_code check_data(struct checking *c, const struct check_model *model,
                                struct err *err)
{
    struct counts counts;
    struct data_stats stats = {.generation = 0};
    struct err one = ERR_INIT;
    if (read_counts(c, model->id, &counts, err) != ERR_OK) {
        return err->code;
    }
    if (counts.n_without_digest > 0) {
        return ERR_OK; /* there are no statistics and no index yet */
    }
    if (data_stats_get(c->conn, model->id, &stats, &one) != ERR_OK) {
        err_kept(checking_forgive(
            c, &one, err, "statistics of the rows of model %s are damaged; restore a backup",
            model->name));
    } else if (!statistics_agree(&counts, &stats)) {
        checking_found(c,
                       "model %s has %s in %s, its statistics say %lld in %lld; restore a backup",
                       model->name, phrase_count(counts.n_rows, "row").text,
                       phrase_count(counts.n_batches, "batch").text, (long long)stats.n_rows,
                       (long long)stats.n_batches);
    }
    data_stats_release(&stats);
    return err->code == ERR_OK ? check_index(c, model, counts.n_rows, err) : err->code;
}

static enum err_code check_names(struct checking *c, const struct check_model *model,
                                 struct err *err)
{
    char alias[72];
    struct query q = query_open(c->conn, SQL_CHECK_PREVIOUS, err);
    query_int(&q, ":model", model->id);
    if (query_row(&q)) {
        checking_found(c, "model %s: its previous version %lld is not there; promote a version",
                       model->name, (long long)query_get_int(&q, 0));
    }
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    q = query_open(c->conn, SQL_CHECK_ALIASES, err);
    query_int(&q, ":model", model->id);
    while (query_row(&q)) {
        query_get_text(&q, 0, alias, sizeof alias);
        checking_found(c, "model %s: alias %s names version %lld, which is not there; set it again",
                       model->name, alias, (long long)query_get_int(&q, 1));
    }
    return query_close(&q);
}

static enum err_code check_texts(struct checking *c, const struct check_model *model,
                                 struct err *err)
{
    char what[160];
    struct query q = query_open(c->conn, SQL_CHECK_TEXTS, err);
    query_int(&q, ":model", model->id);
    while (query_row(&q)) {
        query_get_text(&q, 0, what, sizeof what);
        checking_found(c, "model %s: %s is damaged; restore a backup", model->name, what);
    }
    return query_close(&q);
}

static enum err_code check_space(struct checking *c, const struct check_model *model,
                                 struct err *err)
{
    struct query q = query_open(c->conn, SQL_CHECK_SPACE, err);
    query_int(&q, ":model", model->id);
    if (query_row(&q)) {
        unsigned char sha256[SHA256_BYTES];
        char digest[DIGEST_HEX_CHARS + 1];
        char stored[DIGEST_HEX_CHARS + 1];
        size_t n_bytes = 0;
        const void *document = query_get_blob(&q, 0, &n_bytes);
        query_get_text(&q, 1, stored, sizeof stored);
        if (digest_sha256(document, n_bytes, sha256, err) == ERR_OK) {
            digest_hex(sha256, digest);
            if (strcmp(digest, stored) != 0) {
                checking_found(c, "model %s: its space is damaged; PUT it again", model->name);
            }
        }
        if (model->deleted) {
            checking_found(c, "model %s was deleted and still has a space", model->name);
        }
    }
    return query_close(&q);
}

/* ---- all of it ---- */

static enum err_code check_model(struct checking *c, const struct check_model *model,
                                 struct err *err)
{
    if (check_versions(c, model, err) != ERR_OK || check_batches(c, model, err) != ERR_OK ||
        check_default(c, model, err) != ERR_OK) {
        return err->code;
    }
    if (c->report->schema >= 2 && check_data(c, model, err) != ERR_OK) {
        return err->code;
    }
    if (c->report->schema >= 3 &&
        (check_names(c, model, err) != ERR_OK || check_texts(c, model, err) != ERR_OK)) {
        return err->code;
    }
    if (c->report->schema >= 7 && check_space(c, model, err) != ERR_OK) {
        return err->code;
    }
    if (model->deleted) {
        return check_owned(c, model, err);
    }
    c->report->n_models++;
    return ERR_OK;
}

/* *found: there is a model whose id is above `after`. */
static enum err_code next_model(struct checking *c, int64_t after, struct check_model *model,
                                bool *found, struct err *err)
{
    struct query q = query_open(c->conn, SQL_CHECK_MODEL, err);
    query_int(&q, ":after", after);
    *found = query_row(&q);
    if (*found) {
        model->id = query_get_int(&q, 0);
        query_get_text(&q, 1, model->name, sizeof model->name);
        model->deleted = query_get_int(&q, 2) != 0;
        model->default_version = query_get_int(&q, 3);
        model->next_version = query_get_int(&q, 4);
    }
    return query_close(&q);
}

/*
 * Each model is read in a transaction of its own. A long one over the whole file would keep a
 * server from folding its log in.
 */
static enum err_code check_models(struct checking *c, struct err *err)
{
    struct check_model model = {.id = 0};
    bool found = true;
    while (found && err->code == ERR_OK) {
        struct err one = ERR_INIT;
        int64_t after = model.id;
        if (query_run(c->conn, SQL_BEGIN_READ, err) != ERR_OK) {
            return err->code;
        }
        if (next_model(c, after, &model, &found, &one) == ERR_OK && found) {
            err_kept(check_model(c, &model, &one));
        }
        if (sqlite3_get_autocommit(c->conn->sqlite) == 0) {
            err_kept(query_run(c->conn, SQL_ROLLBACK, err));
        }
        if (one.code != ERR_OK) {
            found = model.id > after;
            err_kept(checking_forgive(c, &one, err,
                                      "model %s cannot be read whole; restore a backup",
                                      found ? model.name : "after the last one"));
        }
    }
    return err->code;
}

static enum err_code measure_file(struct checking *c, struct err *err)
{
    struct conn_space space;
    if (conn_get_space(c->conn, &space, err) == ERR_OK &&
        query_number(c->conn, SQL_CHECK_CONTENT, &c->total, err) == ERR_OK) {
        c->report->n_bytes = space.n_pages * space.page_bytes;
        c->report->n_free_bytes = space.n_free * space.page_bytes;
    }
    return err->code;
}

static enum err_code check_tables(struct checking *c, struct err *err)
{
    struct err measuring = ERR_INIT;
    struct err reading = ERR_INIT;
    if (measure_file(c, &measuring) != ERR_OK &&
        checking_forgive(c, &measuring, err,
                         "versions and batches cannot be listed; restore a backup") != ERR_OK) {
        return err->code;
    }
    if (check_models(c, err) != ERR_OK || c->report->schema < 3) {
        return err->code;
    }
    return check_checkpoints(c, &reading) == ERR_OK &&
                   (c->report->schema < 9 || check_results(c, &reading) == ERR_OK)
               ? ERR_OK
               : checking_forgive(
                     c, &reading, err,
                     "checkpoints or results of jobs cannot be read; restore a backup");
}

enum err_code check_run(const char *path, const struct care_calls *calls,
                        struct check_report *report, struct err *err)
{
    struct conn conn = {.sqlite = NULL};
    struct checking c = {.conn = &conn, .calls = calls, .report = report};
    *report = (struct check_report){.schema = 0};
    if (db_file_open(&conn, path, CONN_READ_ONLY, &report->schema, err) == ERR_OK &&
        check_pages(&c, err) == ERR_OK) {
        err_kept(check_tables(&c, err));
    }
    conn_close(&conn);
    return err->code;
}

void check_leave(const char *path)
{
    db_file_remove_empty_log(path);
}
