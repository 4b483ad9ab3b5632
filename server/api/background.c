/* SPDX-License-Identifier: Apache-2.0 */
#include "api/background.h"

#include "api/job_json.h"
#include "api/policy_json.h"
#include "api/train_request.h"
#include "documents/quality_json.h"
#include "store/sqlite/db.h"

#include <string.h>

#define MEGABYTE 1000000

static enum err_code compose(void *ctx, const char *model, const char *text, struct textbuf *out,
                             int *priority, struct err *err)
{
    /* Nobody is there to be told that a version has another network. */
    struct train_request request = {
        .text = text, .len = text != NULL ? strlen(text) : 0, .cold_if_need = true};
    if (train_request_write(ctx, model, &request, out, err) == ERR_OK) {
        *priority = request.priority;
    }
    return err->code;
}

static enum err_code start_events(struct app *app, struct err *err)
{
    struct events_settings settings = {.db = app->db, .log = app->log};
    return events_start(&settings, &app->events, err);
}

static enum err_code start_trainer(struct app *app, struct err *err)
{
    const struct config *config = app->config;
    struct trainer_settings settings = {
        .attempt = {.db = app->db,
                    .models = app->models,
                    .log = app->log,
                    .metrics = app->metrics,
                    .parse = job_json_parse,
                    .write_scores = quality_json_write_scores,
                    .n_threads = config->train_threads,
                    .max = {.seconds = config->train_seconds,
                            .bytes = (int64_t)config->train_memory_mb * MEGABYTE},
                    .checkpoint_ms = config->checkpoint_ms},
        .events = app->events,
        .nice = config->train_nice,
    };
    return trainer_start(&settings, &app->trainer, err);
}

static enum err_code start_keeper(struct app *app, struct err *err)
{
    struct keeper_settings settings = {
        .db = app->db,
        .models = app->models,
        .trainer = app->trainer,
        .events = app->events,
        .log = app->log,
        .parse = policy_json_parse,
        .compose = compose,
        .compose_ctx = app,
        .n_threads = 1,
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
