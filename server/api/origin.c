/* SPDX-License-Identifier: Apache-2.0 */
#include "api/origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define NO_HOSTS        "auto"
#define NO_ORIGINS      "none"
#define ANY_HOST        "*"
#define ALLOWED_METHODS "GET, HEAD, POST, PUT, DELETE"
#define PREFLIGHT_AGE_S "600"
#define LONGEST_PREFIX  8 /* of "https://" */
#define READABLE_HEADERS                                                                           \
    "ETag, Location, Retry-After, Surrogate-Draws, Surrogate-Extrapolated-Rows, "                  \
    "Surrogate-Warnings, "                                                                         \
    "Surrogate-Inputs, Surrogate-Model, Surrogate-Outputs, Surrogate-Rows, Surrogate-Version, "    \
    "WWW-Authenticate, X-Registry-Version"
#define ALLOWED_HEADERS                                                                            \
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "              \
    "If-Registry-Version-At-Least, Last-Event-ID, Request-Timeout-Ms, Surrogate-Source"

struct authority {
    char host[ADDRESS_HOST_CHARS]; /* without the brackets of IPv6 */
    char port[ADDRESS_PORT_CHARS]; /* "": none */
};

static bool copy_part(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size) {
        return false;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* "name", "name:port", "[v6]:port". */
static bool split_authority(const char *text, size_t len, struct authority *out)
{
    const char *end = text + len;
    const char *port = memchr(text, ':', len);
    size_t n_host = port != NULL ? (size_t)(port - text) : len;
    bool bracketed = len > 0 && text[0] == '[';
    out->port[0] = '\0';
    if (bracketed) {
        const char *close = memchr(text, ']', len);
        if (close == NULL) {
            return false;
        }
        n_host = (size_t)(close - text) - 1;
        text++;
        port = close + 1 < end ? close + 1 : NULL;
        if (port != NULL && *port != ':') {
            return false;
        }
    }
    if (n_host == 0 || !copy_part(out->host, sizeof out->host, text, n_host) ||
        bracketed != (strchr(out->host, ':') != NULL)) { /* a name in brackets is another one */
        return false;
    }
    if (port == NULL) {
        return true;
    }
    size_t n_port = (size_t)(end - port) - 1;
    return n_port > 0 && copy_part(out->port, sizeof out->port, port + 1, n_port) &&
           strspn(out->port, "0123456789") == n_port;
}

/* The next item of a list and its length without blanks; false: there is none. */
static bool next_item(const char **list, const char **item, size_t *len)
{
    const char *text = *list + strspn(*list, ", \t");
    size_t n = strcspn(text, ",");
    *list = text + n;
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) {
        n--;
    }
    *item = text;
    *len = n;
    return n > 0;
}

/* An item without a port stands for all ports. */
static bool list_has_host(const char *list, const struct authority *host)
{
    struct authority one;
    const char *item;
    size_t len;
    while (next_item(&list, &item, &len)) {
        if (len == 1 && item[0] == ANY_HOST[0]) {
            return true;
        }
        if (split_authority(item, len, &one) && strcasecmp(one.host, host->host) == 0 &&
            (one.port[0] == '\0' || strcmp(one.port, host->port) == 0)) {
            return true;
        }
    }
    return false;
}

static bool is_number(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static bool is_everywhere(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    return (inet_pton(AF_INET, host, &v4) == 1 && v4.s_addr == 0) ||
           (inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6));
}

/* ---- the lists of the config ---- */

/* What follows the scheme of an origin; NULL: it is none. */
static const char *skip_scheme(const char *origin)
{
    if (strncasecmp(origin, "http://", LONGEST_PREFIX - 1) == 0) {
        return origin + LONGEST_PREFIX - 1;
    }
    return strncasecmp(origin, "https://", LONGEST_PREFIX) == 0 ? origin + LONGEST_PREFIX : NULL;
}

static bool is_host_item(const char *item, size_t len)
{
    struct authority one;
    return (len == 1 && item[0] == ANY_HOST[0]) ||
           (split_authority(item, len, &one) && strpbrk(one.host, "/@*? ") == NULL);
}

static bool is_origin_item(const char *item, size_t len)
{
    struct authority one;
    const char *host = skip_scheme(item);
    return host != NULL && host < item + len &&
           split_authority(host, len - (size_t)(host - item), &one) &&
           strpbrk(one.host, "/@*? ") == NULL;
}

static enum err_code check_lists(const struct config *config, struct err *err)
{
    const char *list = strcmp(config->hosts, NO_HOSTS) == 0 ? "" : config->hosts;
    const char *item;
    size_t len;
    while (next_item(&list, &item, &len)) {
        if (!is_host_item(item, len)) {
            return err_set(err, ERR_INVALID, "hosts has \"%.*s\"; name, name:port or * is needed",
                           (int)(len < 60 ? len : 60), item);
        }
    }
    list = strcmp(config->cors_origins, NO_ORIGINS) == 0 ? "" : config->cors_origins;
    while (next_item(&list, &item, &len)) {
        if (!is_origin_item(item, len)) {
            return err_set(err, ERR_INVALID,
                           "cors_origins has \"%.*s\"; http://name:port or https://name is needed",
                           (int)(len < 60 ? len : 60), item);
        }
    }
    return ERR_OK;
}

enum err_code origin_rules_init(struct origin_rules *rules, const struct config *config,
                                struct err *err)
{
    *rules = (struct origin_rules){.hosts = "", .cors_origins = NULL};
    if (address_list_parse(config->listen, &rules->listen, err) != ERR_OK ||
        check_lists(config, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < rules->listen.n; i++) {
        rules->listens_everywhere =
            rules->listens_everywhere || is_everywhere(rules->listen.at[i].host);
    }
    if (gethostname(rules->machine, sizeof rules->machine - 1) != 0) {
        rules->machine[0] = '\0';
    }
    if (strcmp(config->hosts, NO_HOSTS) != 0) {
        rules->hosts = config->hosts;
    }
    if (strcmp(config->cors_origins, NO_ORIGINS) != 0) {
        rules->cors_origins = config->cors_origins;
    }
    return ERR_OK;
}

/* ---- a request ---- */

/* A Unix socket has no host of its own; clients name localhost. */
static bool listens_at(const struct origin_rules *rules, const char *host)
{
    for (int i = 0; i < rules->listen.n; i++) {
        if (strcasecmp(host, rules->listen.at[i].host) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_ours(const struct origin_rules *rules, const struct authority *host, bool is_probe)
{
    if (address_is_loopback(host->host) || listens_at(rules, host->host) ||
        list_has_host(rules->hosts, host)) {
        return true;
    }
    if (rules->listens_everywhere) {
        return is_number(host->host) || strcasecmp(host->host, rules->machine) == 0;
    }
    return is_probe && is_number(host->host);
}

static bool is_listed(const struct origin_rules *rules, const char *origin)
{
    const char *list = rules->cors_origins;
    const char *item;
    size_t len;
    while (origin != NULL && list != NULL && next_item(&list, &item, &len)) {
        if (strlen(origin) == len && strncasecmp(item, origin, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Is it a page of this server, also when a proxy gave it another name? */
static bool is_own_page(const struct origin_rules *rules, const char *origin, const char *host)
{
    struct authority page;
    const char *text = skip_scheme(origin);
    if (text == NULL || !split_authority(text, strlen(text), &page)) {
        return false;
    }
    return (host != NULL && strcasecmp(text, host) == 0) ||
           (strcmp(rules->hosts, ANY_HOST) != 0 && list_has_host(rules->hosts, &page));
}

static enum err_code check_page(const struct origin_rules *rules, const struct request *req,
                                const char *origin, struct err *err)
{
    const char *site = request_header(req, "Sec-Fetch-Site");
    if (origin != NULL && !is_own_page(rules, origin, request_header(req, "Host"))) {
        return err_set(err, ERR_FORBIDDEN,
                       "a page of %.60s may not send this; the setting cors_origins lists those "
                       "that may",
                       origin);
    }
    if (site != NULL && strcasecmp(site, "same-origin") != 0 && strcasecmp(site, "none") != 0) {
        return err_set(err, ERR_FORBIDDEN,
                       "a page of another site may not send this (Sec-Fetch-Site: %.20s)", site);
    }
    return ERR_OK;
}

static void answer_preflight(struct response *res)
{
    response_header(res, "Access-Control-Allow-Methods", ALLOWED_METHODS);
    response_header(res, "Access-Control-Allow-Headers", ALLOWED_HEADERS);
    response_header(res, "Access-Control-Max-Age", PREFLIGHT_AGE_S);
    res->status = 204;
}

enum err_code origin_check(const struct origin_rules *rules, const struct request *req,
                           bool is_probe, struct response *res, struct err *err)
{
    const char *host = request_header(req, "Host");
    struct authority named;
    /* Only HTTP/1.0 can leave it out, which no browser speaks. */
    if (host != NULL &&
        (!split_authority(host, strlen(host), &named) || !is_ours(rules, &named, is_probe))) {
        return err_set(err, ERR_MISDIRECTED,
                       "this server is not called \"%.60s\"; the setting hosts lists its names",
                       host);
    }
    if (req->method == HTTP_GET || req->method == HTTP_HEAD) {
        return ERR_OK;
    }
    const char *origin = request_header(req, "Origin");
    if (!is_listed(rules, origin)) {
        return check_page(rules, req, origin, err);
    }
    if (strcmp(req->method_text, "OPTIONS") == 0 &&
        request_header(req, "Access-Control-Request-Method") != NULL) {
        answer_preflight(res);
    }
    return ERR_OK;
}

void origin_allow(const struct origin_rules *rules, const struct request *req, struct response *res)
{
    if (rules->cors_origins == NULL) {
        return;
    }
    const char *origin = request_header(req, "Origin");
    response_header(res, "Vary", "Origin");
    if (is_listed(rules, origin)) {
        response_header(res, "Access-Control-Allow-Origin", origin);
        response_header(res, "Access-Control-Expose-Headers", READABLE_HEADERS);
    }
}

/* ---- what a browser may do with an answer ---- */

static const struct header always[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
};

void origin_add_limits(struct response *res)
{
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (!response_has(res, always[i].name)) {
            response_header(res, always[i].name, always[i].value);
        }
    }
    if (!response_has(res, "ETag") && !response_has(res, "Cache-Control")) {
        response_header(res, "Cache-Control", "no-store");
    }
}
