/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/row_run.h"

#include "base/mem.h"
#include "store/sqlite/query_list.h"

int row_entry_compare(const void *a, const void *b)
{
    const struct row_entry *x = a;
    const struct row_entry *y = b;
    int order = row_entry_compare_hash(x, y);
    return order != 0 ? order : (x->tag > y->tag) - (x->tag < y->tag);
}

static void get_run(struct query *q, void *out)
{
    struct row_run *run = out;
    *run = (struct row_run){query_get_int(q, 0), query_get_int(q, 1), query_get_int(q, 2)};
}

enum err_code row_run_list(struct conn *conn, int64_t model, struct row_runs *runs, struct err *err)
{
    struct query_list list = {.size = sizeof *runs->list, .get = get_run};
    struct query q = query_open(conn, SQL_RUN_LIST, err);
    query_int(&q, ":model", model);
    err_kept(query_list_read(&list, &q));
    *runs = (struct row_runs){.list = list.array, .n = list.n};
    return err->code;
}

enum err_code row_run_delete(struct conn *conn, const struct row_run *run, struct err *err)
{
    return query_run_for(conn, SQL_RUN_DELETE, ":run", run->id, err);
}

struct query row_run_open_part(struct conn *conn, const struct row_run *run, int64_t part,
                               struct err *err)
{
    struct query q = query_open(conn, SQL_RUN_PART_GET, err);
    query_int(&q, ":run", run->id);
    query_int(&q, ":part", part);
    return q;
}

/* ---- writing ---- */

enum err_code row_run_writer_open(struct row_run_writer *w, struct conn *conn, int64_t model,
                                  int64_t n_entries, struct err *err)
{
    *w = (struct row_run_writer){.conn = conn, .run = {.n_entries = n_entries}};
    w->run.n_parts = (n_entries + ROW_RUN_PART - 1) / ROW_RUN_PART;
    struct query q = query_open(conn, SQL_RUN_INSERT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":n_entries", n_entries);
    query_int(&q, ":n_parts", w->run.n_parts);
    if (query_row(&q)) {
        w->run.id = query_get_int(&q, 0);
    }
    return query_close(&q);
}

static enum err_code store_part(struct row_run_writer *w, struct err *err)
{
    if (w->n > 0) {
        struct query q = query_open(w->conn, SQL_RUN_PART_INSERT, err);
        query_int(&q, ":run", w->run.id);
        query_int(&q, ":part", w->part);
        query_blob(&q, ":bytes", w->entries, w->n * sizeof *w->entries);
        err_kept(query_close(&q));
        w->n_written += (int64_t)w->n;
        w->n = 0;
    }
    return err->code;
}

enum err_code row_run_writer_put(struct row_run_writer *w, const struct row_entry *entry,
                                 struct err *err)
{
    int64_t part = row_run_part_of(&w->run, entry->high);
    if (part != w->part && store_part(w, err) != ERR_OK) {
        return err->code;
    }
    w->part = part;
    if (w->n == w->capacity) {
        size_t capacity = w->capacity > 0 ? 2 * w->capacity : 2 * ROW_RUN_PART;
        struct row_entry *entries = mem_realloc_array(w->entries, capacity, sizeof *entries);
        if (entries == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the index of rows");
        }
        w->entries = entries;
        w->capacity = capacity;
    }
    w->entries[w->n++] = *entry;
    return ERR_OK;
}

static enum err_code store_size(struct row_run_writer *w, struct err *err)
{
    struct query q = query_open(w->conn, SQL_RUN_RESIZE, err);
    query_int(&q, ":run", w->run.id);
    query_int(&q, ":n_entries", w->n_written);
    return query_close(&q);
}

enum err_code row_run_writer_close(struct row_run_writer *w, struct err *err)
{
    if (store_part(w, err) == ERR_OK && w->n_written == 0) {
        err_kept(row_run_delete(w->conn, &w->run, err));
    } else if (err->code == ERR_OK && w->n_written != w->run.n_entries) {
        err_kept(store_size(w, err));
    }
    mem_free(w->entries);
    return err->code;
}

/* ---- reading from the beginning ---- */

const struct row_entry *row_run_reader_peek(struct row_run_reader *r, struct err *err)
{
    while (r->at == r->n && r->next_part < r->run.n_parts && err->code == ERR_OK) {
        struct query q = row_run_open_part(r->conn, &r->run, r->next_part++, err);
        size_t n_bytes = 0;
        void *bytes = NULL;
        if (query_row(&q)) {
            query_copy_blob(&q, 0, &bytes, &n_bytes);
        }
        mem_free(r->entries);
        r->entries = bytes;
        r->n = bytes != NULL ? n_bytes / sizeof *r->entries : 0;
        r->at = 0;
        err_kept(query_close(&q));
    }
    return r->at < r->n && err->code == ERR_OK ? &r->entries[r->at] : NULL;
}
