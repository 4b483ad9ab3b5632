/* SPDX-License-Identifier: Apache-2.0 */
#include "store/care/check_content.h"

#include <string.h>

#include "base/digest.h"
#include "base/phrase.h"
#include "store/data/data_chunk.h"
#include "store/jobs/job_read.h"
#include "store/sqlite/chunks.h"
#include "store/sqlite/query.h"

/* ---- versions ---- */

struct version {
    int64_t number;
    int64_t n_bytes;
    char digest[DIGEST_HEX_CHARS + 1];
};

/* What reading all chunks of a version has shown. */
struct read_version {
    struct digest digest;
    int64_t n; /* chunks */
    int64_t n_bytes;
    int64_t bad; /* number of the first chunk that does not match; -1: none */
};

/* The chunks that a query gives. counted: their bytes are among those that progress counts. */
static enum err_code read_version(struct checking *c, struct query *q, bool counted,
                                  struct read_version *read, struct err *err)
{
    while (query_row(q)) {
        size_t n_sha = 0;
        size_t n_bytes = 0;
        bool good = false;
        const void *sha = query_get_blob(q, 0, &n_sha);
        const void *bytes = query_get_blob(q, 1, &n_bytes);
        if (chunks_compare(bytes, n_bytes, sha, n_sha, &good, err) != ERR_OK ||
            (read->digest.state != NULL &&
             digest_add(&read->digest, bytes, n_bytes, err) != ERR_OK) ||
            checking_advance(c, counted ? n_bytes : 0, err) != ERR_OK) {
            break;
        }
        read->bad = read->bad < 0 && !good ? read->n : read->bad;
        read->n++;
        read->n_bytes += (int64_t)n_bytes;
    }
    return query_close(q);
}

static struct query open_version(struct checking *c, enum sql_query which,
                                 const struct check_model *model, int64_t version, struct err *err)
{
    struct query q = query_open(c->conn, which, err);
    query_int(&q, ":model", model->id);
    query_int(&q, ":version", version);
    return q;
}

static enum err_code check_version(struct checking *c, const struct check_model *model,
                                   const struct version *version, struct err *err)
{
    static const char advice[] = "restore a backup, or delete the version";
    struct read_version read = {.bad = -1};
    struct err one = ERR_INIT;
    unsigned char sha256[SHA256_BYTES];
    char hex[DIGEST_HEX_CHARS + 1];
    if (digest_open(&read.digest, err) != ERR_OK) {
        return err->code;
    }
    struct query q = open_version(c, SQL_VERSION_CHUNKS, model, version->number, &one);
    enum err_code code = read_version(c, &q, true, &read, &one);
    digest_close(&read.digest, sha256);
    digest_hex(sha256, hex);
    if (code != ERR_OK) {
        err_kept(checking_forgive(c, &one, err, "version %lld of model %s cannot be read; %s",
                                  (long long)version->number, model->name, advice));
    } else if (read.bad >= 0) {
        checking_found(c, "version %lld of model %s: chunk %lld does not match its SHA-256; %s",
                       (long long)version->number, model->name, (long long)read.bad, advice);
    } else if (read.n_bytes != version->n_bytes) {
        checking_found(
            c, "version %lld of model %s has %lld bytes, not the %lld it was written with; %s",
            (long long)version->number, model->name, (long long)read.n_bytes,
            (long long)version->n_bytes, advice);
    } else if (strcmp(hex, version->digest) != 0) {
        checking_found(c, "version %lld of model %s does not match its SHA-256; %s",
                       (long long)version->number, model->name, advice);
    }
    return err->code;
}

/* Without a good record a version is compared like one that was registered. */
static enum err_code check_version_rows(struct checking *c, const struct check_model *model,
                                        int64_t version, struct err *err)
{
    int64_t n_bytes = 0;
    struct read_version read = {.bad = -1};
    struct query q = open_version(c, SQL_VERSION_ROWS_GET, model, version, err);
    if (query_row(&q)) {
        n_bytes = query_get_int(&q, 2);
    }
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    q = open_version(c, SQL_VERSION_ROW_CHUNKS, model, version, err);
    if (read_version(c, &q, false, &read, err) == ERR_OK &&
        (read.bad >= 0 || read.n_bytes != n_bytes)) {
        checking_found(c,
                       "the record of the rows of version %lld of model %s is damaged; restore a "
                       "backup, or train another version",
                       (long long)version, model->name);
    }
    return err->code;
}

enum err_code check_versions(struct checking *c, const struct check_model *model, struct err *err)
{
    struct query q = query_open(c->conn, SQL_CHECK_VERSIONS, err);
    query_int(&q, ":model", model->id);
    while (query_row(&q)) {
        int64_t before = c->report->n_findings;
        struct version version = {.number = query_get_int(&q, 0), .n_bytes = query_get_int(&q, 2)};
        query_get_text(&q, 1, version.digest, sizeof version.digest);
        c->report->n_versions++;
        if (check_version(c, model, &version, err) != ERR_OK ||
            (c->report->schema >= 8 &&
             check_version_rows(c, model, version.number, err) != ERR_OK)) {
            break;
        }
        if (!query_is_null(&q, 3) && c->report->n_findings == before) {
            char reason[160];
            query_get_text(&q, 3, reason, sizeof reason);
            checking_found(c,
                           "version %lld of model %s is marked as damaged (%s); delete it and "
                           "register it again",
                           (long long)version.number, model->name, reason);
        }
    }
    return query_close(&q);
}

/* ---- training rows ---- */

struct batch {
    int64_t id;
    int64_t n_rows;
    struct digest digest;
    int64_t n_read; /* rows */
};

static enum err_code read_rows(struct checking *c, const struct check_model *model,
                               struct batch *batch, struct err *err)
{
    struct data_chunk chunk;
    struct query q = data_chunk_open(c->conn, model->id, batch->id, -1, batch->id, err);
    while (query_row(&q)) {
        if (data_chunk_get(&q, &chunk, err) != ERR_OK ||
            digest_add(&batch->digest, chunk.bytes, chunk.n_bytes, err) != ERR_OK ||
            checking_advance(c, chunk.n_bytes, err) != ERR_OK) {
            break;
        }
        batch->n_read += chunk.n;
    }
    return err->code == ERR_OK ? query_close(&q) : query_abandon(&q);
}

/* *out: the batch was stored with this digest, or with none (schema 1, before data_upgrade). */
static enum err_code compare_digest(struct checking *c, int64_t batch, const unsigned char *sha256,
                                    bool *out, struct err *err)
{
    *out = true;
    if (c->report->schema < 2) {
        return ERR_OK;
    }
    struct query q = query_open(c->conn, SQL_CHECK_BATCH_DIGEST, err);
    query_int(&q, ":batch", batch);
    if (query_row(&q) && !query_is_null(&q, 0)) {
        size_t n_bytes = 0;
        const void *stored = query_get_blob(&q, 0, &n_bytes);
        *out = n_bytes == SHA256_BYTES && memcmp(stored, sha256, SHA256_BYTES) == 0;
    }
    return query_close(&q);
}

static enum err_code check_batch(struct checking *c, const struct check_model *model, int64_t id,
                                 struct err *err)
{
    static const char advice[] = "restore a backup, or delete the batch and upload it again";
    struct batch batch = {.id = id};
    struct err one = ERR_INIT;
    unsigned char sha256[SHA256_BYTES];
    bool same = true;
    if (digest_open(&batch.digest, err) != ERR_OK) {
        return err->code;
    }
    if (query_number_for(c->conn, SQL_CHECK_BATCH, ":batch", id, &batch.n_rows, &one) == ERR_OK) {
        err_kept(read_rows(c, model, &batch, &one));
    }
    digest_close(&batch.digest, sha256);
    if (one.code == ERR_OK) {
        err_kept(compare_digest(c, id, sha256, &same, &one));
    }
    if (one.code != ERR_OK) {
        err_kept(checking_forgive(c, &one, err, "batch %lld of model %s cannot be read; %s",
                                  (long long)id, model->name, advice));
    } else if (batch.n_read != batch.n_rows) {
        checking_found(c, "batch %lld of model %s has %s, not the %lld that are noted; %s",
                       (long long)id, model->name, phrase_count(batch.n_read, "row").text,
                       (long long)batch.n_rows, advice);
    } else if (!same) {
        checking_found(c, "batch %lld of model %s does not match its SHA-256; %s", (long long)id,
                       model->name, advice);
    }
    return err->code;
}

enum err_code check_batches(struct checking *c, const struct check_model *model, struct err *err)
{
    struct query q = query_open(c->conn, SQL_BATCH_IDS, err);
    query_int(&q, ":model", model->id);
    while (query_row(&q)) {
        c->report->n_batches++;
        if (check_batch(c, model, query_get_int(&q, 0), err) != ERR_OK) {
            break;
        }
    }
    return query_close(&q);
}

/* ---- checkpoints ---- */

enum err_code check_checkpoints(struct checking *c, struct err *err)
{
    int64_t reported = 0; /* the last job that has a finding: one is enough */
    struct query q = query_open(c->conn, SQL_CHECK_CHECKPOINTS, err);
    while (query_row(&q)) {
        size_t n_sha = 0;
        size_t n_bytes = 0;
        bool good = false;
        int64_t job = query_get_int(&q, 0);
        const void *sha = query_get_blob(&q, 3, &n_sha);
        const void *bytes = query_get_blob(&q, 4, &n_bytes);
        int64_t state = query_get_int(&q, 5);
        bool may_have = state == JOB_QUEUED || state == JOB_RUNNING;
        if (chunks_compare(bytes, n_bytes, sha, n_sha, &good, err) != ERR_OK ||
            checking_advance(c, 0, err) != ERR_OK) {
            break;
        }
        if (job == reported) {
            continue;
        }
        if (!good) {
            checking_found(
                c,
                "checkpoint of job %lld (task %lld) does not match its SHA-256; cancel the "
                "job and queue it again",
                (long long)job, (long long)query_get_int(&q, 1));
        } else if (!may_have) {
            checking_found(c, "job %lld has ended, but its checkpoints are there and waste space",
                           (long long)job);
        }
        reported = good && may_have ? reported : job;
    }
    return query_close(&q);
}

/* ---- results ---- */

enum err_code check_results(struct checking *c, struct err *err)
{
    int64_t reported = 0;
    struct query q = query_open(c->conn, SQL_CHECK_RESULTS, err);
    while (query_row(&q)) {
        size_t n_sha = 0;
        size_t n_bytes = 0;
        bool good = false;
        int64_t job = query_get_int(&q, 0);
        const void *sha = query_get_blob(&q, 2, &n_sha);
        const void *bytes = query_get_blob(&q, 3, &n_bytes);
        if (chunks_compare(bytes, n_bytes, sha, n_sha, &good, err) != ERR_OK ||
            checking_advance(c, 0, err) != ERR_OK) {
            break;
        }
        if (!good && job != reported) {
            checking_found(c, "the result of job %lld does not match its SHA-256; ask for it again",
                           (long long)job);
            reported = job;
        }
    }
    return query_close(&q);
}
