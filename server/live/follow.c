/* SPDX-License-Identifier: Apache-2.0 */
#include "live/follow.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/wake.h"
#include "store/sqlite/db.h"
#include "store/sqlite/db_follow.h"

#include <stdio.h>
#include <string.h>

struct follow {
    struct follow_settings settings;
    pthread_t thread;
    struct wake wake; /* for the stop */
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
    if (change == DB_REPLACED && db_reopen(follow->settings.db, err) != ERR_OK) {
        return err->code;
    }
    return models_reload(follow->settings.models, err);
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

static void *follow_file(void *arg)
{
    struct follow *follow = arg;
    while (wake_wait(&follow->wake, clock_ns() + follow->settings.period_ms * CLOCK_MS)) {
        look_at_file(follow);
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
