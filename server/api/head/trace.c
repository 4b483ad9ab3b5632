/* SPDX-License-Identifier: Apache-2.0 */
#include "api/head/trace.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEX "0123456789abcdef"

bool trace_id_is_valid(const char *text)
{
    size_t len = strlen(text);
    return len >= 1 && len <= TRACE_MAX_ID &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/+=@") ==
               len;
}

/* `n` hexadecimal digits, not all zero unless that is allowed. */
static bool is_hex(const char *text, size_t n, bool zero_is_fine)
{
    size_t zeros = strspn(text, "0");
    return strspn(text, HEX) >= n && (zero_is_fine || zeros < n);
}

bool trace_parent_is_valid(const char *text)
{
    return strlen(text) == TRACE_PARENT_CHARS && strncmp(text, "00-", 3) == 0 && text[35] == '-' &&
           text[52] == '-' && is_hex(text + 3, 32, false) && is_hex(text + 36, 16, false) &&
           is_hex(text + 53, 2, true);
}

struct trace trace_of(const struct request *req)
{
    struct trace trace = {.id = "", .parent = ""};
    const char *id = request_header(req, "X-Request-Id");
    const char *parent = request_header(req, "traceparent");
    if (id != NULL && trace_id_is_valid(id)) {
        trace.id = id;
    }
    if (parent != NULL && trace_parent_is_valid(parent)) {
        trace.parent = parent;
    }
    return trace;
}

/* From the time and the place of the request in memory (splitmix64): different for requests at the
 * same time, and most likely for those of other servers. It need not be hard to guess. */
static uint64_t make_number(const void *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t x = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    x ^= (uint64_t)(uintptr_t)place << 20;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

const char *trace_id(struct trace *trace)
{
    if (trace->id[0] != '\0') {
        return trace->id;
    }
    if (trace->made[0] == '\0') {
        snprintf(trace->made, sizeof trace->made, "%016llx",
                 (unsigned long long)make_number(trace));
    }
    return trace->made;
}

void trace_answer(struct trace *trace, bool always, const struct request *req, struct response *res)
{
    if (always && trace->id[0] == '\0') {
        const char *id = trace_id(trace);
        const char *kept = arena_strndup(req->arena, id, strlen(id));
        trace->id = kept != NULL ? kept : "";
    }
    if (trace->id[0] != '\0') {
        response_header(res, "X-Request-Id", trace->id);
    }
    if (trace->parent[0] != '\0') {
        response_header(res, "traceparent", trace->parent);
    }
}
