/* SPDX-License-Identifier: Apache-2.0 */
#include "store/care/check_file.h"

#include <string.h>

#include "store/care/check_content.h"
#include "store/data/data_stats.h"
#include "store/data/row_index.h"
#include "store/sqlite/db_file.h"
#include "store/sqlite/query.h"

#define PROGRESS_OPS 2000 /* of SQLite's machine between two calls */

/* ---- pages and references ---- */

static int on_steps(void *ctx)
{
    const struct checking *c = ctx;
    return !c->calls->progress(c->calls->ctx, "pages", 0, 0);
}

static enum err_code check_pages(struct checking *c, struct err *err)
{
    char text[200];
    struct err one = ERR_INIT;
    sqlite3_progress_handler(c->conn->sqlite, PROGRESS_OPS, on_steps, c);
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
    if (one.code != ERR_OK &&
        checking_forgive(c, &one, "the file's pages cannot all be read; restore a backup") !=
            ERR_OK) {
        *err = one;
    }
    c->report->n_broken = c->report->n_findings;
    return err->code;
}

/* ---- what must agree ---- */

static enum err_code check_default(struct checking *c, const struct check_model *model,
                                   struct err *err)
{
    bool there = model->default_version == 0;
    int64_t last = 0;
    struct query q = query_open(c->conn, SQL_VERSION_DIGEST, err);
    query_int(&q, ":model", model->id);
    query_int(&q, ":version", model->default_version);
    there = query_row(&q) || there;
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    q = query_open(c->conn, SQL_CHECK_LAST_VERSION, err);
    query_int(&q, ":model", model->id);
    if (query_row(&q)) {
        last = query_get_int(&q, 0);
    }
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    if (!there) {
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

/* A deleted model keeps its row and nothing else. */
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

struct counts {
    int64_t n_batches, n_rows, n_unread;
    int64_t d[2], o[2]; /* least and most */
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

static bool agree(const struct counts *counts, const struct data_stats *stats)
{
    bool same = stats->n_batches == counts->n_batches && stats->n_rows == counts->n_rows;
    bool shape = counts->d[0] == stats->d && counts->d[1] == stats->d && counts->o[0] == stats->o &&
                 counts->o[1] == stats->o;
    return same && (counts->n_batches == 0 || shape);
}

/* Every row that is there has an entry in the index, and every run what it says. */
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
        checking_found(c, "the index of model %s has %lld entries for %lld rows: %s", model->name,
                       (long long)n_entries, (long long)n_rows, advice);
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
    if (counts.n_unread > 0) {
        return ERR_OK; /* of an older file: data_upgrade makes statistics and index */
    }
    if (data_stats_get(c->conn, model->id, &stats, &one) != ERR_OK) {
        if (checking_forgive(c, &one,
                             "statistics of the rows of model %s are damaged; restore a backup",
                             model->name) != ERR_OK) {
            *err = one;
        }
    } else if (!agree(&counts, &stats)) {
        checking_found(c,
                       "model %s has %lld rows in %lld batches, its statistics say %lld in %lld; "
                       "restore a backup",
                       model->name, (long long)counts.n_rows, (long long)counts.n_batches,
                       (long long)stats.n_rows, (long long)stats.n_batches);
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
    if (model->deleted) {
        return check_owned(c, model, err);
    }
    c->report->n_models++;
    return ERR_OK;
}

/* *found: there is a model behind number `after`. */
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

/* One view of a model; a long one of the whole file would keep a server's log from being folded in.
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
            if (checking_forgive(c, &one, "model %s cannot be read whole; restore a backup",
                                 found ? model.name : "behind the last one") != ERR_OK) {
                *err = one;
            }
        }
    }
    return err->code;
}

static enum err_code measure(struct checking *c, struct err *err)
{
    int64_t page_bytes = 0;
    int64_t n_pages = 0;
    int64_t n_free = 0;
    if (query_number(c->conn, SQL_PAGE_SIZE, &page_bytes, err) == ERR_OK &&
        query_number(c->conn, SQL_PAGE_COUNT, &n_pages, err) == ERR_OK &&
        query_number(c->conn, SQL_FREELIST_COUNT, &n_free, err) == ERR_OK &&
        query_number(c->conn, SQL_CHECK_CONTENT, &c->total, err) == ERR_OK) {
        c->report->n_bytes = n_pages * page_bytes;
        c->report->n_free_bytes = n_free * page_bytes;
    }
    return err->code;
}

enum err_code check_run(const char *path, const struct care_calls *calls,
                        struct check_report *report, struct err *err)
{
    struct conn conn = {.sqlite = NULL};
    struct err one = ERR_INIT;
    struct checking c = {.conn = &conn, .calls = calls, .report = report};
    *report = (struct check_report){.schema = 0};
    if (db_file_open(&conn, path, CONN_READ_ONLY, &report->schema, err) != ERR_OK ||
        check_pages(&c, err) != ERR_OK) {
        goto done;
    }
    if (measure(&c, &one) != ERR_OK &&
        checking_forgive(&c, &one, "versions and batches cannot be listed; restore a backup") !=
            ERR_OK) {
        *err = one;
    }
    if (err->code != ERR_OK || check_models(&c, err) != ERR_OK) {
        goto done;
    }
    if (report->schema >= 3 && check_checkpoints(&c, &one) != ERR_OK &&
        checking_forgive(&c, &one, "checkpoints of jobs cannot be read; restore a backup") !=
            ERR_OK) {
        *err = one;
    }
done:
    conn_close(&conn);
    return err->code;
}

void check_leave(const char *path)
{
    db_file_remove_empty_log(path);
}
