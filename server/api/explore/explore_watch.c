/* SPDX-License-Identifier: Apache-2.0 */
#include "api/explore/explore_watch.h"

#include "api/native/prediction_request.h"
#include "base/clock.h"
#include "base/threads.h"

/* ERR_OK: somebody still waits for the answer. */
static enum err_code find_reason(const struct explore_watch *watch)
{
    const struct request *req = watch->req;
    if (watch->deadline_ns != 0 && clock_ns() > watch->deadline_ns) {
        return ERR_DEADLINE;
    }
    if (atomic_load_explicit(&watch->app->draining, memory_order_relaxed)) {
        return ERR_DRAINING;
    }
    return req->ops != NULL && req->ops->gone(req->exchange) ? ERR_ABANDONED : ERR_OK;
}

static void *run_watch(void *arg)
{
    struct explore_watch *watch = arg;
    while (watch->reason == ERR_OK &&
           wake_wait(&watch->wake, clock_ns() + EXPLORE_WATCH_MS * CLOCK_MS)) {
        watch->reason = find_reason(watch);
    }
    if (watch->reason != ERR_OK) {
        cancel_request(&watch->cancel);
    }
    return NULL;
}

enum err_code explore_watch_begin(struct explore_watch *watch, const struct app *app,
                                  const struct request *req, struct err *err)
{
    *watch = (struct explore_watch){.app = app, .req = req, .reason = ERR_OK};
    if (prediction_request_deadline(req, &watch->deadline_ns, err) != ERR_OK) {
        return err->code;
    }
    wake_init(&watch->wake);
    if (threads_start(&watch->thread, "watch", run_watch, watch, err) != ERR_OK) {
        wake_release(&watch->wake);
    }
    return err->code;
}

void explore_watch_end(struct explore_watch *watch, struct err *err)
{
    wake_stop(&watch->wake);
    pthread_join(watch->thread, NULL);
    wake_release(&watch->wake);
    if (err->code != ERR_CANCELLED) {
        return;
    }
    err_clear(err);
    if (watch->reason == ERR_DEADLINE) {
        err_set(err, ERR_DEADLINE, "the request's time ran out before it was answered");
    } else if (watch->reason == ERR_DRAINING) {
        err_set(err, ERR_DRAINING, "the server is stopping");
    } else {
        err_set(err, ERR_ABANDONED, "the client went away before the answer");
    }
}
