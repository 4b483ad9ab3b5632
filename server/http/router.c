/* SPDX-License-Identifier: Apache-2.0 */
#include "http/router.h"

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OTHER"};
    return names[method];
}

/* One part of a path or pattern: up to the next '/' or the end. */
static size_t part_len(const char *s)
{
    size_t n = 0;
    while (s[n] != '/' && s[n] != '\0') {
        n++;
    }
    return n;
}

struct piece {
    const char *text;
    size_t len;
};

/* pieces: what stands in the path for the braces of the pattern. Every request is compared with
 * many patterns, so it ends at the first byte that differs. */
static bool matches(const char *pattern, const char *path, struct piece *pieces, int *n_pieces)
{
    bool begins = false; /* a part */
    *n_pieces = 0;
    for (;;) {
        if (begins && *pattern == '{') {
            size_t len = part_len(path);
            if (len == 0) {
                return false;
            }
            pieces[(*n_pieces)++] = (struct piece){path, len};
            pattern += part_len(pattern);
            path += len;
        }
        if (*pattern != *path) {
            return false;
        }
        if (*pattern == '\0') {
            return true;
        }
        begins = *pattern == '/';
        pattern++;
        path++;
    }
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

/* What is said when no route of this method has the path. */
static enum err_code refuse(const struct route *routes, int n_routes, const struct request *req,
                            const char **allow, struct err *err)
{
    struct piece pieces[EXCHANGE_MAX_PARAMS];
    int n_pieces;
    const char *list = NULL;
    for (int i = 0; i < n_routes; i++) {
        if (!matches(routes[i].pattern, req->path, pieces, &n_pieces)) {
            continue;
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

enum err_code router_find(const struct route *routes, int n_routes, struct request *req, int *index,
                          const char **allow, struct err *err)
{
    enum http_method method = req->method == HTTP_HEAD ? HTTP_GET : req->method;
    struct piece pieces[EXCHANGE_MAX_PARAMS];
    int n_pieces;
    for (int i = 0; i < n_routes; i++) {
        if (routes[i].method == method &&
            matches(routes[i].pattern, req->path, pieces, &n_pieces)) {
            *index = i;
            return keep_params(req, pieces, n_pieces, err);
        }
    }
    return refuse(routes, n_routes, req, allow, err);
}
