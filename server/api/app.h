/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers may use. Filled by main (or a test), immutable while requests run. */
#ifndef APP_H
#define APP_H

#include "api/access.h"
#include "api/audit.h"
#include "api/offload.h"
#include "api/stream_quota.h"
#include "api/origin.h"
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
    const struct origin_rules *origin; /* NULL: any Host and Origin is taken */
    struct audit *audit;               /* NULL: changes are not written down */
    struct stream_quota *streams;      /* NULL: no limit for an address */
    struct access *access;             /* NULL: nobody needs a token */
    struct log *log;
    struct metrics *metrics;
    atomic_bool draining; /* set once the daemon begins to stop */
};

typedef enum err_code handler_fn(struct app *app, const struct request *req, struct response *res,
                                 struct err *err);

#endif
