/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits to be computed, and whose turn it is.
 *
 * A ring holds sources of work: lanes, which are requests that wait for one model and can be
 * joined, and calls with tiles left. The source at the head has the turn, and is put back at the
 * end if there is more to do. The queue also adds up how much work waits, and how fast work was
 * done lately, for the estimate in a refusal.
 *
 * It has no lock of its own: the batcher (batcher.c) holds its lock during every call. After the
 * beginning nothing is allocated.
 */
#ifndef BATCH_QUEUE_H
#define BATCH_QUEUE_H

#include "base/metrics.h"
#include "live/batch_call.h"

enum source_kind { SOURCE_LANE, SOURCE_CALL };

struct source {
    struct source *next;
    enum source_kind kind;
};

struct lane;

struct batch_queue {
    int max_items;
    long long max_rows;
    int batch_rows; /* of a joint call */
    struct metrics *metrics;
    struct source *first; /* the ring; NULL: there is no work */
    struct source *last;
    struct lane *lanes; /* [max_items] */
    struct lane *free_lanes;
    int n_waiting; /* items in lanes */
    long long rows_waiting;
    double work_waiting; /* multiplications, of items in lanes and of calls that have not ended */
    double rate_work;    /* recent work .. */
    double rate_s;       /* .. and the seconds of threads that it took */
};

/* A zeroed queue with its first four members set. ERR_NOMEM. */
enum err_code batch_queue_init(struct batch_queue *queue, struct err *err) MUST_CHECK;
void batch_queue_release(struct batch_queue *queue);

/* Is there room for the item? A single one may be larger than the queue. */
bool batch_queue_has_room(const struct batch_queue *queue, const struct batch_item *item);

/* Adds an item, which must have its work, to the lane that it can join. */
void batch_queue_add(struct batch_queue *queue, struct batch_item *item);

/* Takes the source that has the turn out of the ring, which must not be empty. */
struct source *batch_queue_take(struct batch_queue *queue);
/* Puts a source at the end of the ring. */
void batch_queue_put(struct batch_queue *queue, struct source *source);

/*
 * Takes as many items as fit one joint call from a lane that has just left the ring, in their order
 * but skipping those that are too large. The lane goes back into the ring if it still has items.
 * The work of the items counts until batch_queue_end.
 */
struct batch_item *batch_queue_take_items(struct batch_queue *queue, struct source *lane);

/* Items that were taken have ended, in whatever way. */
void batch_queue_end(struct batch_queue *queue, double work);

/* So much work took so many seconds of a thread. */
void batch_queue_note_rate(struct batch_queue *queue, double work, double seconds);

/* Seconds, at least 1, until n_threads will have done all that waits now. */
int batch_queue_drain_s(const struct batch_queue *queue, int n_threads);

#endif
