/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads text/event-stream as the HTML standard has it, from pieces of any length. `retry` is not
 * heeded: who reads here has a pace of its own.
 */
#ifndef EVENT_READER_H
#define EVENT_READER_H

#include <stdbool.h>
#include <stddef.h>

#define EVENT_NAME_CHARS 32

/* data: NUL-terminated, valid during the call. False: enough. */
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
    char last_id[EVENT_NAME_CHARS]; /* of the last whole event, to go on from; empty: none */
    bool failed; /* memory was short or an event too long; nothing more is taken */

    char id[EVENT_NAME_CHARS]; /* of the event that is being read */
    char name[EVENT_NAME_CHARS];
    struct event_bytes line;
    struct event_bytes data;
    bool after_return; /* a newline now belongs to the return before it */
};

/* Forgets a half event of the stream before; the last id stays. */
void event_reader_begin(struct event_reader *reader);

/* Takes a piece. False: the callback had enough, or `failed`. */
bool event_reader_take(struct event_reader *reader, const char *bytes, size_t n);

void event_reader_release(struct event_reader *reader);

#endif
