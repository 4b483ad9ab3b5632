/* SPDX-License-Identifier: Apache-2.0 */
#include "live/follow.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/wake.h"
#include "store/sqlite/db.h"
#include "store/sqlite/db_follow.h"
#include "store/sqlite/db_version.h"

#include <stdio.h>
#include <string.h>

#define WAITED_LOOK_NS (10 * CLOCK_MS) /* between two looks at the file while a request waits */

struct follow {
    struct follow_settings settings;
    pthread_t thread;
    struct wake wake;              /* for the stop, and for a look out of turn */
    struct follow_waiter *waiters; /* guarded by wake */
    bool closed;                   /* guarded by wake */
    /* Used by the thread alone. */
    enum db_change left; /* a change that failed and is tried again */
    char told[240];      /* the last failure that was logged; "": none since a success */
};

/* A bad file stays bad until it is changed; a lack of memory or descriptors may pass. */
static bool is_transient(enum err_code code)
{
    return code == ERR_NOMEM || code == ERR_IO || code == ERR_BUSY;
}

static enum err_code take_over(struct follow *follow, enum db_change change, struct err *err)
{
    struct db *db = follow->settings.db;
    int64_t version = 0;
    if (change == DB_REPLACED && db_reopen(db, err) != ERR_OK) {
        return err->code;
    }
    /* Before the models are read, which are then as new as that. */
    if (db_version_look(db, &version, err) != ERR_OK) {
        return err->code;
    }
    /* Where a version is damaged, the one before it serves here as on the primary. */
    if (models_reload(follow->settings.models, err) == ERR_OK || !is_transient(err->code)) {
        db_version_reached(db, version);
    }
    return err->code;
}

static void report_failure(struct follow *follow, const struct err *err)
{
    const struct follow_settings *s = &follow->settings;
    if (strcmp(follow->told, err_msg(err)) != 0) {
        metrics_add(&s->metrics->replica_failures, 1);
        log_warn(s->log, "change of the registry file not taken over", "reason", err_msg(err),
                 NULL);
        snprintf(follow->told, sizeof follow->told, "%s", err_msg(err));
    }
}

static void look_at_file(struct follow *follow)
{
    const struct follow_settings *s = &follow->settings;
    struct err err = ERR_INIT;
    enum db_change change = DB_SAME;
    if (db_poll(s->db, &change, &err) != ERR_OK) {
        report_failure(follow, &err);
        return;
    }
    change = change > follow->left ? change : follow->left;
    if (change == DB_SAME) {
        return;
    }
    if (take_over(follow, change, &err) != ERR_OK) {
        follow->left = is_transient(err.code) ? change : DB_SAME;
        report_failure(follow, &err);
        return;
    }
    follow->left = DB_SAME;
    follow->told[0] = '\0';
    metrics_add(&s->metrics->replica_reloads, 1);
    log_info(s->log, "change of the registry file taken over", "kind",
             change == DB_REPLACED ? "replaced" : "changed", NULL);
}

/* ---- requests that wait ---- */

/* Takes those out of the list that need not wait any longer; the list of them. */
static struct follow_waiter *take_served(struct follow *follow)
{
    struct follow_waiter *served = NULL;
    int64_t version = db_version(follow->settings.db);
    int64_t now_ns = clock_ns();
    wake_lock(&follow->wake);
    struct follow_waiter **link = &follow->waiters;
    while (*link != NULL) {
        struct follow_waiter *waiter = *link;
        if (follow->closed || waiter->version <= version || waiter->until_ns <= now_ns) {
            *link = waiter->next;
            waiter->next = served;
            served = waiter;
        } else {
            link = &waiter->next;
        }
    }
    wake_unlock(&follow->wake);
    return served;
}

static void wake_served(struct follow *follow)
{
    struct follow_waiter *waiter = take_served(follow);
    while (waiter != NULL) {
        struct follow_waiter *next = waiter->next; /* it is gone once it is awake */
        waiter->wake(waiter->ctx);
        waiter = next;
    }
}

bool follow_wait(struct follow *follow, struct follow_waiter *waiter)
{
    wake_lock(&follow->wake);
    bool taken = !follow->closed;
    if (taken) {
        waiter->next = follow->waiters;
        follow->waiters = waiter;
        wake_notify_locked(&follow->wake);
    }
    wake_unlock(&follow->wake);
    return taken;
}

void follow_close(struct follow *follow)
{
    if (follow != NULL) {
        wake_lock(&follow->wake);
        follow->closed = true;
        wake_unlock(&follow->wake);
        wake_served(follow);
    }
}

/* ---- the thread ---- */

static int64_t next_look_ns(struct follow *follow)
{
    int64_t period_ns = follow->settings.period_ms * CLOCK_MS;
    wake_lock(&follow->wake);
    bool waited_for = follow->waiters != NULL;
    wake_unlock(&follow->wake);
    return clock_ns() + (waited_for && period_ns > WAITED_LOOK_NS ? WAITED_LOOK_NS : period_ns);
}

static void *follow_file(void *arg)
{
    struct follow *follow = arg;
    while (wake_wait(&follow->wake, next_look_ns(follow))) {
        look_at_file(follow);
        wake_served(follow);
    }
    return NULL;
}

static void follow_free(struct follow *follow)
{
    wake_release(&follow->wake);
    mem_free(follow);
}

enum err_code follow_start(const struct follow_settings *settings, struct follow **out,
                           struct err *err)
{
    struct follow *follow = mem_zalloc(sizeof *follow);
    if (follow == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to follow the registry file");
    }
    follow->settings = *settings;
    wake_init(&follow->wake);
    if (threads_start(&follow->thread, "follow", follow_file, follow, err) != ERR_OK) {
        follow_free(follow);
        return err->code;
    }
    *out = follow;
    return ERR_OK;
}

void follow_stop(struct follow *follow)
{
    if (follow == NULL) {
        return;
    }
    wake_stop(&follow->wake);
    pthread_join(follow->thread, NULL);
    follow_free(follow);
}
