/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads text/event-stream as the HTML standard defines it, from pieces of any length. The field
 * `retry` is ignored: the client decides itself when to connect again.
 */
#ifndef EVENT_READER_H
#define EVENT_READER_H

#include <stdbool.h>
#include <stddef.h>

#define EVENT_NAME_CHARS 32

/* data: NUL-terminated, valid during the call. False: no more events are wanted. */
typedef bool event_reader_fn(void *ctx, const char *name, const char *data);

/* Bytes by mem. */
struct event_bytes {
    char *data;
    size_t n;
    size_t capacity;
};

struct event_reader {
    event_reader_fn *on_event;
    void *ctx;
    char last_id[EVENT_NAME_CHARS]; /* of the last whole event, to resume after; empty: none */
    bool failed;                    /* memory was short or an event too long; the rest is ignored */

    char id[EVENT_NAME_CHARS]; /* of the event that is being read */
    char name[EVENT_NAME_CHARS];
    struct event_bytes line;
    struct event_bytes data;
    bool after_return; /* the last byte was CR, so an LF now belongs to it */
};

/* Begins another stream: half an event is forgotten, the last id is kept. */
void event_reader_begin(struct event_reader *reader);

/* Reads a piece. False: the callback wants no more, or `failed`. */
bool event_reader_take(struct event_reader *reader, const char *bytes, size_t n);

void event_reader_release(struct event_reader *reader);

#endif
