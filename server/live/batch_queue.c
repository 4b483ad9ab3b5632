/* SPDX-License-Identifier: Apache-2.0 */
#include "live/batch_queue.h"

#include "base/mem.h"
#include "predict/predict_join.h"

#include <math.h>

#define RATE_DECAY 0.98 /* of the rate of work, at each tile */
#define MAX_RETRY  3600 /* s */

struct lane {
    struct source source; /* first: a lane is cast from its source; `next` also links free lanes */
    struct batch_item *head;
    struct batch_item *tail;
};

enum err_code batch_queue_init(struct batch_queue *queue, struct err *err)
{
    queue->lanes = mem_zalloc_array((size_t)queue->max_items, sizeof *queue->lanes);
    if (queue->lanes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the queue of predictions");
    }
    for (int i = queue->max_items - 1; i >= 0; i--) {
        queue->lanes[i].source.next = (struct source *)queue->free_lanes;
        queue->free_lanes = &queue->lanes[i];
    }
    return ERR_OK;
}

void batch_queue_release(struct batch_queue *queue)
{
    mem_free(queue->lanes);
    queue->lanes = NULL;
}

bool batch_queue_has_room(const struct batch_queue *queue, const struct batch_item *item)
{
    return queue->n_waiting == 0 || (queue->n_waiting < queue->max_items &&
                                     queue->rows_waiting + item->request->n <= queue->max_rows);
}

void batch_queue_put(struct batch_queue *queue, struct source *source)
{
    source->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = source;
    } else {
        queue->first = source;
    }
    queue->last = source;
}

struct source *batch_queue_take(struct batch_queue *queue)
{
    struct source *source = queue->first;
    queue->first = source->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    return source;
}

/* A lane whose requests the item can join, or a new one in the ring. */
static struct lane *find_lane(struct batch_queue *queue, const struct batch_item *item)
{
    for (struct source *s = queue->first; s != NULL; s = s->next) {
        struct lane *lane = (struct lane *)s;
        if (s->kind == SOURCE_LANE && lane->head->model == item->model &&
            predict_can_join(lane->head->request, item->request)) {
            return lane;
        }
    }
    struct lane *lane = queue->free_lanes;
    queue->free_lanes = (struct lane *)lane->source.next;
    *lane = (struct lane){.source.kind = SOURCE_LANE};
    batch_queue_put(queue, &lane->source);
    return lane;
}

static void count_waiting(struct batch_queue *queue, int n_items, long long rows)
{
    queue->n_waiting += n_items;
    queue->rows_waiting += rows;
    metrics_add(&queue->metrics->queue_requests, n_items);
    metrics_add(&queue->metrics->queue_rows, rows);
}

void batch_queue_add(struct batch_queue *queue, struct batch_item *item)
{
    struct lane *lane = find_lane(queue, item);
    item->next = NULL;
    if (lane->head == NULL) {
        lane->head = item;
    } else {
        lane->tail->next = item;
    }
    lane->tail = item;
    count_waiting(queue, 1, item->request->n);
    queue->work_waiting += item->work;
}

struct batch_item *batch_queue_take_items(struct batch_queue *queue, struct source *source)
{
    struct lane *lane = (struct lane *)source;
    struct batch_item *taken = NULL;
    struct batch_item **taken_end = &taken;
    struct batch_item **link = &lane->head;
    long long rows = 0;
    int n_items = 0;
    lane->tail = NULL;
    while (*link != NULL) {
        struct batch_item *item = *link;
        if (rows > 0 && rows + item->request->n > queue->batch_rows) {
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
    count_waiting(queue, -n_items, -rows);
    if (lane->head != NULL) {
        batch_queue_put(queue, source);
    } else {
        source->next = (struct source *)queue->free_lanes;
        queue->free_lanes = lane;
    }
    return taken;
}

void batch_queue_end(struct batch_queue *queue, double work)
{
    queue->work_waiting -= work;
}

void batch_queue_note_rate(struct batch_queue *queue, double work, double seconds)
{
    queue->rate_work = RATE_DECAY * queue->rate_work + work;
    queue->rate_s = RATE_DECAY * queue->rate_s + seconds;
}

int batch_queue_drain_s(const struct batch_queue *queue, int n_threads)
{
    if (queue->rate_work <= 0.0 || queue->rate_s <= 0.0) {
        return 1;
    }
    double rate = queue->rate_work / queue->rate_s * n_threads;
    double seconds = ceil(queue->work_waiting / rate);
    return seconds < 1.0 ? 1 : (seconds > MAX_RETRY ? MAX_RETRY : (int)seconds);
}
