/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compute thread takes the source of work that has the turn (batch_queue.h), does one tile of it,
 * and puts it back if there is more to do. The queue changes under the lock only; nothing is
 * computed or allocated under it.
 */
#include "live/batcher.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/mem_budget.h"
#include "base/phrase.h"
#include "base/threads.h"
#include "live/batch_queue.h"

#include <stdio.h>

#define MAX_THREADS 256
/*
 * Requests with at most this many multiplications run in their caller's thread. SMALL_WORK takes
 * about 20 us: handing such a request to another thread would cost more than joining gains (on a
 * virtual machine a wake-up takes 8 to 37 us). IDLE_WORK takes about 1 ms and counts while there is
 * nothing else to do, so that an idle server adds no delay.
 */
#define SMALL_WORK 1e5
#define IDLE_WORK  4e6
/*
 * Requests that an HTTP thread runs together have from so many multiplications, so that joining
 * gains more than it costs (a row of W1 of the benchmarks costs half in a joint call), to so many,
 * of which BATCH_TOGETHER_MAX take about a millisecond.
 */
#define TOGETHER_MIN 3e4
#define TOGETHER_MAX 2e5
/* Between two calls of batcher_give_back: then making memory anew costs nothing. */
#define FEW_TURNS 50

struct call {
    struct source source; /* first: a call is cast from its source */
    struct batch_call batch;
    int next_tile;        /* guarded by the lock, like running, failed and batch.err */
    int running;          /* tiles under way */
    bool failed;          /* the tiles left are skipped */
    struct arena scratch; /* of tiles that run in the thread of a caller */
};

struct batcher {
    struct batcher_settings settings; /* n_threads: at most MAX_THREADS */
    pthread_t threads[MAX_THREADS];
    int n_started; /* used by whoever starts and stops it alone */
    pthread_cond_t wake;

    pthread_mutex_t lock; /* guards what follows */
    struct batch_queue queue;
    struct call *free_calls; /* linked by source.next */
    int n_idle;              /* threads that wait for work */
    int n_inline;            /* requests that run in their caller's thread */
    bool stopping;
    long n_turns;   /* since the last batcher_give_back */
    bool holds;     /* memory that was made for them is kept */
    int n_releases; /* how often idle threads were told to free their scratch */
};

static void wake_idle_locked(struct batcher *b)
{
    if (b->n_idle > 0 && b->queue.first != NULL) {
        pthread_cond_signal(&b->wake);
    }
}

/* ---- items ---- */

/* The item may no longer exist when this returns. */
static void item_end(struct batcher *b, struct batch_item *item)
{
    struct metrics *metrics = b->settings.metrics;
    metrics_add(&metrics->requests_expired, item->err.code == ERR_DEADLINE);
    metrics_add(&metrics->requests_abandoned, item->err.code == ERR_ABANDONED);
    item->done(item->ctx);
}

static void end_all(struct batcher *b, struct batch_item *items)
{
    while (items != NULL) {
        struct batch_item *next = items->next;
        item_end(b, items);
        items = next;
    }
}

static void fail_all(struct batcher *b, struct batch_item *items, enum err_code code,
                     const char *reason)
{
    for (struct batch_item *item = items; item != NULL; item = item->next) {
        err_set(&item->err, code, "%s", reason);
    }
    end_all(b, items);
}

/* ---- calls ---- */

/* These items have ended, or are about to. */
static void forget_work(struct batcher *b, const struct batch_item *items)
{
    double work = 0.0;
    for (const struct batch_item *item = items; item != NULL; item = item->next) {
        work += item->work;
    }
    pthread_mutex_lock(&b->lock);
    batch_queue_end(&b->queue, work);
    pthread_mutex_unlock(&b->lock);
}

/* Ends the items that nobody needs any more; returns the others. */
static struct batch_item *drop_void_items(struct batcher *b, struct batch_item *items, int *n_items)
{
    struct batch_item *kept = NULL;
    struct batch_item *dropped = NULL;
    struct batch_item **kept_end = &kept;
    struct batch_item **dropped_end = &dropped;
    *n_items = 0;
    while (items != NULL) {
        struct batch_item *item = items;
        bool is_void = batch_item_is_void(item, &item->err);
        items = item->next;
        item->next = NULL;
        *(is_void ? dropped_end : kept_end) = item;
        dropped_end = is_void ? &item->next : dropped_end;
        kept_end = is_void ? kept_end : &item->next;
        *n_items += !is_void;
    }
    if (dropped != NULL) {
        forget_work(b, dropped);
        end_all(b, dropped);
    }
    return kept;
}

static struct call *call_get(struct batcher *b)
{
    pthread_mutex_lock(&b->lock);
    struct call *call = b->free_calls;
    if (call != NULL) {
        b->free_calls = (struct call *)call->source.next;
    }
    pthread_mutex_unlock(&b->lock);
    return call != NULL ? call : mem_zalloc(sizeof *call);
}

static void call_put(struct batcher *b, struct call *call)
{
    arena_clear(&call->batch.arena);
    arena_clear(&call->scratch);
    pthread_mutex_lock(&b->lock);
    call->source.next = (struct source *)b->free_calls;
    b->free_calls = call;
    pthread_mutex_unlock(&b->lock);
}

/* After the last tile. */
static void call_end(struct batcher *b, struct call *call)
{
    batch_call_end(&call->batch);
    batch_call_count(&call->batch, b->settings.metrics);
    forget_work(b, call->batch.items);
    end_all(b, call->batch.items);
    call_put(b, call);
}

/* A call over the items, whose first tile the caller runs; NULL when it has ended already. */
static struct call *call_begin(struct batcher *b, struct batch_item *items)
{
    int n_items;
    items = drop_void_items(b, items, &n_items);
    if (items == NULL) {
        return NULL;
    }
    struct call *call = call_get(b);
    if (call == NULL) {
        forget_work(b, items);
        fail_all(b, items, ERR_NOMEM, "no memory for a prediction");
        return NULL;
    }
    struct arena arena = call->batch.arena;
    struct arena scratch = call->scratch;
    int64_t now_ns = clock_ns();
    for (struct batch_item *item = items; item != NULL; item = item->next) {
        item->begun_ns = now_ns;
    }
    *call = (struct call){
        .source.kind = SOURCE_CALL,
        .batch = {.items = items, .n_items = n_items, .arena = arena, .err = ERR_INIT},
        .scratch = scratch,
        .next_tile = 1,
        .running = 1};
    if (batch_call_begin(&call->batch) != ERR_OK) {
        call_end(b, call);
        return NULL;
    }
    if (call->batch.predict.n_tiles > 1) {
        pthread_mutex_lock(&b->lock);
        batch_queue_put(&b->queue, &call->source);
        wake_idle_locked(b);
        pthread_mutex_unlock(&b->lock);
    }
    return call;
}

/* Runs one tile, and ends the call after its last one. */
static void call_step(struct batcher *b, struct call *call, int tile, bool skip,
                      struct arena *scratch)
{
    const struct predict_call *predict = &call->batch.predict;
    struct err err = ERR_INIT;
    int64_t start = clock_ns();
    /* A large request alone may become void during its call; joined ones are computed to the
     * end. */
    skip = skip ||
           (tile > 0 && call->batch.n_items == 1 && batch_item_is_void(call->batch.items, &err));
    if (!skip) {
        err_kept(predict_tile(predict, tile, scratch, &err));
        metrics_add(&b->settings.metrics->tiles, 1);
        arena_clear(scratch);
    }
    double seconds = 1e-9 * (double)(clock_ns() - start);
    double work = predict_work(predict->model, predict->req) / predict->n_tiles;

    pthread_mutex_lock(&b->lock);
    if (!skip) {
        batch_queue_note_rate(&b->queue, work, seconds);
    }
    if (err.code != ERR_OK && !call->failed) {
        call->failed = true;
        call->batch.err = err;
    }
    call->running--;
    bool last = call->running == 0 && call->next_tile == predict->n_tiles;
    pthread_mutex_unlock(&b->lock);
    if (last) {
        call_end(b, call);
    }
}

/* ---- threads ---- */

/* Begins a call over items of a lane and runs its first tile. */
static void serve_items(struct batcher *b, struct batch_item *items, bool stopping,
                        struct arena *scratch)
{
    if (stopping) {
        forget_work(b, items);
        fail_all(b, items, ERR_DRAINING, "the server is stopping");
        return;
    }
    struct call *call = call_begin(b, items);
    if (call != NULL) {
        call_step(b, call, 0, false, scratch);
    }
}

/* One turn at the head of the ring. Called with the lock, which it releases. */
static void take_turn(struct batcher *b, struct arena *scratch)
{
    struct source *source = batch_queue_take(&b->queue);
    bool stopping = b->stopping;
    b->n_turns++;
    if (source->kind == SOURCE_LANE) {
        struct batch_item *items = batch_queue_take_items(&b->queue, source);
        wake_idle_locked(b);
        pthread_mutex_unlock(&b->lock);
        serve_items(b, items, stopping, scratch);
        return;
    }
    struct call *call = (struct call *)source;
    int tile = call->next_tile++;
    call->running++;
    if (stopping && !call->failed) {
        call->failed = true;
        err_set(&call->batch.err, ERR_DRAINING, "the server is stopping");
    }
    bool skip = call->failed;
    if (call->next_tile < call->batch.predict.n_tiles) {
        batch_queue_put(&b->queue, source);
        wake_idle_locked(b);
    }
    pthread_mutex_unlock(&b->lock);
    call_step(b, call, tile, skip, scratch);
}

/* Frees the scratch of an idle thread if that was asked for. Called with the lock. */
static bool release_idle(struct batcher *b, struct arena *scratch, int *n_seen)
{
    if (*n_seen == b->n_releases) {
        return false;
    }
    *n_seen = b->n_releases;
    pthread_mutex_unlock(&b->lock);
    arena_release(scratch);
    pthread_mutex_lock(&b->lock);
    return true;
}

static void *compute_by_turns(void *arg)
{
    mem_kind_use(MEM_ANSWERS);
    struct batcher *b = arg;
    struct arena scratch = ARENA_INIT;
    int n_seen = 0;
    for (;;) {
        pthread_mutex_lock(&b->lock);
        while (b->queue.first == NULL && !b->stopping) {
            if (release_idle(b, &scratch, &n_seen)) {
                continue;
            }
            b->n_idle++;
            pthread_cond_wait(&b->wake, &b->lock);
            b->n_idle--;
        }
        if (b->queue.first == NULL) {
            pthread_mutex_unlock(&b->lock);
            break;
        }
        metrics_add(&b->settings.metrics->compute_busy, 1);
        take_turn(b, &scratch);
        metrics_add(&b->settings.metrics->compute_busy, -1);
    }
    arena_release(&scratch);
    return NULL;
}

static enum err_code start_threads(struct batcher *b, struct err *err)
{
    for (int i = 0; i < b->settings.n_threads && i < MAX_THREADS; i++) {
        char name[16];
        snprintf(name, sizeof name, "predict-%d", i);
        if (threads_start(&b->threads[i], name, compute_by_turns, b, err) != ERR_OK) {
            break;
        }
        b->n_started++;
    }
    return err->code;
}

enum err_code batcher_start(const struct batcher_settings *settings, struct batcher **out,
                            struct err *err)
{
    struct batcher *b = mem_zalloc(sizeof *b);
    if (b == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the queue of predictions");
    }
    b->settings = *settings;
    b->settings.n_threads = settings->n_threads < MAX_THREADS ? settings->n_threads : MAX_THREADS;
    b->queue = (struct batch_queue){.max_items = settings->max_items,
                                    .max_rows = settings->max_rows,
                                    .batch_rows = settings->batch_rows,
                                    .metrics = settings->metrics};
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, NULL);
    if (batch_queue_init(&b->queue, err) != ERR_OK || start_threads(b, err) != ERR_OK) {
        batcher_free(b);
        return err->code;
    }
    *out = b;
    return ERR_OK;
}

void batcher_stop(struct batcher *batcher)
{
    pthread_mutex_lock(&batcher->lock);
    batcher->stopping = true;
    pthread_cond_broadcast(&batcher->wake);
    pthread_mutex_unlock(&batcher->lock);
    for (int i = 0; i < batcher->n_started; i++) {
        pthread_join(batcher->threads[i], NULL);
    }
    batcher->n_started = 0;
}

static void free_all_calls(struct call *calls)
{
    while (calls != NULL) {
        struct call *next = (struct call *)calls->source.next;
        arena_release(&calls->batch.arena);
        arena_release(&calls->scratch);
        mem_free(calls);
        calls = next;
    }
}

void batcher_give_back(struct batcher *batcher)
{
    struct call *unused = NULL;
    pthread_mutex_lock(&batcher->lock);
    batcher->holds |= batcher->n_turns > 0;
    if (batcher->holds && batcher->n_turns < FEW_TURNS) {
        unused = batcher->free_calls;
        batcher->free_calls = NULL;
        batcher->holds = false;
        batcher->n_releases++;
        pthread_cond_broadcast(&batcher->wake);
    }
    batcher->n_turns = 0;
    pthread_mutex_unlock(&batcher->lock);
    free_all_calls(unused);
}

void batcher_free(struct batcher *batcher)
{
    if (batcher == NULL) {
        return;
    }
    batcher_stop(batcher);
    free_all_calls(batcher->free_calls);
    pthread_cond_destroy(&batcher->wake);
    pthread_mutex_destroy(&batcher->lock);
    batch_queue_release(&batcher->queue);
    mem_free(batcher);
}

/* ---- for callers ---- */

bool batcher_run(struct batcher *batcher, struct batch_item *item)
{
    double work = predict_work(item->model, item->request);
    if (work > IDLE_WORK) {
        return false;
    }
    pthread_mutex_lock(&batcher->lock);
    bool idle = batcher->n_idle == batcher->settings.n_threads && batcher->n_inline == 0;
    bool room = work > SMALL_WORK ? idle : batcher->n_inline < batcher->settings.n_threads;
    room = room && !batcher->stopping;
    batcher->n_inline += room;
    pthread_mutex_unlock(&batcher->lock);
    if (!room) {
        return false;
    }
    err_clear(&item->err);
    batch_item_compute(item, &item->err);
    pthread_mutex_lock(&batcher->lock);
    batcher->n_inline--;
    pthread_mutex_unlock(&batcher->lock);
    return true;
}

bool batcher_gains(const struct batch_item *item)
{
    double work = predict_work(item->model, item->request);
    return work >= TOGETHER_MIN && work <= TOGETHER_MAX;
}

static void count_inline(struct batcher *b, int change)
{
    pthread_mutex_lock(&b->lock);
    b->n_inline += change;
    b->n_turns += change > 0;
    pthread_mutex_unlock(&b->lock);
}

void batcher_run_all(struct batcher *batcher, struct batch_item *const *items, int n)
{
    struct call *call = n > 1 ? call_get(batcher) : NULL;
    struct batch_together together = {.max_rows = batcher->settings.batch_rows,
                                      .metrics = batcher->settings.metrics};
    if (call != NULL) {
        together.call = &call->batch;
        together.scratch = &call->scratch;
    }
    count_inline(batcher, 1);
    batch_together_run(&together, items, n);
    count_inline(batcher, -1);
    if (call != NULL) {
        call_put(batcher, call);
    }
}

double batcher_work(struct batcher *batcher)
{
    pthread_mutex_lock(&batcher->lock);
    double work = batcher->queue.work_waiting;
    pthread_mutex_unlock(&batcher->lock);
    return work;
}

enum err_code batcher_admit(struct batcher *batcher, const struct batch_item *item, struct err *err)
{
    pthread_mutex_lock(&batcher->lock);
    const struct batch_queue *queue = &batcher->queue;
    bool room = batch_queue_has_room(queue, item);
    int retry_s = batch_queue_drain_s(queue, batcher->settings.n_threads);
    int waiting = queue->n_waiting;
    long long rows = queue->rows_waiting;
    pthread_mutex_unlock(&batcher->lock);
    if (room) {
        return ERR_OK;
    }
    metrics_add(&batcher->settings.metrics->requests_rejected, 1);
    err_set(err, ERR_QUEUE_FULL, "%s with %s wait already; about %d s of work are ahead",
            phrase_count(waiting, "request").text, phrase_count(rows, "row").text, retry_s);
    err->retry_s = retry_s;
    return err->code;
}

void batcher_submit(struct batcher *batcher, struct batch_item *item)
{
    err_clear(&item->err);
    item->next = NULL;
    item->work = predict_work(item->model, item->request);
    pthread_mutex_lock(&batcher->lock);
    bool stopping = batcher->stopping;
    /* Another request may have taken the room since batcher_admit. */
    bool room = item->goes_on || batch_queue_has_room(&batcher->queue, item);
    if (!stopping && room) {
        batch_queue_add(&batcher->queue, item);
        wake_idle_locked(batcher);
    }
    pthread_mutex_unlock(&batcher->lock);
    if (stopping) {
        fail_all(batcher, item, ERR_DRAINING, "the server is stopping");
    } else if (!room) {
        fail_all(batcher, item, ERR_QUEUE_FULL, "the queue of predictions is full");
    }
}
