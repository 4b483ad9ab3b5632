/* SPDX-License-Identifier: Apache-2.0 */
#include "http/router.h"

#include <string.h>

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OTHER"};
    return names[method];
}

/* One part of a path or pattern: up to the next '/' or the end. */
static size_t part_len(const char *s)
{
    return strcspn(s, "/");
}

struct piece {
    const char *text;
    size_t len;
};

/* pieces: what stands in the path for the braces of the pattern. */
static bool matches(const char *pattern, const char *path, struct piece *pieces, int *n_pieces)
{
    *n_pieces = 0;
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        size_t a = part_len(pattern);
        size_t b = part_len(path);
        if (a > 0 && pattern[0] == '{') {
            if (b == 0) {
                return false;
            }
            pieces[(*n_pieces)++] = (struct piece){path, b};
        } else if (a != b || strncmp(pattern, path, a) != 0) {
            return false;
        }
        pattern += a;
        path += b;
    }
    return *pattern == '\0' && *path == '\0';
}

static enum err_code keep_params(struct request *req, const struct piece *pieces, int n,
                                 struct err *err)
{
    req->n_params = n;
    for (int i = 0; i < n; i++) {
        req->params[i] = arena_strndup(req->arena, pieces[i].text, pieces[i].len);
        if (req->params[i] == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the request");
        }
    }
    return ERR_OK;
}

/* As the client knows it. */
static const char *shown_path(const struct request *req)
{
    return req->given_path != NULL ? req->given_path : req->path;
}

enum err_code router_find(const struct route *routes, int n_routes, struct request *req, int *index,
                          const char **allow, struct err *err)
{
    enum http_method method = req->method == HTTP_HEAD ? HTTP_GET : req->method;
    struct piece pieces[EXCHANGE_MAX_PARAMS];
    int n_pieces;
    const char *list = NULL;
    for (int i = 0; i < n_routes; i++) {
        if (!matches(routes[i].pattern, req->path, pieces, &n_pieces)) {
            continue;
        }
        if (routes[i].method == method) {
            *index = i;
            return keep_params(req, pieces, n_pieces, err);
        }
        const char *name =
            routes[i].method == HTTP_GET ? "GET, HEAD" : http_method_name(routes[i].method);
        list = list == NULL ? name : arena_printf(req->arena, "%s, %s", list, name);
        if (list == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the request");
        }
    }
    if (list != NULL) {
        *allow = list;
        return err_set(err, ERR_METHOD, "%s does not take %.20s; it takes %s", shown_path(req),
                       req->method_text, list);
    }
    return err_set(err, ERR_NOT_FOUND, "there is nothing at %.100s", shown_path(req));
}
