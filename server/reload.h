/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings that change while the server runs. On SIGHUP the config file and the environment are
 * read again; flags of the command line still have priority. Settings that can change take effect,
 * and a log line names each.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include "api/app.h"

#define RELOAD_MAX_HOOKS 4

/* Something else that is read again, such as a file of tokens or a certificate. */
struct reload_hook {
    void (*reload)(void *ctx, const struct config *config); /* logs what it did */
    void *ctx;
};

struct reload_settings; /* the settings of one reload, which are kept until the end */

struct reload {
    struct app *app;
    int argc;
    char **argv;
    struct reload_settings *first;
    struct reload_hook hooks[RELOAD_MAX_HOOKS];
    int n_hooks;
};

void reload_init(struct reload *reload, struct app *app, int argc, char **argv);
/* At most RELOAD_MAX_HOOKS. */
void reload_add_hook(struct reload *reload, const struct reload_hook *hook);
/* Nobody may use the app's config any more. */
void reload_release(struct reload *reload);

/* After an error, which is logged, all settings stay as they are. Only one thread may call it. */
void reload_run(struct reload *reload);

/* One step towards debug (-1) or error (1); it is logged. */
void reload_change_log_level(struct log *log, int step);

#endif
