/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers may use. Filled by main (or a test), immutable while requests run. */
#ifndef APP_H
#define APP_H

#include "api/offload.h"
#include "base/config.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/exchange.h"
#include "jobs/events.h"
#include "jobs/keeper.h"
#include "jobs/trainer.h"
#include "live/batcher.h"
#include "live/models.h"
#include "store/sqlite/db.h"

#include <stdatomic.h>

struct app {
    const struct config *config;
    struct db *db;
    struct models *models;
    struct batcher *batcher;
    struct offload *offload; /* NULL: handlers run where they are called */
    struct trainer *trainer;
    struct keeper *keeper;
    struct events *events;
    struct log *log;
    struct metrics *metrics;
    atomic_bool draining;       /* set once the daemon begins to stop */
    atomic_size_t answer_bytes; /* of answers_mb (api/native/answer_room.h) */
};

typedef enum err_code handler_fn(struct app *app, const struct request *req, struct response *res,
                                 struct err *err);

#endif
