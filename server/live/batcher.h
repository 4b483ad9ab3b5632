/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions of many clients on a fixed set of compute threads.
 *
 * Requests to one model that wait at the same moment become one call (core/predict/predict_join):
 * under load a draw's weights are read once for many rows. Nothing waits for a batch to fill: an
 * idle thread takes what is there, so batches form only while all threads are busy, and a small
 * request that finds room runs at once in its own thread.
 *
 * Calls go in tiles of rows. Models with waiting requests and calls with tiles left take turns, a
 * tile at a time, so neither a large request nor a busy model keeps the others waiting.
 */
#ifndef BATCHER_H
#define BATCHER_H

#include "base/metrics.h"
#include "live/batch_call.h"

struct batcher_settings {
    int n_threads;
    int max_items;      /* requests that may wait */
    long long max_rows; /* rows that may wait; a single request may have more when none waits */
    int batch_rows;     /* most rows of a joint call; 1: none are joined */
    struct metrics *metrics;
};

struct batcher;

/* ERR_NOMEM. */
enum err_code batcher_start(const struct batcher_settings *settings, struct batcher **out,
                            struct err *err) MUST_CHECK;

/*
 * Answers a small request at once, in the calling thread, when there is room for it: true, and
 * item->err tells how it ended; `done` is not called.
 */
bool batcher_run(struct batcher *batcher, struct batch_item *item) MUST_CHECK;

/*
 * Is there room in the queue? ERR_QUEUE_FULL with the seconds after which there will be, from the
 * rate at which work is done now.
 */
enum err_code batcher_admit(struct batcher *batcher, const struct batch_item *item,
                            struct err *err) MUST_CHECK;

/*
 * Puts the item into the queue; `done` follows exactly once, perhaps before this returns. item->err
 * then holds ERR_OK, an error of predict_run, ERR_DEADLINE, ERR_ABANDONED, ERR_QUEUE_FULL or
 * ERR_DRAINING.
 */
void batcher_submit(struct batcher *batcher, struct batch_item *item);

/* Ends everything that waits with ERR_DRAINING and stops the threads; later items end so too. */
void batcher_stop(struct batcher *batcher);
/* Stops first. NULL is fine. */
void batcher_free(struct batcher *batcher);

#endif
