/* SPDX-License-Identifier: Apache-2.0 */
#include "loopback.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "background.h"
#include "api/dispatch.h"
#include "formats/json_read.h"
#include "http/router.h"
#include "store/store.h"

void loopback_open(struct loopback *loop)
{
    struct err err = ERR_INIT;
    int n_labels;
    const char *const *labels = dispatch_labels(&n_labels);
    struct db_settings db = {.path = loop->place.path, .chunk_bytes = 1000, .wal_pages = 30};
    metrics_init(&loop->metrics, labels, n_labels, 0);
    memset(&loop->app, 0, sizeof loop->app);
    loop->app.config = &loop->config;
    loop->app.log = &loop->log;
    loop->app.metrics = &loop->metrics;
    ck_assert_msg(store_open(&loop->app.db, &db, &err) == ERR_OK, "%s", err.msg);
    ck_assert_int_eq(models_new(loop->app.db, &loop->log, &loop->app.models, &err), ERR_OK);
    ck_assert_int_eq(models_load(loop->app.models, &err), ERR_OK);
    struct batcher_settings batches = {.n_threads = 2,
                                       .max_items = 64,
                                       .max_rows = 1000,
                                       .batch_rows = 96,
                                       .metrics = &loop->metrics};
    ck_assert_int_eq(batcher_start(&batches, &loop->app.batcher, &err), ERR_OK);
    ck_assert_int_eq(background_start(&loop->app, &err), ERR_OK);
}

void loopback_close(struct loopback *loop)
{
    batcher_free(loop->app.batcher);
    background_stop(&loop->app);
    models_free(loop->app.models);
    db_close(loop->app.db);
}

void loopback_init(struct loopback *loop)
{
    struct err err = ERR_INIT;
    json_read_init();
    tmpdb_init(&loop->place);
    config_defaults(&loop->config);
    loop->config.train_threads = 2;
    ck_assert_int_eq(config_finish(&loop->config, &err), ERR_OK);
    loop->log = (struct log){.fd = STDERR_FILENO, .level = LOG_ERROR + 1, .format = LOG_TEXT};
    loopback_open(loop);
}

void loopback_reopen(struct loopback *loop)
{
    loopback_close(loop);
    loopback_open(loop);
}

void loopback_release(struct loopback *loop)
{
    loopback_close(loop);
    tmpdb_release(&loop->place);
}

/* Takes a body that is made while it is sent, in odd pieces. False: it was cut. */
static bool drain(const struct body_source *source, char *out, size_t size)
{
    char piece[333];
    size_t len = 0;
    size_t n;
    while ((n = source->read(source->ctx, piece, sizeof piece)) > 0 && n != BODY_SOURCE_FAILED) {
        for (size_t i = 0; i < n && out != NULL && len + 1 < size; i++) {
            out[len++] = piece[i];
        }
    }
    if (out != NULL) {
        out[len] = '\0';
    }
    if (source->release != NULL) {
        source->release(source->ctx);
    }
    return n == 0;
}

int loopback_call(struct loopback *loop, enum http_method method, const char *path,
                  const char *body, struct loopback_answer *answer)
{
    struct loopback_request request = {.method = method,
                                       .path = path,
                                       .body = body != NULL ? body : "",
                                       .n_body = body != NULL ? strlen(body) : 0};
    struct loopback_answer ignored = {.out = NULL};
    return loopback_send(loop, &request, answer != NULL ? answer : &ignored);
}

/* What stands behind the question mark of the target, which is cut there. */
static void split_query(char *target, struct header *query, struct request *req)
{
    char *mark = strchr(target, '?');
    while (mark != NULL && req->n_query < 4) {
        char *equals = strchr(mark + 1, '=');
        *mark = '\0';
        *equals = '\0';
        query[req->n_query++] = (struct header){mark + 1, equals + 1};
        mark = strchr(equals + 1, '&');
    }
}

int loopback_send(struct loopback *loop, const struct loopback_request *request,
                  struct loopback_answer *answer)
{
    struct arena arena = ARENA_INIT;
    struct header headers[2];
    struct header query[4];
    char target[512];
    struct response res = {.status = 0};
    struct request req = {
        .method = request->method,
        .method_text = http_method_name(request->method),
        .path = target,
        .headers = headers,
        .query = query,
        .body = request->body,
        .n_body = request->n_body,
        .arena = &arena,
        .transport = ERR_INIT,
    };
    if (request->content_type != NULL) {
        headers[req.n_headers++] = (struct header){"Content-Type", request->content_type};
    }
    if (request->key != NULL) {
        headers[req.n_headers++] = (struct header){"Idempotency-Key", request->key};
    }
    snprintf(target, sizeof target, "%s", request->path);
    split_query(target, query, &req);
    dispatch(&loop->app, &req, &res);
    answer->retry_after = false;
    for (int i = 0; i < res.n_headers; i++) {
        answer->retry_after |= strcmp(res.headers[i].name, "Retry-After") == 0;
    }
    if (res.source.read != NULL) {
        if (!drain(&res.source, answer->out, answer->size)) {
            res.status = LOOPBACK_CUT;
        }
    } else if (answer->out != NULL) {
        size_t len = res.n_body < answer->size ? res.n_body : answer->size - 1;
        memcpy(answer->out, res.body != NULL ? res.body : "", len);
        answer->out[len] = '\0';
    }
    if (res.source.read == NULL && res.source.release != NULL) {
        res.source.release(res.source.ctx);
    }
    arena_release(&arena);
    return res.status;
}
