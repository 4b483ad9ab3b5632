/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of a request's framing: a version, a method, and headers, one a line. The verdict must
 * be that of a second reading of RFC 9112, which looks at single characters.
 */
#include "driver.h"

#include <stdlib.h>
#include <strings.h>

#include "http/framing.h"
#include "lines.h"

#define MAX_HEADERS       64
#define MAX_LENGTH_DIGITS 18 /* what fits into 64 bits without a look */

const struct seed fuzz_seeds[] = {
    SEED("HTTP/1.1\nPOST\nHost:localhost\nContent-Length:2\nX:a\n"),
    SEED("HTTP/1.1\nPOST\nHost:a\nTransfer-Encoding:chunked\n"),
    SEED("HTTP/1.0\nGET\nContent-Length:7\n"),
    SEED("HTTP/1.1\nPUT\nhost:a\ncontent-length:2\ntransfer-encoding:chunked\n"),
    SEED("HTTP/1.1\nDELETE\nHost:a\nHost:b\n"),
    SEED("HTTP/1.1\nPOST\nHost:a\nContent-Length:2\nContent-Length:2\n"),
    SEED("HTTP/1.1\nPOST\nHost:a\nContent-Length :2\n"),
    SEED("HTTP/1.0\nPOST\nTransfer-Encoding:chunked\n"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("Content-Length:"),
                                  SEED("Transfer-Encoding:"),
                                  SEED("chunked"),
                                  SEED("CHUNKED"),
                                  SEED("Host:"),
                                  SEED("identity"),
                                  SEED("gzip, chunked"),
                                  SEED("HTTP/1.0"),
                                  SEED("HTTP/1.1"),
                                  SEED("HTTP/2.0"),
                                  SEED("999999999999999999"),
                                  SEED("+1"),
                                  SEED("0x1"),
                                  SEED("1,1"),
                                  SEED("\t"),
                                  SEED("\x7f"),
                                  SEEDS_END};

static bool is_name_character(unsigned char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return alphanumeric || (c != '\0' && memchr(others, c, sizeof others - 1) != NULL);
}

static bool is_header_plain(const struct header *h)
{
    bool plain = h->name[0] != '\0';
    for (const char *p = h->name; *p != '\0'; p++) {
        plain = plain && is_name_character((unsigned char)*p);
    }
    for (const char *p = h->value; *p != '\0'; p++) {
        plain = plain && (*p == '\t' || ((unsigned char)*p >= 0x20 && *p != 0x7f));
    }
    return plain;
}

static bool is_length(const char *text)
{
    int n = 0;
    while (text[n] >= '0' && text[n] <= '9' && n <= MAX_LENGTH_DIGITS) {
        n++;
    }
    return n > 0 && n <= MAX_LENGTH_DIGITS && text[n] == '\0';
}

/* The only value of that name; NULL: there is none. *n: how many there are. */
static const char *find_only(const struct request *req, const char *name, int *n)
{
    const char *value = NULL;
    *n = 0;
    for (int i = 0; i < req->n_headers; i++) {
        if (strcasecmp(req->headers[i].name, name) == 0) {
            value = req->headers[i].value;
            ++*n;
        }
    }
    return value;
}

static bool is_beyond_doubt(const struct request *req, const char *version)
{
    int n_lengths;
    int n_codings;
    int n_hosts;
    bool modern = strcmp(version, "HTTP/1.1") == 0;
    bool plain = modern || strcmp(version, "HTTP/1.0") == 0;
    for (int i = 0; i < req->n_headers; i++) {
        plain = plain && is_header_plain(&req->headers[i]);
    }
    const char *length = find_only(req, "content-length", &n_lengths);
    const char *coding = find_only(req, "transfer-encoding", &n_codings);
    (void)find_only(req, "host", &n_hosts);
    return plain && n_lengths + n_codings <= 1 && n_hosts <= 1 && (n_hosts == 1 || !modern) &&
           (length == NULL || is_length(length)) &&
           (coding == NULL || (modern && strcasecmp(coding, "chunked") == 0));
}

static enum http_method find_method(const char *text)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};
    for (int i = 0; i < HTTP_OTHER; i++) {
        if (strcmp(names[i], text) == 0) {
            return (enum http_method)i;
        }
    }
    return HTTP_OTHER;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct header headers[MAX_HEADERS];
    int n_ends;
    int n_codings;
    char *rest = arena_strndup(&arena, (const char *)data, size);
    const char *version = next_line(&rest);
    const char *method = next_line(&rest);
    struct request req = {
        .method = find_method(method), .method_text = method, .headers = headers, .path = "/"};
    req.n_headers = next_headers(&rest, headers, MAX_HEADERS);
    bool taken = framing_check(&req, version, &err) == ERR_OK;
    if (taken != is_beyond_doubt(&req, version) || taken != (err.code == ERR_OK)) {
        abort();
    }
    (void)find_only(&req, "Content-Length", &n_ends);
    (void)find_only(&req, "Transfer-Encoding", &n_codings);
    bool has_body = req.method == HTTP_POST || req.method == HTTP_PUT || req.method == HTTP_OTHER;
    if (framing_is_open(&req) != (has_body && n_ends + n_codings == 0)) {
        abort();
    }
    arena_release(&arena);
    return 0;
}
