/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions of many clients on a fixed number of compute threads.
 *
 * Requests to one model that wait at the same moment are joined to one call
 * (core/predict/predict_join): under load the weights of a draw are read once for many rows.
 * Nothing waits for a call to fill. An idle thread takes what is there, so requests are joined only
 * while all threads are busy, and a small request runs at once in its caller's thread if there is
 * room. Small ones that an HTTP thread has read in one turn are joined there (http/gather.c).
 *
 * Calls are computed in tiles of rows. Models with waiting requests and calls with tiles left take
 * turns, a tile at a time, so that neither a large request nor a busy model delays the others.
 */
#ifndef BATCHER_H
#define BATCHER_H

#include "base/metrics.h"
#include "live/batch_together.h"

struct batcher_settings {
    int n_threads;
    int max_items;      /* requests that may wait */
    long long max_rows; /* rows that may wait; a single request may have more when none waits */
    int batch_rows;     /* maximum rows of a joint call; 1: requests are not joined */
    struct metrics *metrics;
};

struct batcher;

/* ERR_NOMEM. */
enum err_code batcher_start(const struct batcher_settings *settings, struct batcher **out,
                            struct err *err) MUST_CHECK;

/*
 * Answers a small request at once in the calling thread, if there is room. True: it has been, and
 * item->err says how it ended; `done` is not called.
 */
bool batcher_run(struct batcher *batcher, struct batch_item *item) MUST_CHECK;

/*
 * Runs n small requests, at most BATCH_TOGETHER_MAX, that have come to a thread at the same time at
 * once in that thread (batch_together.h).
 */
void batcher_run_all(struct batcher *batcher, struct batch_item *const *items, int n);

/* Is the item small enough for batcher_run_all, and not so small that this would gain nothing? */
bool batcher_gains(const struct batch_item *item);

/*
 * Is there room in the queue? ERR_QUEUE_FULL has the seconds after which there will be, estimated
 * from the present rate of work.
 */
enum err_code batcher_admit(struct batcher *batcher, const struct batch_item *item,
                            struct err *err) MUST_CHECK;

/*
 * Puts the item into the queue. `done` is called exactly once, perhaps before this returns; then
 * item->err holds ERR_OK, an error of predict_run, ERR_DEADLINE, ERR_ABANDONED, ERR_QUEUE_FULL or
 * ERR_DRAINING.
 */
void batcher_submit(struct batcher *batcher, struct batch_item *item);

/*
 * Frees the memory that is kept for calls and by idle threads, if little has been computed since
 * the last call. Called once a second or so.
 */
void batcher_give_back(struct batcher *batcher);

/* Multiplications of all that waits or is being computed. */
double batcher_work(struct batcher *batcher);

/* Ends waiting and later items with ERR_DRAINING and stops the threads. Other threads may go on
 * calling the functions above meanwhile and afterwards. */
void batcher_stop(struct batcher *batcher);
/* Stops first. NULL is fine. */
void batcher_free(struct batcher *batcher);

#endif
