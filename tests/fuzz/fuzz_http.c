/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a connection, through the HTTP library and http/serve to a handler that writes down
 * what it is asked to run. Beside it an independent reading of the same bytes, strict about where a
 * message ends and careless about all else, says which requests stand there: whatever is run must
 * be one of them, in their order and with just that body. So no request that hides in the body of
 * another, or behind one that is in doubt, is ever run.
 *
 * The reading knows what 0.9.75 hides so that nobody can tell (http/head.h).
 */
#define _GNU_SOURCE /* memrchr */
#include "driver.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/place.h"
#include "http/serve.h"
#include "lines.h"

#define MAX_RUNS    1024
#define MAX_STREAM  ((size_t)16 * 1024) /* fits into the socket's buffer */
#define MAX_BODY    4000
#define QUIET_TURNS 4 /* of the library without anything new: it has done all it can */
#define MAX_TURNS   1000
#define NAME_CHARS  64

#define HOST "Host: a\r\n"
#define NEXT "GET /next HTTP/1.1\r\n" HOST "\r\n"

const struct seed fuzz_seeds[] = {
    SEED("GET / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    SEED("POST /p HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}" NEXT),
    SEED("POST /p HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n" NEXT),
    SEED("POST /p HTTP/1.1\r\n" HOST
         "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
    SEED("POST /p HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}" NEXT),
    SEED("POST /p HTTP/1.1\r\n" HOST "\r\n" NEXT),
    SEED("PUT /p HTTP/1.1\nHost: a\nX: a\n b\nContent-Length: 3\n\nabc" NEXT),
    SEED("POST /p HTTP/1.0\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx" NEXT),
    SEED("HEAD /a?b=%20 HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n" NEXT),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("Content-Length: "),
                                  SEED("Transfer-Encoding: chunked\r\n"),
                                  SEED("\r\n\r\n"),
                                  SEED("\r\n"),
                                  SEED("0\r\n\r\n"),
                                  SEED(HOST),
                                  SEED(NEXT),
                                  SEED("POST "),
                                  SEED(" HTTP/1.1\r\n"),
                                  SEED("Connection: close\r\n"),
                                  SEED("\r\n "),
                                  SEED("5\r\nabcde\r\n"),
                                  SEED("Upgrade: h2c\r\n"),
                                  SEED("ffffffffffffffff\r\n"),
                                  SEED("\r"),
                                  SEED(" HTTP/1.0\r\n"),
                                  SEEDS_END};

/* ---- what is run ---- */

struct run {
    size_t at; /* of the body, in bodies */
    size_t size;
    bool refused;
};

struct runs {
    struct run list[MAX_RUNS];
    int n;
    char bodies[MAX_STREAM + 1];
    size_t n_bodies;
};

static void write_down(void *ctx, struct request *req, struct response *res)
{
    struct runs *runs = ctx;
    *res =
        (struct response){.status = 200, .content_type = "text/plain", .body = "ok", .n_body = 2};
    bool refused = req->transport.code != ERR_OK;
    size_t n_body = refused ? 0 : req->n_body;
    if (refused) {
        res->status = 400;
    }
    if (runs->n == MAX_RUNS || runs->n_bodies + n_body > sizeof runs->bodies) {
        abort(); /* more than the input can hold */
    }
    memcpy(runs->bodies + runs->n_bodies, req->body, n_body);
    runs->list[runs->n++] = (struct run){runs->n_bodies, n_body, refused};
    runs->n_bodies += n_body;
}

/* ---- the independent reading ---- */

static bool hides; /* the library hides lines: 0.9.75 */

struct text {
    const char *at;
    const char *end;
};

struct message {
    bool has_body_usually;
    int n_lengths;
    int n_codings;
    bool is_known; /* there is no doubt where it ends */
    size_t length;
};

/* The next line without its end; false: the text ends first. */
static bool next_text_line(struct text *text, struct text *line)
{
    const char *lf = memchr(text->at, '\n', (size_t)(text->end - text->at));
    if (lf == NULL) {
        return false;
    }
    *line = (struct text){text->at, lf > text->at && lf[-1] == '\r' ? lf - 1 : lf};
    text->at = lf + 1;
    return true;
}

static bool is_name(const struct text *name, const char *wanted)
{
    size_t len = (size_t)(name->end - name->at);
    return len == strlen(wanted) && strncasecmp(name->at, wanted, len) == 0;
}

static void read_header(struct message *message, const struct text *line)
{
    const char *begin = line->at;
    struct text name = {begin, memchr(begin, ':', (size_t)(line->end - begin))};
    char value[NAME_CHARS] = "";
    if (name.end == NULL) {
        return;
    }
    const char *from = name.end + 1;
    while (from < line->end && (*from == ' ' || *from == '\t')) {
        from++;
    }
    size_t len = (size_t)(line->end - from);
    snprintf(value, sizeof value, "%.*s", (int)(len < sizeof value ? len : sizeof value), from);
    if (is_name(&name, "Content-Length")) {
        message->n_lengths++;
        size_t digits = strspn(value, "0123456789");
        message->is_known =
            message->is_known && digits > 0 && digits <= 18 && value[digits] == '\0';
        message->length = strtoul(value, NULL, 10);
    } else if (is_name(&name, "Transfer-Encoding")) {
        message->n_codings++;
        message->is_known = message->is_known && strcasecmp(value, "chunked") == 0;
    }
}

/* Does it end a head, or trailers? */
static bool is_end(const struct text *line)
{
    return line->at == line->end || (hides && (*line->at == ':' || *line->at == '\0'));
}

/* Where the line's text ends for the library: at a NUL too. */
static const char *end_of_text(const struct text *line)
{
    const char *nul = memchr(line->at, '\0', (size_t)(line->end - line->at));
    return nul != NULL ? nul : line->end;
}

static void read_method(struct message *message, const struct text *line)
{
    static const char *const without[] = {"GET", "HEAD", "DELETE"};
    message->has_body_usually = true;
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        size_t len = strlen(without[i]);
        bool same = (size_t)(line->end - line->at) > len && strncmp(line->at, without[i], len) == 0;
        if (same && (line->at[len] == ' ' || (hides && line->at[len] == '\0'))) {
            message->has_body_usually = false;
        }
    }
}

/* With 0.9.75 a head is beyond doubt when just a CRLF follows each line, and two the last one. */
static bool read_head(struct text *text, struct message *message)
{
    struct text line;
    do {
        if (!next_text_line(text, &line)) {
            return false;
        }
    } while (line.at == line.end ||
             (hides && *line.at == '\0')); /* are left out before a request */
    *message = (struct message){.is_known = true};
    read_method(message, &line);
    const char *blank = memrchr(line.at, ' ', (size_t)(line.end - line.at));
    const struct text version = {blank != NULL ? blank : line.at, line.end};
    const char *before = end_of_text(&version);
    while (next_text_line(text, &line)) {
        if (is_end(&line)) {
            message->is_known = message->is_known && (!hides || text->at == before + 4);
            return true;
        }
        bool folded = *line.at == ' ' || *line.at == '\t';
        message->is_known = message->is_known && (!hides || (line.at == before + 2 && !folded));
        before = end_of_text(&line);
        read_header(message, &line);
    }
    return false;
}

/* A body in chunks; false: it is not one, or not all there. */
static bool read_chunks(struct text *text, char *body, size_t *n_body)
{
    struct text line;
    for (;;) {
        if (!next_text_line(text, &line) || line.at == line.end || *line.at == '-' ||
            strchr("0123456789abcdefABCDEF", *line.at) == NULL) {
            return false;
        }
        char *rest;
        size_t size = strtoul(line.at, &rest, 16);
        if (size > MAX_STREAM || (size_t)(text->end - text->at) < size) {
            return false;
        }
        if (size == 0) {
            break;
        }
        memcpy(body + *n_body, text->at, size);
        *n_body += size;
        text->at += size;
        if (!next_text_line(text, &line) || line.at != line.end) {
            return false;
        }
    }
    do { /* trailers */
        if (!next_text_line(text, &line)) {
            return false;
        }
    } while (!is_end(&line));
    return true;
}

/* All requests up to the first whose end is in doubt. */
static void read_requests(struct text text, struct runs *runs)
{
    struct message message;
    while (runs->n < MAX_RUNS && read_head(&text, &message)) {
        size_t n_body = 0;
        if (message.n_lengths + message.n_codings > 1 || !message.is_known) {
            return;
        }
        if (message.n_codings == 1) {
            if (!read_chunks(&text, runs->bodies + runs->n_bodies, &n_body)) {
                return;
            }
        } else if (message.n_lengths == 1) {
            n_body = message.length;
            if ((size_t)(text.end - text.at) < n_body) {
                return;
            }
            memcpy(runs->bodies + runs->n_bodies, text.at, n_body);
            text.at += n_body;
        }
        runs->list[runs->n++] = (struct run){runs->n_bodies, n_body, false};
        runs->n_bodies += n_body;
        if (message.has_body_usually && message.n_lengths + message.n_codings == 0) {
            return;
        }
    }
}

/* A request that is refused for what is in doubt stands behind the last one that was read. */
static void compare(const struct runs *run, const struct runs *read)
{
    for (int i = 0; i < run->n; i++) {
        const struct run *a = &run->list[i];
        const struct run *b = &read->list[i];
        if (!a->refused && (i >= read->n || a->size != b->size ||
                            memcmp(run->bodies + a->at, read->bodies + b->at, a->size) != 0)) {
            fprintf(stderr, "request %d was run with a body of %zu bytes; %s\n", i, a->size,
                    i >= read->n ? "it does not stand there" : "another body stands there");
            abort();
        }
    }
}

/* ---- a connection ---- */

static struct serve serve;
static struct serve_thread thread;
static struct MHD_Daemon *library;
static struct runs was_run;

static void open_server(void)
{
    static struct log quiet = {.fd = STDERR_FILENO, .level = LOG_ERROR + 1};
    struct err err = ERR_INIT;
    struct daemon_settings settings = {.n_threads = 1,
                                       .max_connections = 8,
                                       .max_peer_connections = 8,
                                       .idle_timeout_s = 60,
                                       .head_timeout_s = 10,
                                       .min_rate = 1000,
                                       .max_body_bytes = MAX_BODY,
                                       .bodies_bytes = 100 * MAX_BODY,
                                       .log = &quiet,
                                       .handler = write_down,
                                       .ctx = &was_run};
    if (serve_init(&serve, &settings, &err) != ERR_OK) {
        abort();
    }
    thread.serve = &serve;
    thread.connections.limits =
        (struct connection_limits){.head_ns = 10 * CLOCK_S, .grace_ns = CLOCK_S, .min_rate = 1000};
    library = serve_open_library(&thread);
    hides = strncmp(MHD_get_version(), "0.", 2) == 0;
    if (library == NULL) {
        abort();
    }
}

/* Gives the library turns until nothing comes of them. */
static void let_work(int client)
{
    char answers[4096];
    int quiet = 0;
    for (int turn = 0; quiet < QUIET_TURNS && !thread.ended; turn++) {
        int n_before = was_run.n;
        if (turn == MAX_TURNS || MHD_run(library) != MHD_YES) {
            abort();
        }
        ssize_t got = recv(client, answers, sizeof answers, MSG_DONTWAIT);
        quiet = got > 0 || was_run.n > n_before ? 0 : quiet + 1;
    }
}

static void end_connection(int client)
{
    close(client);
    for (int turn = 0; !thread.ended; turn++) {
        struct connection_counts counts = {{0}, {0}};
        if (turn == MAX_TURNS || MHD_run(library) != MHD_YES) {
            abort(); /* a client that has gone holds its place for ever */
        }
        connections_sweep(&thread.connections, clock_ns() + 1000 * CLOCK_S, &counts);
    }
    if (atomic_load(&serve.connections) != 0 || atomic_load(&serve.active) != 0 ||
        atomic_load(&serve.room.held) != 0 || thread.connections.n != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct runs was_read;
    int ends[2];
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(1)};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (library == NULL) {
        open_server();
    }
    if (size > MAX_STREAM || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) {
        return 0;
    }
    was_run.n = was_read.n = 0;
    was_run.n_bodies = was_read.n_bodies = 0;
    if (size > 0 && write(ends[0], data, size) != (ssize_t)size) {
        abort();
    }
    shutdown(ends[0], SHUT_WR);
    place_count(&thread, 1);
    place_add(&thread, library, ends[1], (struct sockaddr *)&from, sizeof from);
    let_work(ends[0]);
    end_connection(ends[0]);
    read_requests((struct text){(const char *)data, (const char *)data + size}, &was_read);
    compare(&was_run, &was_read);
    return 0;
}
