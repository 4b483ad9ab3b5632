/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library calls on_request several times: once after the headers, then with pieces of the body,
 * last with none. An announced body over the limit is answered after the headers; one that only
 * turns out too long is read to its end (within reason) and answered then, since an answer in the
 * middle would be lost when the connection is reset.
 */
#include "http/serve.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/certificate.h"
#include "http/forwarded.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/head_check.h"
#include "http/inflate.h"
#include "http/place.h"
#include "http/worker.h"

/* Buffers of a connection. The library clears them after each request, so more is slower. */
#define CONNECTION_BYTES ((size_t)32 * 1024)
#define STREAM_BLOCK     ((size_t)64 * 1024) /* bytes asked from a source at a time */
#define ENDLESS_BLOCK    ((size_t)4 * 1024)  /* of one that mostly waits */
/* Between two calls of serve_give_back: then making memory anew costs nothing. */
#define FEW_REQUESTS 50
/* The library's own limit of connections is never met: worker.h says why. */
#define LIBRARY_CONNECTIONS 1000000000u
/* The strictest that RFC 9112 allows a server to be. */
#define STRICTEST_WITHIN_RULES 1

struct exchange {
    struct serve *serve;
    struct serve_thread *thread;
    struct connection *place;
    struct MHD_Connection *connection;
    struct arena arena;
    struct request req;
    union proxies_address
        client; /* for whom a proxy asks; family 0: it is not asking for another */
    struct peer client_peer;
    struct body_source source; /* while it is sent */
    struct body body;
    bool answered;
    bool closes;             /* the connection ends with the answer */
    bool leaves_rest;        /* and its client may still be sending then */
    struct response refusal; /* answered to the head, while it waits for its turn; status 0: none */
    struct exchange *next;   /* while it is spare */
};

static void suspend(struct exchange *ex)
{
    MHD_suspend_connection(ex->connection);
}

/* Once it is resumed the exchange may be over at any moment. */
static void resume(struct exchange *ex)
{
    struct worker *worker = ex->thread->worker;
    MHD_resume_connection(ex->connection);
    worker_wake(worker);
}

/* The library does not look at suspended connections, and does not close them either. */
static bool gone(const struct exchange *ex)
{
    char byte;
    ssize_t got = recv(ex->place->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void write_address(const struct exchange *ex, char out[EXCHANGE_ADDRESS_CHARS])
{
    bool of_client = ex->client.any.sa_family != 0;
    const struct sockaddr *from = of_client ? &ex->client.any : place_address(ex->connection);
    if (from != NULL && from->sa_family == AF_UNIX) {
        snprintf(out, EXCHANGE_ADDRESS_CHARS, "%s", EXCHANGE_UNIX_ADDRESS);
        return;
    }
    bool v6 = from != NULL && from->sa_family == AF_INET6;
    socklen_t len = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (from == NULL ||
        getnameinfo(from, len, out, EXCHANGE_ADDRESS_CHARS, NULL, 0, NI_NUMERICHOST) != 0) {
        out[0] = '\0';
    }
}

static enum err_code inflate_body(struct exchange *ex, struct err *err)
{
    size_t made;
    err_kept(body_inflate(&ex->body, &ex->serve->room, &made, err));
    ex->req.n_received += made; /* a few bytes that cost as much as many are charged as many */
    if (err->code == ERR_OK) {
        ex->req.body = ex->body.data != NULL ? ex->body.data : "";
        ex->req.n_body = ex->body.n;
    }
    return err->code;
}

static const struct exchange_ops ops = {.suspend = suspend,
                                        .resume = resume,
                                        .gone = gone,
                                        .address = write_address,
                                        .inflate = inflate_body};

/* Requests come and go by the thousand: their memory is kept for the next ones. */
static struct exchange *exchange_get(struct serve *serve)
{
    pthread_mutex_lock(&serve->lock);
    struct exchange *ex = serve->spare;
    if (ex != NULL) {
        serve->spare = ex->next;
        serve->n_spare--;
        serve->min_spare = serve->n_spare < serve->min_spare ? serve->n_spare : serve->min_spare;
    }
    serve->n_requests++;
    pthread_mutex_unlock(&serve->lock);
    return ex != NULL ? ex : mem_zalloc(sizeof *ex);
}

static void exchange_free(struct exchange *ex)
{
    arena_release(&ex->arena);
    mem_free(ex);
}

/* The last ones of the list are those that were not needed; of few requests none needs any. */
void serve_give_back(struct serve *serve)
{
    pthread_mutex_lock(&serve->lock);
    struct exchange **end = &serve->spare;
    int kept = serve->n_requests < FEW_REQUESTS ? 0 : serve->n_spare - serve->min_spare;
    for (int i = 0; i < kept; i++) {
        end = &(*end)->next;
    }
    struct exchange *unused = *end;
    *end = NULL;
    serve->n_spare = serve->min_spare = kept;
    serve->n_requests = 0;
    pthread_mutex_unlock(&serve->lock);
    while (unused != NULL) {
        struct exchange *next = unused->next;
        exchange_free(unused);
        unused = next;
    }
}

static void exchange_put(struct exchange *ex)
{
    struct serve *serve = ex->serve;
    struct exchange clean = {.arena = ex->arena};
    body_release(&ex->body, &serve->room);
    arena_clear(&clean.arena);
    *ex = clean;
    pthread_mutex_lock(&serve->lock);
    bool keep = serve->n_spare < 2 * serve->settings.n_threads;
    if (keep) {
        ex->next = serve->spare;
        serve->spare = ex;
        serve->n_spare++;
    }
    pthread_mutex_unlock(&serve->lock);
    if (!keep) {
        exchange_free(ex);
    }
}

/* Behind a proxy the client is the one that the proxy names. */
static void find_client(struct exchange *ex)
{
    ex->req.peer = &ex->place->peer;
    if (!ex->place->of_proxy) {
        return;
    }
    if (!forwarded_find_client(ex->serve->settings.proxies, &ex->req, &ex->client)) {
        atomic_fetch_add_explicit(&ex->serve->unreadable, 1, memory_order_relaxed);
    }
    if (ex->client.any.sa_family != 0) {
        ex->client_peer = peer_of(&ex->client.any);
        ex->req.peer = &ex->client_peer;
    }
}

static struct exchange *exchange_new(struct serve_thread *thread, struct MHD_Connection *connection,
                                     struct connection *place, const char *method, const char *url)
{
    struct exchange *ex = exchange_get(thread->serve);
    if (ex == NULL) {
        return NULL;
    }
    ex->serve = thread->serve;
    ex->thread = thread;
    ex->place = place;
    ex->connection = connection;
    ex->req.ops = &ops;
    ex->req.exchange = ex;
    ex->req.arena = &ex->arena;
    ex->req.body = "";
    err_clear(&ex->req.transport);
    if (!head_read(connection, method, url, &ex->req)) {
        exchange_put(ex);
        return NULL;
    }
    find_client(ex);
    atomic_fetch_add_explicit(&ex->serve->active, 1, memory_order_relaxed);
    return ex;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct exchange *ex = *state;
    (void)ctx;
    (void)connection;
    *state = NULL;
    if (ex != NULL) {
        if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && ex->serve->settings.sent != NULL) {
            ex->serve->settings.sent(ex->serve->settings.ctx, &ex->req);
        }
        connection_enter(ex->place, CONNECTION_IDLE, clock_ns());
        if (ex->leaves_rest) {
            worker_keep_socket(ex->thread->worker, ex->place->fd);
        }
        if (ex->req.later.run != NULL) {
            ex->req.later.drop(ex->req.later.ctx);
        }
        if (ex->source.release != NULL) {
            ex->source.release(ex->source.ctx);
        }
        if (ex->source.endless) {
            atomic_fetch_sub_explicit(&ex->serve->endless, 1, memory_order_relaxed);
        }
        if (ex->serve->settings.over != NULL) {
            ex->serve->settings.over(ex->serve->settings.ctx, &ex->req);
        }
        atomic_fetch_sub_explicit(&ex->serve->active, 1, memory_order_relaxed);
        exchange_put(ex);
    }
}

/* Takes a piece of the body; false: cut the connection. */
static bool take_piece(struct exchange *ex, const char *data, size_t size)
{
    struct serve *serve = ex->serve;
    ex->place->moved_bytes += size;
    ex->place->moved = true;
    ex->place->stuck = false;
    ex->req.n_received += size;
    if (ex->answered) {
        return true; /* nobody wants it any more */
    }
    bool go_on = body_append(&ex->body, &serve->room, data, size, &ex->req.transport);
    ex->req.body = ex->body.data != NULL ? ex->body.data : "";
    ex->req.n_body = ex->body.n;
    return go_on;
}

static ssize_t read_source(void *ctx, uint64_t pos, char *out, size_t size)
{
    const struct body_source *source = ctx;
    (void)pos;
    size_t n = source->read(source->ctx, out, size);
    if (n == BODY_SOURCE_FAILED) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (n == BODY_SOURCE_WAIT) {
        return 0; /* suspended; called again when resumed */
    }
    return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static struct MHD_Response *create_response(struct exchange *ex, const struct response *res)
{
    ex->source = res->source; /* also one that is only released */
    if (res->source.read != NULL) {
        if (ex->source.endless) {
            atomic_fetch_add_explicit(&ex->serve->endless, 1, memory_order_relaxed);
        }
        struct MHD_Response *out = MHD_create_response_from_callback(
            res->source.n_bytes > 0 ? res->source.n_bytes : MHD_SIZE_UNKNOWN,
            ex->source.endless ? ENDLESS_BLOCK : STREAM_BLOCK, read_source, &ex->source, NULL);
        if (out != NULL && ex->req.method == HTTP_HEAD && res->source.n_bytes == 0) {
            /* No chunks: the library (0.9.75) would send the end of a body that is not there, and
             * the client would take it for the beginning of the next answer. */
            (void)MHD_set_response_options(out, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
        }
        return out;
    }
    /* The bytes live in the exchange's arena, which outlasts the sending. */
    return MHD_create_response_from_buffer(
        res->n_body, res->n_body > 0 ? (void *)res->body : (void *)"", MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_response(struct exchange *ex, const struct response *res)
{
    struct MHD_Response *out = create_response(ex, res);
    if (out == NULL) {
        return MHD_NO;
    }
    enum MHD_Result ok = MHD_YES;
    if (res->content_type != NULL) {
        ok = MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, res->content_type);
    }
    for (int i = 0; ok == MHD_YES && i < res->n_headers; i++) {
        ok = MHD_add_response_header(out, res->headers[i].name, res->headers[i].value);
    }
    if (ok == MHD_YES && ex->closes) {
        ok = MHD_add_response_header(out, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    if (ok == MHD_YES) {
        ok = MHD_queue_response(ex->connection, (unsigned)res->status, out);
    }
    MHD_destroy_response(out);
    return ok;
}

static enum MHD_Result answer(struct exchange *ex)
{
    struct response res = {.status = 0};
    connection_enter(ex->place, CONNECTION_WORK, clock_ns());
    ex->serve->settings.handler(ex->serve->settings.ctx, &ex->req, &res);
    if (ex->req.later.run != NULL) {
        return MHD_YES; /* suspended; called again when resumed */
    }
    ex->answered = true;
    if (res.source.endless || res.source.needs_no_body) {
        /* Such an answer may last for long, and nobody reads the body any more. */
        body_release(&ex->body, &ex->serve->room);
        ex->req.body = "";
        ex->req.n_body = 0;
    }
    connection_enter(ex->place, res.source.endless ? CONNECTION_STREAM : CONNECTION_ANSWER,
                     clock_ns());
    return send_response(ex, &res);
}

/* NULL: plain HTTP. */
static gnutls_session_t session_of(struct exchange *ex)
{
    const union MHD_ConnectionInfo *info =
        ex->thread->tls != NULL
            ? MHD_get_connection_info(ex->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)
            : NULL;
    return info != NULL ? info->tls_session : NULL;
}

/* Must clients show a certificate, and has this one shown no valid one? */
static bool is_stranger(struct exchange *ex)
{
    const struct tls *tls = ex->thread->tls;
    if (ex->place->trusted || tls == NULL || tls_client_ca(tls) == NULL) {
        return false;
    }
    gnutls_session_t session = session_of(ex);
    ex->place->trusted = session != NULL && tls_knows_client(session);
    return !ex->place->trusted;
}

/*
 * Sends what was answered to the head. A body that follows is not waited for. Where none does, the
 * library wants to be called once more, or it would end the connection.
 */
static enum MHD_Result answer_head(struct exchange *ex, const struct response *res)
{
    if (!framing_has_body(&ex->req)) {
        ex->refusal = *res;
        return MHD_YES;
    }
    ex->answered = true;
    ex->closes = true;
    ex->leaves_rest = true;
    connection_enter(ex->place, CONNECTION_ANSWER, clock_ns());
    return send_response(ex, res);
}

static enum MHD_Result send_refusal(struct exchange *ex)
{
    ex->answered = true;
    connection_enter(ex->place, CONNECTION_ANSWER, clock_ns());
    return send_response(ex, &ex->refusal);
}

/* The head is there: answers now, or goes on to the body. */
static enum MHD_Result begin(struct exchange *ex, const char *method, const char *version)
{
    const struct daemon_settings *settings = &ex->serve->settings;
    struct response res = {.status = 0};
    struct err doubt = ERR_INIT;
    if (!head_is_whole(ex->connection, method, version)) {
        err_set(&doubt, ERR_SYNTAX,
                "the head holds a line that is no header, is folded or does not end in CRLF");
    }
    if (doubt.code != ERR_OK || framing_check(&ex->req, version, &doubt) != ERR_OK) {
        ex->req.transport = doubt;
        ex->closes = true;
        return answer(ex);
    }
    ex->closes = framing_is_open(&ex->req);
    if (settings->head != NULL && ex->req.transport.code == ERR_OK) {
        settings->head(settings->ctx, &ex->req, &res);
    }
    if (res.status != 0) {
        return answer_head(ex, &res);
    }
    if (framing_refuses_length(&ex->req, settings->max_body_bytes, &ex->req.transport)) {
        return answer(ex);
    }
    connection_enter(ex->place, CONNECTION_BODY, clock_ns());
    ex->place->chunked = request_header(&ex->req, "Transfer-Encoding") != NULL;
    ex->place->session = ex->place->chunked ? session_of(ex) : NULL;
    return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    struct exchange *ex = *state;
    if (ex == NULL) {
        struct connection *place = place_find(connection);
        ex = place != NULL ? exchange_new(ctx, connection, place, method, url) : NULL;
        *state = ex;
        if (ex == NULL) {
            return MHD_NO;
        }
        if (is_stranger(ex)) {
            return MHD_NO;
        }
        return begin(ex, method, version);
    }
    if (*size > 0) {
        bool go_on = take_piece(ex, data, *size);
        *size = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    if (ex->answered) {
        return MHD_YES;
    }
    return ex->refusal.status != 0 ? send_refusal(ex) : answer(ex);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **place,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *place = place_open(ctx, connection);
    } else {
        place_close(ctx, connection, *place);
    }
}

/* Escapes are ours to decode, so that %00 and bad ones are seen. */
static size_t leave_escaped(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx;
    (void)connection;
    return strlen(text);
}

static void on_log(void *ctx, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

static void on_log(void *ctx, const char *fmt, va_list args)
{
    char text[256];
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug(ctx, "http library", "text", text, NULL);
}

/* The session's pointer is the library's connection. */
static int retrieve_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                                gnutls_pcert_st **certs, unsigned *n_certs,
                                gnutls_ocsp_data_st **ocsp, unsigned *n_ocsp, gnutls_privkey_t *key,
                                unsigned *flags)
{
    (void)info;
    (void)ocsp;
    *n_ocsp = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    const struct connection *place = place_find(gnutls_session_get_ptr(session));
    return place != NULL ? tls_retrieve(place->tls, certs, n_certs, key) : -1;
}

struct MHD_Daemon *serve_open_library(void *ctx)
{
    struct serve_thread *thread = ctx;
    const struct daemon_settings *s = &thread->serve->settings;
    struct tls *tls = thread->tls;
    const char *client_ca = tls != NULL ? tls_client_ca(tls) : NULL;
    struct MHD_OptionItem items[] = {
#if MHD_VERSION >= 0x00097701
        /* What may be read in two ways is refused; http/head.h sees to older versions. */
        {MHD_OPTION_CLIENT_DISCIPLINE_LVL, STRICTEST_WITHIN_RULES, NULL},
#endif
        {tls != NULL ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, 0,
         (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(uintptr_t)retrieve_certificate},
        {client_ca != NULL ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
         (void *)(uintptr_t)client_ca},
        {MHD_OPTION_END, 0, NULL}
    };
    return MHD_start_daemon(
        (tls != NULL ? MHD_USE_TLS : 0u) | MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
            MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME,
        0, NULL, NULL, on_request, thread, MHD_OPTION_EXTERNAL_LOGGER, on_log, s->log,
        MHD_OPTION_CONNECTION_LIMIT, LIBRARY_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)s->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, thread, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, thread, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, head_cut_query, NULL, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

enum err_code serve_init(struct serve *serve, const struct daemon_settings *settings,
                         struct err *err)
{
    *serve = (struct serve){
        .settings = *settings,
        .room = {.max = settings->bodies_bytes, .max_body = settings->max_body_bytes}};
    pthread_mutex_init(&serve->lock, NULL);
    const struct tls_settings tls = {.cert = settings->tls_cert,
                                     .key = settings->tls_key,
                                     .client_ca = settings->tls_client_ca,
                                     .log = settings->log};
    if (tls_is_asked_for(&tls)) {
        err_kept(tls_open(&tls, &serve->tls, err));
    }
    return err->code;
}

void serve_release(struct serve *serve)
{
    while (serve->spare != NULL) {
        struct exchange *ex = serve->spare;
        serve->spare = ex->next;
        exchange_free(ex);
    }
    tls_close(serve->tls);
    pthread_mutex_destroy(&serve->lock);
}
