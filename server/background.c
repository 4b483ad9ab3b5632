/* SPDX-License-Identifier: Apache-2.0 */
#include "background.h"

#include <string.h>

#include "launch_setup.h"

#define MEGABYTE 1000000

static enum err_code start_events(struct app *app, struct err *err)
{
    struct events_settings settings = {.db = app->db, .log = app->log};
    return events_start(&settings, &app->events, err);
}

static enum err_code start_trainer(struct app *app, struct err *err)
{
    const struct config *config = app->config;
    struct launch_settings launch;
    struct trainer_settings settings = {
        .attempt = {.db = app->db,
                    .models = app->models,
                    .log = app->log,
                    .metrics = app->metrics,
                    .n_threads = config->train_threads,
                    .max = {.seconds = config->train_seconds,
                            .bytes = (int64_t)config->train_memory_mb * MEGABYTE},
                    .checkpoint_ms = config->checkpoint_ms},
        .events = app->events,
        .launch = &launch,
        .nice = config->train_nice,
    };
    return launch_setup(config, app->log, &launch, err) == ERR_OK
               ? trainer_start(&settings, &app->trainer, err)
               : err->code;
}

static enum err_code start_keeper(struct app *app, struct err *err)
{
    struct keeper_settings settings = {
        .db = app->db,
        .models = app->models,
        .trainer = app->trainer,
        .events = app->events,
        .log = app->log,
        .n_threads = 1,
        .train_threads = app->config->train_threads,
        .max_train_bytes = (int64_t)app->config->train_memory_mb * MEGABYTE,
        .launch = {.on = strcmp(app->config->launcher, "none") != 0,
                   .min_rows = app->config->launch_rows},
    };
    return keeper_start(&settings, &app->keeper, err);
}

enum err_code background_start(struct app *app, struct err *err)
{
    if (start_events(app, err) != ERR_OK || db_is_read_only(app->db)) {
        return err->code;
    }
    return start_trainer(app, err) == ERR_OK ? start_keeper(app, err) : err->code;
}

void background_stop(struct app *app)
{
    keeper_stop(app->keeper);
    trainer_stop(app->trainer);
    events_free(app->events);
    app->keeper = NULL;
    app->trainer = NULL;
    app->events = NULL;
}
