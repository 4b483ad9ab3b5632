/* SPDX-License-Identifier: Apache-2.0 */
#include "api/registry_version.h"

#include "api/request_times.h"
#include "base/clock.h"
#include "base/digits.h"
#include "live/follow.h"
#include "store/sqlite/db_version.h"

#include <string.h>

#define MAX_TIMEOUT_MS 86400000 /* as of predictions, which refuse more */
#define RETRY_S        1

/* A request that waits; in its arena. */
struct awaiting {
    struct app *app;
    struct request *req;
    content_next_fn *next;
    int64_t since_ns;
    struct follow_waiter waiter;
};

static enum err_code refuse(struct app *app, int64_t wanted, struct response *res, struct err *err)
{
    bool replica = db_is_read_only(app->db);
    response_header(res, "Retry-After", "1");
    err->retry_s = RETRY_S;
    return err_set(err, ERR_BEHIND,
                   replica ? "this replica is at version %lld of the registry, and %lld was asked "
                             "for; ask again, or ask another server"
                           : "this server is at version %lld of the registry, and %lld was asked "
                             "for: it is of another registry, or of a time before a restore",
                   (long long)db_version(app->db), (long long)wanted);
}

/* On the connection's thread. */
static enum err_code go_on(void *ctx, struct response *res, struct err *err)
{
    struct awaiting *work = ctx;
    struct app *app = work->app;
    request_times_waited(work->req, clock_ns() - work->since_ns);
    if (atomic_load_explicit(&app->draining, memory_order_relaxed)) {
        return err_set(err, ERR_DRAINING, "the server is stopping");
    }
    if (db_version(app->db) < work->waiter.version) {
        return refuse(app, work->waiter.version, res, err);
    }
    return work->next(app, work->req, res, err);
}

static void forget(void *ctx)
{
    (void)ctx; /* it is in the request's arena */
}

static void wake(void *ctx)
{
    const struct awaiting *work = ctx;
    work->req->ops->resume(work->req->exchange);
}

/* What the client allows; a header that is no number is refused by those who know it. */
static int64_t timeout_ms(const struct app *app, const struct request *req)
{
    const char *text = request_header(req, "Request-Timeout-Ms");
    int64_t ms = 0;
    bool known = text != NULL && digits_parse(text, &ms) && ms <= MAX_TIMEOUT_MS;
    return known && ms < app->config->follow_wait_ms ? ms : app->config->follow_wait_ms;
}

static enum err_code wait_for(struct app *app, struct request *req, int64_t wanted,
                              content_next_fn *next, struct response *res, struct err *err)
{
    struct follow *follow = atomic_load(&app->follow);
    if (follow == NULL || req->ops == NULL || app->config->follow_wait_ms == 0) {
        return refuse(app, wanted, res, err);
    }
    struct awaiting *work = arena_zalloc_array(req->arena, 1, sizeof *work);
    if (work == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    int64_t now_ns = clock_ns();
    *work = (struct awaiting){.app = app,
                              .req = req,
                              .next = next,
                              .since_ns = now_ns,
                              .waiter = {.version = wanted,
                                         .until_ns = now_ns + timeout_ms(app, req) * CLOCK_MS,
                                         .wake = wake,
                                         .ctx = work}};
    res->later = (struct later){.run = go_on, .drop = forget, .ctx = work};
    /* In this order: it may be woken before follow_wait returns. */
    req->ops->suspend(req->exchange);
    if (!follow_wait(follow, &work->waiter)) {
        req->ops->resume(req->exchange);
    }
    return ERR_OK;
}

enum err_code registry_version_await(struct app *app, struct request *req, content_next_fn *next,
                                     struct response *res, struct err *err)
{
    const char *text = request_header(req, "If-Registry-Version-At-Least");
    int64_t wanted = 0;
    if (text == NULL || strcmp(text, "0") == 0) {
        return next(app, req, res, err);
    }
    if (!digits_parse(text, &wanted)) {
        return err_set(err, ERR_INVALID,
                       "If-Registry-Version-At-Least is \"%.40s\", a number as in "
                       "X-Registry-Version is needed",
                       text);
    }
    return db_version(app->db) >= wanted ? next(app, req, res, err)
                                         : wait_for(app, req, wanted, next, res, err);
}

void registry_version_tell(struct app *app, const struct request *req, bool from_file,
                           struct response *res)
{
    int64_t version = app->db != NULL ? db_version(app->db) : 0;
    struct err err = ERR_INIT;
    if (version > 0 && from_file && db_is_read_only(app->db)) {
        /* After an error the number in memory is the best there is. */
        err_kept(db_version_in_file(app->db, &version, &err));
    }
    const char *text = version > 0 ? arena_printf(req->arena, "%lld", (long long)version) : NULL;
    if (text != NULL) {
        response_header(res, "X-Registry-Version", text);
    }
}
