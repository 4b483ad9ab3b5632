/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/model_view.h"

#include <string.h>

#include "base/mem.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query_list.h"

static void get_model_row(struct query *q, void *out)
{
    struct model_row *row = out;
    query_get_text(q, 0, row->model, sizeof row->model);
    row->created_ms = query_get_int(q, 1);
    row->default_version = query_get_int(q, 2);
    row->n_versions = query_get_int(q, 3);
    row->n_rows = query_get_int(q, 4);
    row->previous_version = query_get_int(q, 5);
    row->keep_versions = query_get_int(q, 6);
}

static void get_version_row(struct query *q, void *out)
{
    struct version_row *row = out;
    query_get_text(q, 0, row->model, sizeof row->model);
    row->version = query_get_int(q, 1);
    row->created_ms = query_get_int(q, 2);
    row->n_bytes = query_get_int(q, 3);
    query_get_text(q, 4, row->digest, sizeof row->digest);
    row->is_default = query_get_int(q, 5) != 0;
    row->damaged = !query_is_null(q, 6);
    query_get_text(q, 6, row->reason, sizeof row->reason);
}

static void get_alias_row(struct query *q, void *out)
{
    struct alias_row *row = out;
    query_get_text(q, 0, row->alias, sizeof row->alias);
    row->version = query_get_int(q, 1);
    row->changed_ms = query_get_int(q, 2);
}

/* ---- lists ---- */

/* name: of a model; NULL: the query has no such parameter. */
static enum err_code read_list(struct conn *conn, enum sql_query which, const char *name,
                               struct query_list *list, struct err *err)
{
    struct query q = query_open(conn, which, err);
    if (name != NULL) {
        query_text(&q, ":name", name);
    }
    return query_list_read(list, &q);
}

enum err_code model_store_list(struct db *db, struct model_row **rows, size_t *n_rows,
                               struct err *err)
{
    struct conn *conn;
    struct query_list models = {.size = sizeof **rows, .get = get_model_row};
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_list(conn, SQL_MODEL_LIST, NULL, &models, err));
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(models.array);
        return err->code;
    }
    *rows = models.array;
    *n_rows = models.n;
    return ERR_OK;
}

/* ---- one model ---- */

static enum err_code read_view(struct conn *conn, const char *model, struct model_view *view,
                               struct err *err)
{
    struct query_list versions = {.size = sizeof *view->versions, .get = get_version_row};
    struct query_list aliases = {.size = sizeof *view->aliases, .get = get_alias_row};
    bool found = false;
    struct query q = query_open(conn, SQL_MODEL_ONE, err);
    query_text(&q, ":name", model);
    if (query_row(&q)) {
        found = true;
        get_model_row(&q, &view->row);
    }
    if (query_close(&q) == ERR_OK && !found) {
        return model_absent(model, err);
    }
    if (err->code == ERR_OK && read_list(conn, SQL_VERSION_LIST, model, &versions, err) == ERR_OK) {
        err_kept(read_list(conn, SQL_ALIAS_LIST, model, &aliases, err));
    }
    view->versions = versions.array;
    view->n_versions = versions.n;
    view->aliases = aliases.array;
    view->n_aliases = aliases.n;
    return err->code;
}

enum err_code model_store_view(struct db *db, const char *model, struct model_view *out,
                               struct err *err)
{
    struct conn *conn;
    struct model_view view = {.n_versions = 0};
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_view(conn, model, &view, err));
    if (db_read_end(db, conn, err) != ERR_OK) {
        model_view_release(&view);
        return err->code;
    }
    *out = view;
    return ERR_OK;
}

void model_view_release(struct model_view *view)
{
    mem_free(view->versions);
    mem_free(view->aliases);
    *view = (struct model_view){.n_versions = 0};
}

/* The number that a reference stands for; 0: none. */
static int64_t resolve_in_view(const struct model_view *view, const struct version_ref *ref)
{
    switch (ref->kind) {
    case VERSION_DEFAULT:
        return view->row.default_version;
    case VERSION_PREVIOUS:
        return view->row.previous_version;
    case VERSION_NUMBER:
        return ref->number;
    case VERSION_ALIAS:
        break;
    }
    for (size_t i = 0; i < view->n_aliases; i++) {
        if (strcmp(view->aliases[i].alias, ref->alias) == 0) {
            return view->aliases[i].version;
        }
    }
    return 0;
}

enum err_code model_view_find(const struct model_view *view, const struct version_ref *ref,
                              const struct version_row **out, struct err *err)
{
    int64_t number = resolve_in_view(view, ref);
    for (size_t i = 0; i < view->n_versions; i++) {
        if (view->versions[i].version == number) {
            *out = &view->versions[i];
            return ERR_OK;
        }
    }
    return version_ref_absent(ref, view->row.model, err);
}
