/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log-structured merge index [1]. Entries of a batch are written as one sorted run; when FAN runs
 * of about the same size (equal logarithm to base FAN) have gathered they are joined to one. A row
 * is so rewritten log_FAN(rows / rows of a batch) times, in order. A B-tree of hashes would be less
 * code, but hashes are random: each row of an upload would change a page of its own, 4 KiB written
 * to the log for 16 bytes.
 *
 * A run is cut into parts by hash: hashes are uniform, so part floor(hash * n_parts / 2^64) holds
 * about PART_ENTRIES of them, a database page, and a look-up reads that part and no directory.
 * Looking up an upload of n rows costs at most min(n, n_parts) pages of each run.
 *
 * No join makes a run of more than RUN_MAX entries, which bounds the work of one append under the
 * write lock and the growth of the write-ahead log. Measured on two busy cores, as the longest
 * append: with joins of up to 1 Mi entries 0.7 s, of 4 Mi 2.5 s and 200 MB more of log. Ten million
 * rows make ten runs or a few more, each a page to read for a row that is looked up.
 *
 * [1] P. O'Neil et al., The log-structured merge-tree, 1996.
 */
#include "store/data/row_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "store/sqlite/query.h"

#define FAN          4
#define RUN_MAX      ((int64_t)1 << 20)
#define PART_ENTRIES 200 /* 3200 bytes; a page has room for 253 */

struct run {
    int64_t id;
    int64_t n_entries;
    int64_t n_parts;
};

struct runs {
    struct run *list; /* mem */
    size_t n;
};

/* ---- entries ---- */

static int compare_hash(const struct row_entry *a, const struct row_entry *b)
{
    if (a->high != b->high) {
        return a->high < b->high ? -1 : 1;
    }
    return (a->low > b->low) - (a->low < b->low);
}

static int compare(const void *a, const void *b)
{
    const struct row_entry *x = a;
    const struct row_entry *y = b;
    int order = compare_hash(x, y);
    return order != 0 ? order : (x->tag > y->tag) - (x->tag < y->tag);
}

enum err_code row_index_hash(const double *rows, size_t n, size_t width, struct row_entry *entries,
                             struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char sha256[SHA256_BYTES];
        if (digest_sha256(rows + i * width, width * sizeof *rows, sha256, err) != ERR_OK) {
            return err->code;
        }
        memcpy(&entries[i].high, sha256, sizeof entries[i].high);
        memcpy(&entries[i].low, sha256 + sizeof entries[i].high, sizeof entries[i].low);
        entries[i].tag = (uint32_t)i;
    }
    qsort(entries, n, sizeof *entries, compare);
    return ERR_OK;
}

void row_index_mark_own(const struct row_entry *entries, size_t n, unsigned char *marks)
{
    for (size_t i = 1; i < n; i++) {
        if (compare_hash(&entries[i - 1], &entries[i]) == 0) {
            marks[entries[i].tag] = 1;
        }
    }
}

static int64_t part_of(uint64_t high, int64_t n_parts)
{
    return (int64_t)((high >> 32) * (uint64_t)n_parts >> 32);
}

static int64_t parts_for(int64_t n_entries)
{
    return (n_entries + PART_ENTRIES - 1) / PART_ENTRIES;
}

/* SQLite promises no alignment of blobs. */
static struct row_entry entry_at(const unsigned char *bytes, size_t i)
{
    struct row_entry entry;
    memcpy(&entry, bytes + i * sizeof entry, sizeof entry);
    return entry;
}

/* ---- runs ---- */

static enum err_code list_runs(struct conn *conn, int64_t model, struct runs *runs, struct err *err)
{
    size_t capacity = 0;
    *runs = (struct runs){.list = NULL};
    struct query q = query_open(conn, SQL_RUN_LIST, err);
    query_int(&q, ":model", model);
    while (query_row(&q)) {
        if (runs->n == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 16;
            struct run *list = mem_realloc_array(runs->list, capacity, sizeof *list);
            if (list == NULL) {
                err_set(err, ERR_NOMEM, "no memory for the index of rows");
                break;
            }
            runs->list = list;
        }
        runs->list[runs->n++] =
            (struct run){query_get_int(&q, 0), query_get_int(&q, 1), query_get_int(&q, 2)};
    }
    return query_close(&q);
}

static struct query open_part(struct conn *conn, int64_t run, int64_t part, struct err *err)
{
    struct query q = query_open(conn, SQL_RUN_PART_GET, err);
    query_int(&q, ":run", run);
    query_int(&q, ":part", part);
    return q;
}

/* ---- looking up ---- */

/* The last answer is kept: equal rows tend to come from one batch. */
struct known_batch {
    int64_t id;
    bool there;
};

static bool is_there(struct conn *conn, uint32_t batch, struct known_batch *known, struct err *err)
{
    if (known->id != (int64_t)batch) {
        struct query q = query_open(conn, SQL_BATCH_IS_THERE, err);
        query_int(&q, ":batch", (int64_t)batch);
        known->there = query_row(&q);
        known->id = query_close(&q) == ERR_OK ? (int64_t)batch : 0;
    }
    return known->there;
}

/* entries [n]: those that would lie in this part. */
static void mark_part(struct conn *conn, const unsigned char *bytes, size_t n_bytes,
                      const struct row_entry *entries, size_t n, struct known_batch *known,
                      unsigned char *marks, struct err *err)
{
    size_t n_stored = n_bytes / sizeof *entries;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        while (at < n_stored) {
            struct row_entry stored = entry_at(bytes, at);
            if (compare_hash(&stored, &entries[i]) >= 0) {
                break;
            }
            at++;
        }
        for (size_t k = at; k < n_stored && marks[entries[i].tag] == 0; k++) {
            struct row_entry stored = entry_at(bytes, k);
            if (compare_hash(&stored, &entries[i]) != 0) {
                break;
            }
            if (is_there(conn, stored.tag, known, err)) {
                marks[entries[i].tag] = 1;
            }
        }
    }
}

static enum err_code mark_run(struct conn *conn, const struct run *run,
                              const struct row_entry *entries, size_t n, unsigned char *marks,
                              struct err *err)
{
    struct known_batch known = {.id = 0};
    size_t end;
    for (size_t i = 0; i < n; i = end) {
        int64_t part = part_of(entries[i].high, run->n_parts);
        for (end = i + 1; end < n && part_of(entries[end].high, run->n_parts) == part; end++) {
            continue;
        }
        struct query q = open_part(conn, run->id, part, err);
        if (query_row(&q)) {
            size_t n_bytes = 0;
            const void *bytes = query_get_blob(&q, 0, &n_bytes);
            mark_part(conn, bytes, n_bytes, entries + i, end - i, &known, marks, err);
        }
        if (query_close(&q) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

enum err_code row_index_mark(struct conn *conn, int64_t model, const struct row_entry *entries,
                             size_t n, unsigned char *marks, struct err *err)
{
    struct runs runs;
    err_kept(list_runs(conn, model, &runs, err));
    for (size_t i = 0; i < runs.n && err->code == ERR_OK; i++) {
        err_kept(mark_run(conn, &runs.list[i], entries, n, marks, err));
    }
    mem_free(runs.list);
    return err->code;
}

/* ---- writing ---- */

struct writer {
    struct conn *conn;
    struct run run;
    int64_t part;              /* that is being gathered */
    struct row_entry *entries; /* [capacity], mem */
    size_t n;
    size_t capacity;
    int64_t n_written;
};

static enum err_code writer_open(struct writer *w, struct conn *conn, int64_t model,
                                 int64_t n_entries, struct err *err)
{
    *w = (struct writer){.conn = conn, .run = {.n_entries = n_entries}};
    w->run.n_parts = parts_for(n_entries);
    struct query q = query_open(conn, SQL_RUN_INSERT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":n_entries", n_entries);
    query_int(&q, ":n_parts", w->run.n_parts);
    if (query_row(&q)) {
        w->run.id = query_get_int(&q, 0);
    }
    return query_close(&q);
}

static enum err_code writer_flush(struct writer *w, struct err *err)
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

static enum err_code writer_put(struct writer *w, const struct row_entry *entry, struct err *err)
{
    int64_t part = part_of(entry->high, w->run.n_parts);
    if (part != w->part && writer_flush(w, err) != ERR_OK) {
        return err->code;
    }
    w->part = part;
    if (w->n == w->capacity) {
        size_t capacity = w->capacity > 0 ? 2 * w->capacity : 2 * PART_ENTRIES;
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

static enum err_code change_run(struct conn *conn, enum sql_query which, int64_t run, int64_t n,
                                struct err *err)
{
    struct query q = query_open(conn, which, err);
    query_int(&q, ":run", run);
    if (n > 0) {
        query_int(&q, ":n_entries", n);
    }
    return query_close(&q);
}

/* Entries may have been dropped: the run says what it holds, and an empty one goes. */
static enum err_code writer_close(struct writer *w, struct err *err)
{
    if (writer_flush(w, err) == ERR_OK && w->n_written == 0) {
        err_kept(change_run(w->conn, SQL_RUN_DELETE, w->run.id, 0, err));
    } else if (err->code == ERR_OK && w->n_written != w->run.n_entries) {
        err_kept(change_run(w->conn, SQL_RUN_RESIZE, w->run.id, w->n_written, err));
    }
    mem_free(w->entries);
    return err->code;
}

/* ---- joining ---- */

struct reader {
    struct conn *conn;
    struct run run;
    int64_t part;              /* the next to read */
    struct row_entry *entries; /* [n], mem */
    size_t n;
    size_t at;
};

/* The first entry that is left, NULL at the end of the run or after an error. */
static const struct row_entry *reader_peek(struct reader *r, struct err *err)
{
    while (r->at == r->n && r->part < r->run.n_parts && err->code == ERR_OK) {
        struct query q = open_part(r->conn, r->run.id, r->part++, err);
        mem_free(r->entries);
        *r = (struct reader){.conn = r->conn, .run = r->run, .part = r->part};
        if (query_row(&q)) {
            size_t n_bytes = 0;
            const void *bytes = query_get_blob(&q, 0, &n_bytes);
            r->n = n_bytes / sizeof *r->entries;
            r->entries = mem_dup(bytes, n_bytes);
            if (r->entries == NULL) {
                err_set(err, ERR_NOMEM, "no memory for the index of rows");
            }
        }
        err_kept(query_close(&q));
    }
    return r->at < r->n && err->code == ERR_OK ? &r->entries[r->at] : NULL;
}

/* Numbers of the batches that are there, ascending. */
struct live {
    uint32_t *batches; /* mem; NULL: every entry is kept */
    size_t n;
};

static enum err_code list_live(struct conn *conn, int64_t model, struct live *live, struct err *err)
{
    size_t capacity = 0;
    struct query q = query_open(conn, SQL_BATCH_IDS, err);
    query_int(&q, ":model", model);
    do {
        if (live->n == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 64;
            uint32_t *grown = mem_realloc_array(live->batches, capacity, sizeof *grown);
            if (grown == NULL) {
                err_set(err, ERR_NOMEM, "no memory for the index of rows");
                break;
            }
            live->batches = grown;
        }
        if (!query_row(&q)) {
            break;
        }
        live->batches[live->n++] = (uint32_t)query_get_int(&q, 0);
    } while (err->code == ERR_OK);
    return query_close(&q);
}

static int compare_batch(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool is_live(const struct live *live, uint32_t batch)
{
    return live->batches == NULL ||
           bsearch(&batch, live->batches, live->n, sizeof batch, compare_batch) != NULL;
}

static enum err_code copy_sorted(struct reader *readers, size_t n, const struct live *live,
                                 struct writer *w, struct err *err)
{
    for (;;) {
        struct reader *min = NULL;
        const struct row_entry *entry = NULL;
        for (size_t i = 0; i < n; i++) {
            const struct row_entry *other = reader_peek(&readers[i], err);
            if (other != NULL && (entry == NULL || compare(other, entry) < 0)) {
                min = &readers[i];
                entry = other;
            }
        }
        if (err->code != ERR_OK || entry == NULL) {
            return err->code;
        }
        if (is_live(live, entry->tag) && writer_put(w, entry, err) != ERR_OK) {
            return err->code;
        }
        min->at++;
    }
}

/* Makes one run of those in the list. */
static enum err_code join(struct conn *conn, int64_t model, const struct runs *runs, bool drop,
                          struct err *err)
{
    struct live live = {.batches = NULL};
    struct writer w = {.entries = NULL};
    int64_t total = 0;
    struct reader *readers = mem_zalloc_array(runs->n, sizeof *readers);
    if (readers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the index of rows");
    }
    for (size_t i = 0; i < runs->n; i++) {
        readers[i] = (struct reader){.conn = conn, .run = runs->list[i]};
        total += runs->list[i].n_entries;
    }
    if (drop) {
        err_kept(list_live(conn, model, &live, err));
    }
    if (err->code == ERR_OK && writer_open(&w, conn, model, total, err) == ERR_OK) {
        err_kept(copy_sorted(readers, runs->n, &live, &w, err));
        err_kept(writer_close(&w, err));
    }
    for (size_t i = 0; i < runs->n; i++) {
        mem_free(readers[i].entries);
        if (err->code == ERR_OK) {
            err_kept(change_run(conn, SQL_RUN_DELETE, runs->list[i].id, 0, err));
        }
    }
    mem_free(readers);
    mem_free(live.batches);
    return err->code;
}

static int level_of(int64_t n_entries)
{
    int level = 0;
    for (; n_entries >= FAN; n_entries /= FAN) {
        level++;
    }
    return level;
}

/* Moves the runs of a level to the front; their number, and their entries in *total. */
static size_t gather(struct runs *runs, int level, int64_t *total)
{
    size_t n = 0;
    *total = 0;
    for (size_t i = 0; i < runs->n; i++) {
        if (level_of(runs->list[i].n_entries) == level) {
            struct run found = runs->list[i];
            runs->list[i] = runs->list[n];
            runs->list[n++] = found;
            *total += found.n_entries;
        }
    }
    return n;
}

static int64_t count_entries(const struct runs *runs)
{
    int64_t total = 0;
    for (size_t i = 0; i < runs->n; i++) {
        total += runs->list[i].n_entries;
    }
    return total;
}

/* Joins once, on the lowest level that is full. *again: there may be more to join. */
static enum err_code join_level(struct conn *conn, int64_t model, int64_t n_rows, bool *again,
                                struct err *err)
{
    struct runs runs;
    *again = false;
    if (list_runs(conn, model, &runs, err) == ERR_OK) {
        int64_t all = count_entries(&runs);
        /* Finding out which entries are of no use is not worth it for a few. */
        bool drop = all - n_rows > n_rows / 8;
        for (int level = 0; level < 32 && !*again; level++) {
            int64_t total;
            size_t n = gather(&runs, level, &total);
            if (n >= FAN && total <= RUN_MAX) {
                struct runs full = {.list = runs.list, .n = n};
                err_kept(join(conn, model, &full, drop, err));
                *again = true;
            }
        }
    }
    mem_free(runs.list);
    return err->code;
}

enum err_code row_index_add(struct conn *conn, int64_t model, int64_t batch,
                            struct row_entry *entries, size_t n, int64_t n_rows, struct err *err)
{
    struct writer w;
    bool again = true;
    if (batch > (int64_t)UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "the registry has had %lld batches, no more can be numbered",
                       (long long)batch - 1);
    }
    if (writer_open(&w, conn, model, (int64_t)n, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n && err->code == ERR_OK; i++) {
        entries[i].tag = (uint32_t)batch;
        err_kept(writer_put(&w, &entries[i], err));
    }
    err_kept(writer_close(&w, err));
    while (again && err->code == ERR_OK) {
        err_kept(join_level(conn, model, n_rows, &again, err));
    }
    return err->code;
}

enum err_code row_index_tidy(struct conn *conn, int64_t model, int64_t n_rows, struct err *err)
{
    struct runs runs;
    if (list_runs(conn, model, &runs, err) == ERR_OK && count_entries(&runs) > 2 * n_rows &&
        runs.n > 0) {
        err_kept(join(conn, model, &runs, true, err));
    }
    mem_free(runs.list);
    return err->code;
}
