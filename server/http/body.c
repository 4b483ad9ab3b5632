/* SPDX-License-Identifier: Apache-2.0 */
#include "http/body.h"

#include "base/mem.h"

#include <string.h>

#define FIRST_BYTES    ((size_t)4096)
#define RETRY_S        2 /* until other requests may have ended */
#define SPARE_PART     4 /* a buffer that grows gets one part in so many more than it needs */
#define SPARE_BYTES    ((size_t)4 << 20) /* or up to so much, while less than .. */
#define EMPTY_PART     32                /* .. one part in so many of the room is held */
#define DISCARD_FACTOR 2 /* times the limit: a stream that goes on past it is cut off */

/* Small bodies, mostly predictions, are let in however full the room is. */
static bool claim_room(const struct body *body, struct body_room *room, size_t more)
{
    size_t own = body->capacity + body->held;
    size_t capacity = own + more;
    size_t held = atomic_load_explicit(&room->held, memory_order_relaxed);
    do {
        size_t others = held - own;
        if (capacity > BODY_SMALL && others > 0 &&
            (others > room->max || capacity > (room->max - others) / 2)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&room->held, &held, held + more,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static enum err_code refuse_busy(const struct body_room *room, struct err *err)
{
    err_set(err, ERR_BUSY, "the bodies of other requests fill the %zu bytes set aside for bodies",
            room->max);
    err->retry_s = RETRY_S;
    return err->code;
}

/*
 * More than is needed now, so that what is there is not copied for every piece: as much again while
 * that is little and the room is nearly empty.
 */
static size_t spare_for(const struct body_room *room, size_t need)
{
    size_t held = atomic_load_explicit(&room->held, memory_order_relaxed);
    size_t again = need < SPARE_BYTES ? need : SPARE_BYTES;
    size_t part = need / SPARE_PART;
    bool generous = again > part && held + need + again < room->max / EMPTY_PART;
    return generous ? again : part;
}

/* NULL: no memory. */
static char *resize(struct body *body, size_t capacity)
{
    char *spare = body->spare;
    if (body->data == NULL && spare != NULL && capacity == FIRST_BYTES) {
        body->spare = NULL;
        return spare;
    }
    return mem_realloc_array(body->data, capacity, 1);
}

static enum err_code reserve(struct body *body, struct body_room *room, size_t need,
                             struct err *err)
{
    if (need <= body->capacity) {
        return ERR_OK;
    }
    /* Takes room for what has arrived and a little more, but never for more than the longest
     * body. */
    size_t capacity = need + spare_for(room, need);
    capacity = capacity < FIRST_BYTES ? FIRST_BYTES : capacity;
    capacity = capacity < room->max_body + 1 ? capacity : room->max_body + 1;
    capacity = capacity < need ? need : capacity;
    size_t more = capacity - body->capacity;
    if (!claim_room(body, room, more)) {
        return refuse_busy(room, err);
    }
    char *data = resize(body, capacity);
    if (data == NULL) {
        atomic_fetch_sub_explicit(&room->held, more, memory_order_relaxed);
        return err_set(err, ERR_NOMEM, "no memory for the body");
    }
    body->data = data;
    body->capacity = capacity;
    return ERR_OK;
}

bool body_append(struct body *body, struct body_room *room, const char *piece, size_t size,
                 struct err *refused)
{
    size_t limit = room->max_body;
    if (refused->code == ERR_OK && size > limit - body->n) {
        err_set(refused, ERR_TOO_LARGE, "the body is larger than %zu bytes", limit);
    }
    if (refused->code == ERR_OK && reserve(body, room, body->n + size + 1, refused) == ERR_OK) {
        memcpy(body->data + body->n, piece, size);
        body->n += size;
        body->data[body->n] = '\0';
        return true;
    }
    size_t discarded = body->discarded + size;
    body_release(body, room);
    body->discarded = discarded;
    return discarded / DISCARD_FACTOR <= limit;
}

enum err_code body_hold(struct body *body, struct body_room *room, size_t n, struct err *err)
{
    if (n > room->max_body) {
        return err_set(err, ERR_TOO_LARGE, "the body grows to more than %zu bytes", room->max_body);
    }
    if (!claim_room(body, room, n)) {
        return refuse_busy(room, err);
    }
    body->held += n;
    return ERR_OK;
}

void body_release(struct body *body, struct body_room *room)
{
    mem_free(body->data);
    atomic_fetch_sub_explicit(&room->held, body->capacity + body->held, memory_order_relaxed);
    *body = (struct body){.spare = body->spare};
}

void body_end(struct body *body, struct body_room *room)
{
    if (body->capacity == FIRST_BYTES && body->spare == NULL) {
        body->spare = body->data;
        body->data = NULL;
    }
    body_release(body, room);
}

void body_free_spare(struct body *body)
{
    mem_free(body->spare);
    body->spare = NULL;
}
