/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring holds sources of work: lanes, which are requests that wait for one model and can be
 * joined, and calls with tiles left. A compute thread takes the head, does one tile of it, and puts
 * it back at the end if there is more to do. The ring changes under the lock only; nothing is
 * computed or allocated under it.
 */
#include "live/batcher.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/mem_budget.h"
#include "base/threads.h"
#include "predict/predict_join.h"

#include <math.h>
#include <stdio.h>

#define MAX_THREADS 256
/*
 * Requests with at most this many multiplications run in their caller's thread. SMALL_WORK takes
 * about 20 us: handing such a request to another thread would cost more than joining gains (on a
 * virtual machine a wake-up takes 8 to 37 us). IDLE_WORK takes about 1 ms and counts while there is
 * nothing else to do, so that an idle server adds no delay. W1 of the benchmarks (30 us) gains a
 * third in requests per second from joining, at 64 connections.
 */
#define SMALL_WORK 1e5
#define IDLE_WORK  4e6
#define RATE_DECAY 0.98 /* of the rate of work, at each tile */
#define MAX_RETRY  3600 /* s */
/* Between two calls of batcher_give_back: then making memory anew costs nothing. */
#define FEW_TURNS 50

enum source_kind { SOURCE_LANE, SOURCE_CALL };

struct source {
    struct source *next;
    enum source_kind kind;
};

struct lane {
    struct source source; /* first: a lane is cast from its source; `next` also links free lanes */
    struct batch_item *head;
    struct batch_item *tail;
};

struct call {
    struct source source; /* first */
    struct batch_call batch;
    int next_tile; /* guarded by the lock, like running, failed and batch.err */
    int running;   /* tiles under way */
    bool failed;   /* the tiles left are skipped */
};

struct batcher {
    struct batcher_settings settings;
    pthread_t threads[MAX_THREADS];
    int n_threads;
    pthread_cond_t wake;

    pthread_mutex_t lock; /* guards what follows */
    struct source *first; /* the ring */
    struct source *last;
    struct lane *lanes; /* [max_items] */
    struct lane *free_lanes;
    struct call *free_calls; /* linked by source.next */
    int n_idle;              /* threads that wait for work */
    int n_inline;            /* requests that run in their caller's thread */
    int n_waiting;           /* items in lanes */
    long long rows_waiting;
    double work_waiting; /* in lanes and in tiles of calls */
    double rate_work;    /* recent work .. */
    double rate_s;       /* .. and the seconds of threads it took */
    bool stopping;
    long n_turns;   /* since the last batcher_give_back */
    bool holds;     /* memory that was made for them is kept */
    int n_releases; /* how often idle threads were told to free their scratch */
};

/* ---- the ring ---- */

static void ring_push(struct batcher *b, struct source *source)
{
    source->next = NULL;
    if (b->last != NULL) {
        b->last->next = source;
    } else {
        b->first = source;
    }
    b->last = source;
    if (b->n_idle > 0) {
        pthread_cond_signal(&b->wake);
    }
}

static struct source *ring_pop(struct batcher *b)
{
    struct source *source = b->first;
    b->first = source->next;
    if (b->first == NULL) {
        b->last = NULL;
    }
    return source;
}

/* A lane whose requests the item can join, or a new one in the ring. */
static struct lane *find_lane(struct batcher *b, const struct batch_item *item)
{
    for (struct source *s = b->first; s != NULL; s = s->next) {
        struct lane *lane = (struct lane *)s;
        if (s->kind == SOURCE_LANE && lane->head->model == item->model &&
            predict_can_join(lane->head->request, item->request)) {
            return lane;
        }
    }
    struct lane *lane = b->free_lanes;
    b->free_lanes = (struct lane *)lane->source.next;
    *lane = (struct lane){.source.kind = SOURCE_LANE};
    ring_push(b, &lane->source);
    return lane;
}

static void add_waiting(struct batcher *b, int n_items, long long rows)
{
    b->n_waiting += n_items;
    b->rows_waiting += rows;
    metrics_add(&b->settings.metrics->queue_requests, n_items);
    metrics_add(&b->settings.metrics->queue_rows, rows);
}

/*
 * Takes as many items as fit one joint call from a lane that has just left the ring, in their order
 * but skipping those that are too large. The lane goes back into the ring if it still has items.
 */
static struct batch_item *take_items(struct batcher *b, struct lane *lane)
{
    struct batch_item *taken = NULL;
    struct batch_item **taken_end = &taken;
    struct batch_item **link = &lane->head;
    long long rows = 0;
    int n_items = 0;
    lane->tail = NULL;
    while (*link != NULL) {
        struct batch_item *item = *link;
        if (rows > 0 && rows + item->request->n > b->settings.batch_rows) {
            lane->tail = item;
            link = &item->next;
            continue;
        }
        *link = item->next;
        rows += item->request->n;
        item->next = NULL;
        *taken_end = item;
        taken_end = &item->next;
        n_items++;
    }
    add_waiting(b, -n_items, -rows);
    if (lane->head != NULL) {
        ring_push(b, &lane->source);
    } else {
        lane->source.next = (struct source *)b->free_lanes;
        b->free_lanes = lane;
    }
    return taken;
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

static void forget_work(struct batcher *b, double work)
{
    pthread_mutex_lock(&b->lock);
    b->work_waiting -= work;
    pthread_mutex_unlock(&b->lock);
}

/* Ends the items that nobody needs any more; returns the others. */
static struct batch_item *drop_void_items(struct batcher *b, struct batch_item *items, int *n_items)
{
    struct batch_item *kept = NULL;
    struct batch_item **end = &kept;
    double dropped = 0.0;
    *n_items = 0;
    while (items != NULL) {
        struct batch_item *item = items;
        items = item->next;
        item->next = NULL;
        if (batch_item_is_void(item, &item->err)) {
            dropped += item->work;
            item_end(b, item);
            continue;
        }
        *end = item;
        end = &item->next;
        ++*n_items;
    }
    if (dropped > 0.0) {
        forget_work(b, dropped);
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
    pthread_mutex_lock(&b->lock);
    call->source.next = (struct source *)b->free_calls;
    b->free_calls = call;
    pthread_mutex_unlock(&b->lock);
}

/* After the last tile. */
static void call_end(struct batcher *b, struct call *call)
{
    double work = 0.0;
    batch_call_end(&call->batch);
    for (const struct batch_item *item = call->batch.items; item != NULL; item = item->next) {
        work += item->work;
    }
    metrics_add(&b->settings.metrics->batches, 1);
    metrics_add(&b->settings.metrics->batched_requests, call->batch.n_items);
    metrics_observe_size(&b->settings.metrics->call_requests[0], call->batch.n_items);
    forget_work(b, work);
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
        fail_all(b, items, ERR_NOMEM, "no memory for a prediction");
        return NULL;
    }
    struct arena arena = call->batch.arena;
    for (struct batch_item *item = items; item != NULL; item = item->next) {
        item->begun_ns = item->timed ? clock_ns() : 0;
    }
    *call = (struct call){
        .source.kind = SOURCE_CALL,
        .batch = {.items = items, .n_items = n_items, .arena = arena, .err = ERR_INIT},
        .next_tile = 1,
        .running = 1};
    if (batch_call_begin(&call->batch) != ERR_OK) {
        call_end(b, call);
        return NULL;
    }
    if (call->batch.predict.n_tiles > 1) {
        pthread_mutex_lock(&b->lock);
        ring_push(b, &call->source);
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
        b->rate_work = RATE_DECAY * b->rate_work + work;
        b->rate_s = RATE_DECAY * b->rate_s + seconds;
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
    struct source *source = ring_pop(b);
    bool stopping = b->stopping;
    b->n_turns++;
    if (source->kind == SOURCE_LANE) {
        struct batch_item *items = take_items(b, (struct lane *)source);
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
        ring_push(b, source);
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
        while (b->first == NULL && !b->stopping) {
            if (release_idle(b, &scratch, &n_seen)) {
                continue;
            }
            b->n_idle++;
            pthread_cond_wait(&b->wake, &b->lock);
            b->n_idle--;
        }
        if (b->first == NULL) {
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

enum err_code batcher_start(const struct batcher_settings *settings, struct batcher **out,
                            struct err *err)
{
    struct batcher *b = mem_zalloc(sizeof *b);
    struct lane *lanes = mem_zalloc_array((size_t)settings->max_items, sizeof *lanes);
    if (b == NULL || lanes == NULL) {
        mem_free(b);
        mem_free(lanes);
        return err_set(err, ERR_NOMEM, "no memory for the queue of predictions");
    }
    b->settings = *settings;
    b->lanes = lanes;
    for (int i = settings->max_items - 1; i >= 0; i--) {
        lanes[i].source.next = (struct source *)b->free_lanes;
        b->free_lanes = &lanes[i];
    }
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, NULL);
    for (int i = 0; i < settings->n_threads && i < MAX_THREADS; i++) {
        char name[16];
        snprintf(name, sizeof name, "predict-%d", i);
        if (threads_start(&b->threads[i], name, compute_by_turns, b, err) != ERR_OK) {
            batcher_free(b);
            return err->code;
        }
        b->n_threads++;
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
    for (int i = 0; i < batcher->n_threads; i++) {
        pthread_join(batcher->threads[i], NULL);
    }
    batcher->n_threads = 0;
}

static void free_all_calls(struct call *calls)
{
    while (calls != NULL) {
        struct call *next = (struct call *)calls->source.next;
        arena_release(&calls->batch.arena);
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
    mem_free(batcher->lanes);
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
    bool idle = batcher->n_idle == batcher->n_threads && batcher->n_inline == 0;
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

static bool has_room(const struct batcher *b, const struct batch_item *item)
{
    return b->n_waiting == 0 || (b->n_waiting < b->settings.max_items &&
                                 b->rows_waiting + item->request->n <= b->settings.max_rows);
}

/* Seconds until all that waits now will be done. */
static int drain_s(const struct batcher *b)
{
    if (b->rate_work <= 0.0 || b->rate_s <= 0.0) {
        return 1;
    }
    double rate = b->rate_work / b->rate_s * b->settings.n_threads;
    double seconds = ceil(b->work_waiting / rate);
    return seconds < 1.0 ? 1 : (seconds > MAX_RETRY ? MAX_RETRY : (int)seconds);
}

enum err_code batcher_admit(struct batcher *batcher, const struct batch_item *item, struct err *err)
{
    pthread_mutex_lock(&batcher->lock);
    bool room = has_room(batcher, item);
    int retry_s = drain_s(batcher);
    int waiting = batcher->n_waiting;
    long long rows = batcher->rows_waiting;
    pthread_mutex_unlock(&batcher->lock);
    if (room) {
        return ERR_OK;
    }
    metrics_add(&batcher->settings.metrics->requests_rejected, 1);
    err_set(err, ERR_QUEUE_FULL,
            "%d requests with %lld rows wait already; about %d s of work are ahead", waiting, rows,
            retry_s);
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
    bool room = item->goes_on || has_room(batcher, item);
    if (!stopping && room) {
        struct lane *lane = find_lane(batcher, item);
        if (lane->head == NULL) {
            lane->head = item;
        } else {
            lane->tail->next = item;
        }
        lane->tail = item;
        add_waiting(batcher, 1, item->request->n);
        batcher->work_waiting += item->work;
    }
    pthread_mutex_unlock(&batcher->lock);
    if (stopping) {
        fail_all(batcher, item, ERR_DRAINING, "the server is stopping");
    } else if (!room) {
        fail_all(batcher, item, ERR_QUEUE_FULL, "the queue of predictions is full");
    }
}
