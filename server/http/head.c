/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include <microhttpd.h>
#include <stdint.h>
#include <string.h>

static enum http_method find_method(const char *text)
{
    static const struct {
        const char *text;
        enum http_method method;
    } methods[] = {{"GET", HTTP_GET},
                   {"HEAD", HTTP_HEAD},
                   {"POST", HTTP_POST},
                   {"PUT", HTTP_PUT},
                   {"DELETE", HTTP_DELETE}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(methods[i].text, text) == 0) {
            return methods[i].method;
        }
    }
    return HTTP_OTHER;
}

struct collected {
    struct header *list;
    int n;
    int capacity;
    struct arena *arena;
    bool decode; /* query: keys and values are still encoded */
    bool bad;
    bool no_memory;
};

static enum MHD_Result collect(void *ctx, enum MHD_ValueKind kind, const char *key,
                               const char *value)
{
    struct collected *c = ctx;
    (void)kind;
    if (c->n == c->capacity) {
        return MHD_YES;
    }
    const char *text = value != NULL ? value : "";
    if (!c->decode) {
        c->list[c->n++] = (struct header){key, text}; /* the library keeps the head that long */
        return MHD_YES;
    }
    char *name = arena_strndup(c->arena, key, strlen(key));
    char *copy = arena_strndup(c->arena, text, strlen(text));
    if (name == NULL || copy == NULL) {
        c->no_memory = true;
        return MHD_NO;
    }
    if (!percent_decode(name) || !percent_decode(copy)) {
        c->bad = true;
        return MHD_NO;
    }
    c->list[c->n++] = (struct header){name, copy};
    return MHD_YES;
}

static bool collect_all(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                        struct request *req, const struct header **list, int *n)
{
    struct collected c = {.arena = req->arena, .decode = kind == MHD_GET_ARGUMENT_KIND};
    c.capacity = MHD_get_connection_values(connection, kind, NULL, NULL);
    c.list =
        arena_alloc_array(req->arena, (size_t)(c.capacity > 0 ? c.capacity : 1), sizeof *c.list);
    if (c.list == NULL) {
        return false;
    }
    MHD_get_connection_values(connection, kind, collect, &c);
    if (c.bad) {
        err_set(&req->transport, ERR_SYNTAX, "the query has a bad percent escape");
    }
    if (kind == MHD_GET_ARGUMENT_KIND && c.capacity > HEAD_MAX_QUERY) {
        err_set(&req->transport, ERR_LIMIT, "the query has more than %d parameters",
                HEAD_MAX_QUERY);
    }
    *list = c.list;
    *n = c.n;
    return !c.no_memory;
}

void *head_cut_query(void *ctx, const char *target, struct MHD_Connection *connection)
{
    (void)ctx;
    (void)connection;
    char *at = (char *)(uintptr_t)strchr(target, '?'); /* in the library's own buffer */
    for (int n = 0; at != NULL && n <= HEAD_MAX_QUERY; n++) {
        at = strchr(at + 1, '&');
    }
    if (at != NULL) {
        *at = '\0';
    }
    return NULL;
}

bool head_read(struct MHD_Connection *connection, const char *method, const char *url,
               struct request *req)
{
    char *path = arena_strndup(req->arena, url, strlen(url));
    req->method = find_method(method);
    req->method_text = arena_strndup(req->arena, method, strlen(method));
    if (path == NULL || req->method_text == NULL ||
        !collect_all(connection, MHD_HEADER_KIND, req, &req->headers, &req->n_headers) ||
        !collect_all(connection, MHD_GET_ARGUMENT_KIND, req, &req->query, &req->n_query)) {
        return false;
    }
    if (!percent_decode(path)) {
        err_set(&req->transport, ERR_SYNTAX, "the path has a bad percent escape");
        path = (char *)"/";
    }
    req->path = path;
    return true;
}
