/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers may use. Main (or a test) fills it; it does not change while requests run. */
#ifndef APP_H
#define APP_H

#include "api/access.h"
#include "api/audit.h"
#include "api/offload.h"
#include "api/origin.h"
#include "base/config.h"
#include "api/health.h"
#include "base/log.h"
#include "base/metrics.h"
#include "access/peers.h"
#include "access/replicas.h"
#include "http/exchange.h"
#include "jobs/events.h"
#include "jobs/keeper.h"
#include "jobs/trainer.h"
#include "live/batcher.h"
#include "live/follow.h"
#include "live/models.h"
#include "store/sqlite/db.h"

#include <stdatomic.h>

struct app {
    /* A reload swaps it; the settings of before stay until the end. */
    const struct config *_Atomic config;
    struct db *db;
    struct models *models;
    struct follow *_Atomic follow; /* of a replica, once it follows its file; else NULL */
    struct batcher *batcher;
    struct offload *offload; /* NULL: handlers run in the thread that calls them */
    struct trainer *trainer;
    struct keeper *keeper;
    struct events *events;
    const struct origin_rules *origin; /* NULL: any Host and Origin is taken */
    struct audit *audit;               /* NULL: changes are not written down */
    struct replicas *replicas;         /* that tell of themselves; NULL: they are not kept */
    struct peers *peers;               /* NULL: no limit for an address */
    struct stream_places *streams;     /* NULL: no stream gives way to another */
    struct access *access;             /* NULL: nobody needs a token */
    struct log *log;
    struct metrics *metrics;
    struct health *health;              /* NULL: nobody watches */
    atomic_bool draining;               /* set when the daemon begins to stop */
    atomic_int compressing;             /* answers that are compressed while they are sent */
    atomic_size_t answer_bytes;         /* of answers_mb (api/exports/answer_room.h) */
    atomic_int exploring;               /* designs, suggestions and optimisations under way */
    atomic_size_t streamed_model_bytes; /* of versions that such answers are made from */
};

typedef enum err_code handler_fn(struct app *app, const struct request *req, struct response *res,
                                 struct err *err);

#endif
