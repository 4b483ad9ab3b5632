/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers that decide who may ask, and what is answered. An input is: the number of a set of rules;
 * a method; "probe" or not; then headers, one a line.
 */
#include "driver.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "api/native/prediction_request.h"
#include "api/origin.h"
#include "api/head/trace.h"
#include "formats/media_type.h"
#include "http/etag.h"
#include "lines.h"

#define MAX_HEADERS 24
#define TAG         "\"12-ab\""

static const struct {
    const char *listen, *hosts, *cors;
} rule_sets[] = {
    {"127.0.0.1:8080", "auto", "none"},
    {"0.0.0.0:8080", "surrogate.example, other.example:443", "none"},
    {"10.0.0.7:80", "*", "https://app.example, http://[::1]:3000"},
    {"[::]:80", "auto", "https://app.example"},
};
#define N_RULE_SETS (sizeof rule_sets / sizeof *rule_sets)

const struct seed fuzz_seeds[] = {
    SEED("0\nGET\n\nHost:localhost:8080\nIf-None-Match:\"a\", W/" TAG "\nX-Request-Id:a-1\n"
         "traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"),
    SEED("1\nPOST\n\nHost:surrogate.example\nOrigin:https://surrogate.example\n"
         "Sec-Fetch-Site:same-origin\nContent-Type:text/csv; "
         "charset=utf-8\nRequest-Timeout-Ms:100\n"),
    SEED("2\nOPTIONS\n\nHost:10.0.0.7\nOrigin:https://app.example\n"
         "Access-Control-Request-Method:PUT\n"),
    SEED("3\nGET\nprobe\nHost:[2001:db8::7]:80\nAccept:application/x-npy, application/json\n"),
    SEED("0\nDELETE\n\nHost:127.0.0.1\nOrigin:null\nSec-Fetch-Site:cross-site\nIf-None-Match:*\n"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("Host:"),
                                  SEED("Origin:"),
                                  SEED("Sec-Fetch-Site:"),
                                  SEED("If-None-Match:"),
                                  SEED("X-Request-Id:"),
                                  SEED("traceparent:"),
                                  SEED("Content-Type:"),
                                  SEED("Accept:"),
                                  SEED("localhost"),
                                  SEED("127.0.0.1"),
                                  SEED("[::1]"),
                                  SEED("https://"),
                                  SEED("app.example"),
                                  SEED("surrogate.example"),
                                  SEED("same-origin"),
                                  SEED("cross-site"),
                                  SEED("W/"),
                                  SEED(TAG),
                                  SEED(":443"),
                                  SEED("\r"),
                                  SEED("application/x-npy"),
                                  SEED("text/csv"),
                                  SEED("Request-Timeout-Ms:"),
                                  SEEDS_END};

/* ---- a second reading of hosts and origins ---- */

/* The host without its port and brackets, in small letters; false: it is none. */
static bool read_host(const char *text, char *host, size_t size)
{
    const char *end = text[0] == '[' ? strchr(text, ']') : text + strcspn(text, ":");
    const char *begin = text[0] == '[' ? text + 1 : text;
    if (end == NULL || end <= begin || (size_t)(end - begin) >= size) {
        return false;
    }
    for (const char *p = begin; p < end; p++) {
        host[p - begin] = (char)tolower((unsigned char)*p);
    }
    host[end - begin] = '\0';
    const char *port = *end == ']' ? end + 1 : end;
    if ((text[0] == '[') != (strchr(host, ':') != NULL)) {
        return false;
    }
    return *port == '\0' ||
           (*port == ':' && port[1] != '\0' && strspn(port + 1, "0123456789") == strlen(port + 1));
}

static bool is_ip(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Whatever the rules are, nothing else is this server. */
static bool may_be_ours(int rules, const char *text, const char *machine, bool is_probe)
{
    char host[ADDRESS_HOST_CHARS];
    if (!read_host(text, host, sizeof host)) {
        return false;
    }
    bool number = is_ip(host);
    if (strcmp(host, "localhost") == 0 || rules == 2) {
        return true;
    }
    if (rules == 0) {
        return number && (is_probe || strncmp(host, "127.", 4) == 0 || strchr(host, ':') != NULL);
    }
    return number || strcasecmp(host, machine) == 0 ||
           (rules == 1 &&
            (strcmp(host, "surrogate.example") == 0 ||
             (strcmp(host, "other.example") == 0 && strcasecmp(text, "other.example:443") == 0)));
}

/* Only pages that the rules name may change anything. */
static bool may_be_trusted(int rules, const char *origin, const char *host)
{
    bool https = strncasecmp(origin, "https://", 8) == 0;
    const char *name = https                                    ? origin + 8
                       : strncasecmp(origin, "http://", 7) == 0 ? origin + 7
                                                                : NULL;
    if (rules >= 2 && (strcasecmp(origin, "https://app.example") == 0 ||
                       (rules == 2 && strcasecmp(origin, "http://[::1]:3000") == 0))) {
        return true;
    }
    if (name == NULL) {
        return false;
    }
    return (host != NULL && strcasecmp(name, host) == 0) ||
           (rules == 1 && (strncasecmp(name, "surrogate.example", 17) == 0 ||
                           strcasecmp(name, "other.example:443") == 0));
}

/* ---- the checks ---- */

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

/* The library refuses controls in the values of requests, so answers may repeat only plain ones. */
static void check_answer(const struct request *req, const struct response *res)
{
    bool plain = true;
    for (int i = 0; i < req->n_headers; i++) {
        plain = plain && is_plain(req->headers[i].value);
    }
    for (int i = 0; i < res->n_headers; i++) {
        if (plain && !is_plain(res->headers[i].value)) {
            abort();
        }
    }
}

static void check_origin(struct request *req, int set, bool is_probe)
{
    static struct origin_rules rules[N_RULE_SETS];
    static struct config configs[N_RULE_SETS];
    struct err err = ERR_INIT;
    struct response res = {.status = 0};
    if (rules[set].hosts == NULL) {
        config_defaults(&configs[set]);
        snprintf(configs[set].listen, sizeof configs[set].listen, "%s", rule_sets[set].listen);
        snprintf(configs[set].hosts, sizeof configs[set].hosts, "%s", rule_sets[set].hosts);
        snprintf(configs[set].cors_origins, sizeof configs[set].cors_origins, "%s",
                 rule_sets[set].cors);
        if (origin_rules_init(&rules[set], &configs[set], &err) != ERR_OK) {
            abort();
        }
    }
    const char *host = request_header(req, "Host");
    const char *origin = request_header(req, "Origin");
    bool taken = origin_check(&rules[set], req, is_probe, &res, &err) == ERR_OK;
    bool changes = req->method != HTTP_GET && req->method != HTTP_HEAD;
    if (taken && host != NULL && !may_be_ours(set, host, rules[set].machine, is_probe)) {
        abort();
    }
    if (taken && changes && origin != NULL && !may_be_trusted(set, origin, host)) {
        abort();
    }
    if (res.status != 0 && res.status != 204) {
        abort();
    }
    origin_allow(&rules[set], req, &res);
    check_answer(req, &res);
}

static void check_trace(const struct request *req)
{
    struct response res = {.status = 500};
    struct trace trace = trace_of(req);
    if (strlen(trace.id) > TRACE_MAX_ID || !is_plain(trace.id) || strpbrk(trace.id, " \"\\,;<>") ||
        (trace.parent[0] != '\0' && strlen(trace.parent) != TRACE_PARENT_CHARS)) {
        abort();
    }
    for (const char *p = trace.parent; *p != '\0'; p++) {
        long at = p - trace.parent;
        bool dash = at == 2 || at == 35 || at == 52;
        if (dash ? *p != '-' : strchr("0123456789abcdef", *p) == NULL) {
            abort();
        }
    }
    trace_answer(&trace, true, req, &res);
    if (res.n_headers < 1) {
        abort();
    }
    for (int i = 0; i < res.n_headers; i++) {
        if (!is_plain(res.headers[i].value)) {
            abort();
        }
    }
}

/* A list that holds neither the tag nor a star matches nothing; a tag by itself matches. */
static void check_tags(const struct request *req)
{
    const char *list = request_header(req, "If-None-Match");
    if (list == NULL) {
        return;
    }
    bool found = etag_matches(list, TAG);
    const char *begin = list + strspn(list, " \t");
    if ((found && strstr(list, TAG) == NULL && *begin != '*') ||
        (!found && strncmp(begin, TAG, strlen(TAG)) == 0)) {
        abort();
    }
}

static void check_values(const struct request *req)
{
    static const char *const types[] = {"application/json", "application/x-npy", "text/csv"};
    struct err err = ERR_INIT;
    int64_t deadline_ns = 0;
    int n_types = 0;
    for (int i = 0; i < 3; i++) {
        n_types += media_type_is(request_header(req, "Content-Type"), types[i]);
    }
    if (n_types > 1) {
        abort();
    }
    if (prediction_request_deadline(req, &deadline_ns, &err) == ERR_OK &&
        (deadline_ns != 0) != (request_header(req, "Request-Timeout-Ms") != NULL)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct header headers[MAX_HEADERS];
    char *rest = arena_strndup(&arena, (const char *)data, size);
    int set = abs(atoi(next_line(&rest)) % (int)N_RULE_SETS);
    const char *method = next_line(&rest);
    bool is_probe = strcmp(next_line(&rest), "probe") == 0;
    struct request req = {.method = HTTP_OTHER, .method_text = method, .path = "/", .body = ""};
    req.method = strcmp(method, "GET") == 0 ? HTTP_GET : HTTP_OTHER;
    req.arena = &arena;
    req.headers = headers;
    req.n_headers = next_headers(&rest, headers, MAX_HEADERS);
    check_origin(&req, set, is_probe);
    check_trace(&req);
    check_tags(&req);
    check_values(&req);
    arena_release(&arena);
    return 0;
}
