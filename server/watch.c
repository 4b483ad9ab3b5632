/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include "base/clock.h"
#include "api/health.h"
#include "base/mem.h"
#include "base/phrase.h"
#include "notify.h"
#include "base/threads.h"
#include "base/wake.h"
#include "store/sqlite/db_presence.h"

#include <stdio.h>
#include <string.h>

#define PERIOD_NS  CLOCK_S /* or a third of the watchdog's period, if that is shorter */
#define HTTP_AGE_S 30      /* a thread without a turn for so long hangs; 60 MB of JSON take a few */
#define MEGABYTE   1000000

struct watch {
    struct app *app;
    struct daemon *daemon;
    pthread_t thread;
    struct wake wake; /* for the stop */
    int64_t period_ns;
    int64_t watchdog_ns; /* 0: there is none */
    int64_t told_ns;     /* when the watchdog last heard of us */
    char status[HEALTH_REASON_CHARS + 80];
};

static void note_health(const struct app *app, enum health_part part, const char *reason)
{
    if (!health_set(app->health, part, reason)) {
        return;
    }
    if (reason != NULL) {
        log_error(app->log, "not ready", "part", health_part_name(part), "reason", reason, NULL);
    } else {
        log_info(app->log, "ready again", "part", health_part_name(part), NULL);
    }
}

static void look_at_registry(const struct app *app)
{
    struct err err = ERR_INIT;
    enum err_code code = db_check_presence(app->db, &err);
    note_health(app, HEALTH_REGISTRY, code != ERR_OK ? err_msg(&err) : NULL);
}

static void look_at_disk(const struct app *app)
{
    struct db_room room = db_measure_room(app->db);
    long long free_mb = room.free_bytes / MEGABYTE;
    char reason[HEALTH_REASON_CHARS];
    bool full = room.free_bytes >= 0 && free_mb < app->config->min_free_mb;
    metrics_set(&app->metrics->disk_free_bytes, room.free_bytes);
    metrics_set(&app->metrics->registry_bytes, room.file_bytes);
    metrics_set(&app->metrics->wal_bytes, room.wal_bytes);
    metrics_set(&app->metrics->reserve_bytes, room.reserve_bytes);
    snprintf(reason, sizeof reason,
             "the disk of the registry is full: %lld MB are free, min_free_mb is %d", free_mb,
             app->config->min_free_mb);
    note_health(app, HEALTH_DISK, full && !db_is_read_only(app->db) ? reason : NULL);
}

static void look_at_models(const struct app *app)
{
    char name[NAME_MAX_CHARS + 1];
    char reason[HEALTH_REASON_CHARS];
    models_retry_failed(app->models);
    int n = models_count_failed(app->models, name);
    snprintf(reason, sizeof reason, "%d model%s could not be loaded, model %s among them", n,
             n == 1 ? "" : "s", name);
    note_health(app, HEALTH_MODELS, n > 0 ? reason : NULL);
}

static void look_at_threads(const struct watch *watch)
{
    const struct app *app = watch->app;
    bool worker = app->trainer == NULL || trainer_is_alive(app->trainer);
    note_health(app, HEALTH_TRAINER,
                worker ? NULL : "the thread that trains has ended; restart the server");
    note_health(app, HEALTH_HTTP,
                daemon_is_responsive(watch->daemon, HTTP_AGE_S * CLOCK_S) ? NULL
                                                                          : "an HTTP thread hangs");
}

static void check_all_parts(const struct watch *watch)
{
    look_at_registry(watch->app);
    look_at_disk(watch->app);
    look_at_threads(watch);
    look_at_models(watch->app);
    daemon_count_connections(watch->daemon, watch->app->metrics->connections);
    daemon_count_ends(watch->daemon, watch->app->metrics->connections_closed);
    metrics_set(&watch->app->metrics->connections_refused, daemon_count_refused(watch->daemon));
    metrics_set(&watch->app->metrics->forwarded_unreadable, daemon_count_unreadable(watch->daemon));
    log_tell_missing(watch->app->log, false);
    daemon_give_back(watch->daemon);
    batcher_give_back(watch->app->batcher);
    mem_give_back();
}

/* Tells the watchdog that we live, unless a thread hangs or has ended, which only a restart mends.
 * A full disk or a damaged model is no reason for a restart. */
static void tell_manager(struct watch *watch)
{
    char reason[HEALTH_REASON_CHARS];
    char state[sizeof watch->status];
    int64_t now_ns = clock_ns();
    struct health *health = watch->app->health;
    if (health_get_first(health, reason)) {
        snprintf(state, sizeof state, "STATUS=not ready: %s", reason);
    } else {
        snprintf(state, sizeof state, "STATUS=ready, %s in memory",
                 phrase_count(models_totals(watch->app->models).n_models, "model").text);
    }
    if (strcmp(watch->status, state) != 0) {
        memcpy(watch->status, state, sizeof state);
        notify_send(state);
    }
    if (watch->watchdog_ns > 0 && now_ns - watch->told_ns >= watch->watchdog_ns / 3 &&
        !health_get(health, HEALTH_HTTP, reason) && !health_get(health, HEALTH_TRAINER, reason)) {
        watch->told_ns = now_ns;
        notify_send("WATCHDOG=1");
    }
}

static void *watch_parts(void *arg)
{
    struct watch *watch = arg;
    while (wake_wait(&watch->wake, clock_ns() + watch->period_ns)) {
        check_all_parts(watch);
        tell_manager(watch);
    }
    return NULL;
}

enum err_code watch_start(struct app *app, struct daemon *daemon, struct watch **out,
                          struct err *err)
{
    struct watch *watch = mem_zalloc(sizeof *watch);
    if (watch == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to watch the server");
    }
    watch->app = app;
    watch->daemon = daemon;
    wake_init(&watch->wake);
    watch->watchdog_ns = notify_watchdog_ns();
    watch->period_ns = watch->watchdog_ns > 0 && watch->watchdog_ns / 3 < PERIOD_NS
                           ? watch->watchdog_ns / 3
                           : PERIOD_NS;
    check_all_parts(watch);
    tell_manager(watch);
    if (threads_start(&watch->thread, "watch", watch_parts, watch, err) != ERR_OK) {
        wake_release(&watch->wake);
        mem_free(watch);
        return err->code;
    }
    *out = watch;
    return ERR_OK;
}

void watch_stop(struct watch *watch)
{
    if (watch != NULL) {
        wake_stop(&watch->wake);
        pthread_join(watch->thread, NULL);
        wake_release(&watch->wake);
        mem_free(watch);
    }
}
