/* SPDX-License-Identifier: Apache-2.0 */
/* A method, a path and a query, one a line: escapes, the route that is found, and the options of a
 * prediction that a query may hold. */
#include "driver.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/native/prediction_request.h"
#include "api/head/query_keys.h"
#include "base/utf8.h"
#include "formats/json_read.h"
#include "http/router.h"
#include "lines.h"

#define MAX_KEYS  32
#define MAX_PARTS 16

static const struct route routes[] = {
#define ROUTE(method, pattern, handler, label, role, query) {HTTP_##method, pattern},
#include "api/routes.def"
#undef ROUTE
};

/* The keys that the query of each may have. */
static const char *const known_keys[] = {
#define ROUTE(method, pattern, handler, label, role, query) query,
#include "api/routes.def"
#undef ROUTE
};
#define N_ROUTES ((int)(sizeof routes / sizeof *routes))

const struct seed fuzz_seeds[] = {
    SEED("POST\n/v1/models/heat%2d1/versions/3/predict\nreturn=mean\n"),
    SEED("GET\n/v1/models/m/data/rows\nformat=csv&x=%C3%A4\n"),
    SEED("DELETE\n/v1/models/m/data/batches/7\n\n"),
    SEED("HEAD\n/v1/jobs/1/events\n\n"),
    SEED("PUT\n/v1/models/m/aliases/a\n\n"),
    SEED("GET\n//v1//models/\na&b=&=c&&\n"),
    SEED("POST\n/predict\nmodel=heat&version=2&return=quantiles&quantiles=0.05,0.95&seed=3\n"),
    SEED("POST\n/predict\nreturn=samples&samples=4&intervals=0.5\n"),
    SEED("GET\n/%2e%2e/%2F\n%25=%26\n"),
    SEED("POST\n/v1/models/m/data\noutputs=1&on_duplicate=skip&missing=allow\n"),
    SEEDS_END};

const struct seed fuzz_words[] = {
    SEED("%00"),         SEED("%2f"),       SEED("%"),          SEED("%zz"),
    SEED("/v1/models/"), SEED("/v1/jobs/"), SEED("/predict"),   SEED("return="),
    SEED("quantiles="),  SEED("samples="),  SEED("intervals="), SEED("precision="),
    SEED("\xc0\xaf"),    SEED("%ed%a0%80"), SEED("&"),          SEEDS_END};

/* ---- escapes ---- */

/* Escapes every byte of what came out; reading that must give the same again. */
static void check_decoded(const char *text, size_t n_before, struct arena *arena)
{
    size_t len = strlen(text);
    char *escaped = arena_alloc(arena, 3 * len + 1);
    if (len > n_before || !utf8_is_valid(text, len)) {
        abort();
    }
    for (size_t i = 0; i < len; i++) {
        snprintf(escaped + 3 * i, 4, i % 2 == 0 ? "%%%02x" : "%%%02X", (unsigned char)text[i]);
    }
    escaped[3 * len] = '\0';
    if (!percent_decode(escaped) || strcmp(escaped, text) != 0) {
        abort();
    }
}

/* As a copy, so that the original shows whether there was a bad escape. */
static bool decode(char *text, struct arena *arena)
{
    size_t len = strlen(text);
    bool bad = false;
    for (const char *p = text; *p != '\0'; p++) {
        bool escape = *p == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2]);
        bad = bad || (*p == '%' && (!escape || (p[1] == '0' && p[2] == '0')));
        p += escape ? 2 : 0;
    }
    bool done = percent_decode(text);
    if (done && bad) {
        abort();
    }
    if (done) {
        check_decoded(text, len, arena);
    }
    return done;
}

/* ---- routes ---- */

/* Splits at each '/', in place; text begins with one. */
static int split(char *text, const char *parts[MAX_PARTS])
{
    int n = 0;
    for (char *at = text; at != NULL && n < MAX_PARTS;) {
        *at = '\0';
        parts[n++] = at + 1;
        at = strchr(at + 1, '/');
    }
    return n;
}

/* A second reading of one route, part by part. */
static bool is_route(const struct route *route, const struct request *req)
{
    const char *wanted[MAX_PARTS];
    const char *given[MAX_PARTS];
    int n = split(arena_strndup(req->arena, route->pattern, strlen(route->pattern)), wanted);
    int n_given = split(arena_strndup(req->arena, req->path, strlen(req->path)), given);
    int n_params = 0;
    if (n != n_given) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        bool brace = wanted[i][0] == '{';
        if (brace ? given[i][0] == '\0' : strcmp(wanted[i], given[i]) != 0) {
            return false;
        }
        if (brace && n_params < req->n_params && strcmp(req->params[n_params], given[i]) != 0) {
            abort();
        }
        n_params += brace;
    }
    if (req->n_params > 0 && n_params != req->n_params) {
        abort();
    }
    return true;
}

static void check_route(struct request *req)
{
    struct err err = ERR_INIT;
    const char *allow = NULL;
    int index = -1;
    enum http_method method = req->method == HTTP_HEAD ? HTTP_GET : req->method;
    enum err_code code = router_find(routes, N_ROUTES, req, &index, &allow, &err);
    if (code == ERR_OK && (routes[index].method != method || !is_route(&routes[index], req))) {
        abort();
    }
    if (code != ERR_OK) {
        bool known = false;
        req->n_params = 0;
        for (int i = 0; i < N_ROUTES; i++) {
            bool same = is_route(&routes[i], req);
            known = known || same;
            if (same && routes[i].method == method) {
                abort();
            }
        }
        if ((code == ERR_METHOD) != known || (allow != NULL) != known) {
            abort();
        }
    }
}

/* ---- queries ---- */

/* Splits as the HTTP library does; false: a bad escape. */
static bool read_query(char *text, struct request *req, struct header *query)
{
    req->query = query;
    while (*text != '\0' && req->n_query < MAX_KEYS) {
        char *end = text + strcspn(text, "&");
        bool last = *end == '\0';
        *end = '\0';
        char *equals = strchr(text, '=');
        char *value = equals != NULL ? equals + 1 : end;
        if (equals != NULL) {
            *equals = '\0';
        }
        if (!decode(text, req->arena) || !decode(value, req->arena)) {
            return false;
        }
        query[req->n_query++] = (struct header){text, value};
        text = last ? end : end + 1;
    }
    return true;
}

/* Is a key among words that blanks separate? */
static bool is_word_of(const char *key, const char *list)
{
    size_t len = strlen(key);
    for (const char *at = list; *at != '\0'; at += strcspn(at, " "), at += *at == ' ') {
        if (strcspn(at, " ") == len && memcmp(at, key, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Every route refuses a key that it does not know, and one that is given twice. */
static void check_keys(const struct request *req)
{
    for (int r = 0; r < N_ROUTES; r++) {
        struct err err = ERR_INIT;
        bool good = true;
        for (int i = 0; i < req->n_query; i++) {
            const char *key = req->query[i].name;
            good = good && (strcmp(known_keys[r], "*") == 0 || is_word_of(key, known_keys[r]));
            for (int j = 0; j < i; j++) {
                good = good && strcmp(key, req->query[j].name) != 0;
            }
        }
        if ((query_keys_check(req, known_keys[r], &err) == ERR_OK) != good) {
            abort();
        }
    }
}

static void read_options(struct request *req)
{
    static const char rows[] =
        "\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }"
        "          \n0123456789abcdef";
    struct prediction_request request;
    struct header type = {"Content-Type", "application/x-npy"};
    struct err err = ERR_INIT;
    req->headers = &type;
    req->n_headers = 1;
    req->body = rows;
    req->n_body = sizeof rows - 1;
    if (prediction_request_read(req, 1000, 0, &request, &err) == ERR_OK &&
        (request.predict.n != 2 || request.predict.want == 0)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};
    static int begun;
    struct arena arena = ARENA_INIT;
    struct header query[MAX_KEYS];
    if (begun++ == 0) {
        json_read_init();
    }
    char *rest = arena_strndup(&arena, (const char *)data, size);
    const char *method = next_line(&rest);
    char *path = next_line(&rest);
    char *keys = next_line(&rest);
    struct request req = {.method = HTTP_OTHER, .method_text = method, .path = path, .body = ""};
    for (int i = 0; i < HTTP_OTHER; i++) {
        req.method = strcmp(methods[i], method) == 0 ? (enum http_method)i : req.method;
    }
    req.arena = &arena;
    if (path[0] == '/' && decode(path, &arena)) {
        check_route(&req);
    }
    if (read_query(keys, &req, query)) {
        check_keys(&req);
        read_options(&req);
    }
    arena_release(&arena);
    return 0;
}
