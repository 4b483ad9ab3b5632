/* SPDX-License-Identifier: Apache-2.0 */
#include "client/event_reader.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define MAX_BYTES ((size_t)16 * 1024 * 1024) /* of a line, and of an event's data */

static bool append(struct event_bytes *to, const char *bytes, size_t n)
{
    if (n > MAX_BYTES - to->n) {
        return false;
    }
    if (to->n + n + 1 > to->capacity) {
        size_t capacity = 2 * (to->n + n + 1);
        char *grown = mem_realloc_array(to->data, capacity, 1);
        if (grown == NULL) {
            return false;
        }
        to->data = grown;
        to->capacity = capacity;
    }
    if (n > 0) {
        memcpy(to->data + to->n, bytes, n);
    }
    to->n += n;
    to->data[to->n] = '\0';
    return true;
}

/* An empty line ends the event. Without data there is no event, but its id counts. */
static bool end_event(struct event_reader *r)
{
    bool go_on = true;
    memcpy(r->last_id, r->id, sizeof r->last_id);
    if (r->data.n > 0) {
        r->data.data[r->data.n - 1] = '\0'; /* the newline after its last line */
        go_on = r->on_event(r->ctx, r->name[0] != '\0' ? r->name : "message", r->data.data);
    }
    r->data.n = 0;
    r->name[0] = '\0';
    return go_on;
}

static bool is_field(const char *line, size_t len, const char *name)
{
    return strlen(name) == len && strncmp(line, name, len) == 0;
}

static bool end_line(struct event_reader *r)
{
    const char *line = r->line.n > 0 ? r->line.data : "";
    size_t len = strcspn(line, ":");
    const char *value = line + len + (line[len] == ':');
    value += *value == ' ';
    if (r->line.n == 0) {
        return end_event(r);
    }
    if (is_field(line, len, "data")) {
        r->failed = !append(&r->data, value, strlen(value)) || !append(&r->data, "\n", 1);
    } else if (is_field(line, len, "event")) {
        snprintf(r->name, sizeof r->name, "%s", value);
    } else if (is_field(line, len, "id") && strlen(value) < sizeof r->id) {
        snprintf(r->id, sizeof r->id, "%s", value);
    }
    r->line.n = 0;
    return !r->failed;
}

void event_reader_begin(struct event_reader *r)
{
    r->line.n = 0;
    r->data.n = 0;
    r->name[0] = '\0';
    r->after_return = false;
    memcpy(r->id, r->last_id, sizeof r->id);
}

bool event_reader_take(struct event_reader *r, const char *bytes, size_t n)
{
    size_t at = 0;
    while (at < n && !r->failed) {
        if (r->after_return && bytes[at] == '\n') {
            at++;
        }
        r->after_return = false;
        size_t end = at;
        while (end < n && bytes[end] != '\n' && bytes[end] != '\r') {
            end++;
        }
        r->failed = !append(&r->line, bytes + at, end - at);
        if (!r->failed && end < n) {
            r->after_return = bytes[end] == '\r';
            if (!end_line(r)) {
                return false;
            }
        }
        at = end + 1;
    }
    return !r->failed;
}

void event_reader_release(struct event_reader *r)
{
    mem_free(r->line.data);
    mem_free(r->data.data);
    r->line = r->data = (struct event_bytes){.data = NULL};
}
