/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request reads the settings through one pointer, which a reload swaps. Requests may hold the old
 * one for long, so settings are freed at the end only. Those that come back, as when a level of the
 * log is changed to and fro, are used again, so that memory grows with the number of different
 * settings and not with that of reloads.
 */
#include "reload.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli.h"

#define VALUE_CHARS 80 /* of a value in a line of the log */

struct reload_settings {
    struct config config;
    struct reload_settings *next;
};

/* What each request, stop or look reads again. Everything else was used at the start. */
static const char *const changeable[] = {"base_path",
                                         "log_level",
                                         "max_rows",
                                         "event_streams",
                                         "drain_timeout_s",
                                         "min_free_mb",
                                         "slow_ms",
                                         "max_peer_streams",
                                         "max_peer_rate",
                                         "max_peer_rows_per_s",
                                         "max_peer_bytes_per_s",
                                         "max_peer_requests",
                                         "max_peer_queue_share"};

static bool is_changeable(const char *name)
{
    for (size_t i = 0; i < sizeof changeable / sizeof *changeable; i++) {
        if (strcmp(changeable[i], name) == 0) {
            return true;
        }
    }
    return false;
}

void reload_init(struct reload *reload, struct app *app, int argc, char **argv)
{
    *reload = (struct reload){.app = app, .argc = argc, .argv = argv};
}

void reload_add_hook(struct reload *reload, const struct reload_hook *hook)
{
    assert(reload->n_hooks < RELOAD_MAX_HOOKS);
    reload->hooks[reload->n_hooks++] = *hook;
}

void reload_release(struct reload *reload)
{
    while (reload->first != NULL) {
        struct reload_settings *next = reload->first->next;
        mem_free(reload->first);
        reload->first = next;
    }
}

struct change {
    const char *name;
    char from[VALUE_CHARS];
    char to[VALUE_CHARS];
};

/* Logs a change. True: it takes effect now. */
static bool log_change(const struct log *log, const struct change *change)
{
    if (strcmp(change->from, change->to) == 0) {
        return false;
    }
    if (is_changeable(change->name)) {
        log_info(log, "setting changed", "setting", change->name, "from", change->from, "to",
                 change->to, NULL);
        return true;
    }
    log_warn(log, "setting changes at the next start", "setting", change->name, "from",
             change->from, "to", change->to, NULL);
    return false;
}

static bool log_change_of_int(const struct log *log, const char *name, int from, int to)
{
    struct change change = {.name = name};
    snprintf(change.from, sizeof change.from, "%d", from);
    snprintf(change.to, sizeof change.to, "%d", to);
    return log_change(log, &change);
}

static bool log_change_of_text(const struct log *log, const char *name, const char *from,
                               const char *to)
{
    struct change change = {.name = name};
    snprintf(change.from, sizeof change.from, "%.*s", VALUE_CHARS - 1, from);
    snprintf(change.to, sizeof change.to, "%.*s", VALUE_CHARS - 1, to);
    return log_change(log, &change);
}

/* *next becomes `now` with what may change taken from `read`. False: nothing changes. */
static bool take_changes(const struct log *log, const struct config *now, const struct config *read,
                         struct config *next)
{
    bool changed = false;
    *next = *now;
#define CONFIG_TEXT(name, value, help)                                                             \
    if (log_change_of_text(log, #name, now->name, read->name)) {                                   \
        memcpy(next->name, read->name, sizeof next->name);                                         \
        changed = true;                                                                            \
    }
#define CONFIG_INT(name, value, min, max, help)                                                    \
    if (log_change_of_int(log, #name, now->name, read->name)) {                                    \
        next->name = read->name;                                                                   \
        changed = true;                                                                            \
    }
#define CONFIG_BOOL(name, value, help)                                                             \
    if (log_change_of_int(log, #name, now->name, read->name)) {                                    \
        next->name = read->name;                                                                   \
        changed = true;                                                                            \
    }
#include "base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_INT
#undef CONFIG_BOOL
    return changed;
}

static struct reload_settings *find_equal(const struct reload *reload, const struct config *config)
{
    struct reload_settings *at = reload->first;
    /* All are copies of one another. Bytes between members that differ would cost memory, no more.
     * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
    while (at != NULL && memcmp(&at->config, config, sizeof *config) != 0) {
        at = at->next;
    }
    return at;
}

/* Takes `settings`, or frees them when they were in force before. */
static void put_in_force(struct reload *reload, struct reload_settings *settings)
{
    struct app *app = reload->app;
    struct reload_settings *before = find_equal(reload, &settings->config);
    if (before != NULL) {
        mem_free(settings);
        settings = before;
    } else {
        settings->next = reload->first;
        reload->first = settings;
    }
    app->config = &settings->config;
    atomic_store_explicit(&app->log->level,
                          names_find(log_level_known(), settings->config.log_level),
                          memory_order_relaxed);
}

void reload_run(struct reload *reload)
{
    struct app *app = reload->app;
    struct err err = ERR_INIT;
    struct cli *cli = mem_zalloc(sizeof *cli);
    struct reload_settings *settings = mem_zalloc(sizeof *settings);
    if (cli == NULL || settings == NULL) {
        err_set(&err, ERR_NOMEM, "no memory to read them");
    } else {
        err_kept(cli_parse(reload->argc, reload->argv, cli, &err));
    }
    if (err.code != ERR_OK) {
        log_error(app->log, "settings not reloaded", "reason", err_msg(&err), NULL);
    } else if (take_changes(app->log, app->config, &cli->config, &settings->config)) {
        put_in_force(reload, settings);
        settings = NULL;
    }
    for (int i = 0; i < reload->n_hooks && err.code == ERR_OK; i++) {
        reload->hooks[i].reload(reload->hooks[i].ctx, app->config);
    }
    if (err.code == ERR_OK) {
        log_info(app->log, "settings reloaded", NULL);
    }
    mem_free(settings);
    mem_free(cli);
}

void reload_change_log_level(struct log *log, int step)
{
    int level = (int)log_level_get(log) + step;
    struct names known = log_level_known();
    level = level < LOG_DEBUG ? LOG_DEBUG : level > LOG_ERROR ? LOG_ERROR : level;
    atomic_store_explicit(&log->level, level, memory_order_relaxed);
    /* Whoever asked must see it, whatever the level is now. */
    log_line(log, LOG_ERROR, "log level changed", "to", known.list[level], NULL);
}
