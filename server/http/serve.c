/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library calls serve_request several times: once after the headers, then with pieces of the
 * body, last with none. An announced body over the limit is answered after the headers; one that
 * only turns out too long is read to its end (within reason) and answered then, since an answer in
 * the middle would be lost when the connection is reset.
 */
#include "http/serve_priv.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http/forwarded.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/head_check.h"
#include "http/inflate.h"
#include "http/place.h"
#include "http/worker.h"

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
    return connection_has_ended(ex->place);
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

static enum err_code hold_room(struct exchange *ex, size_t n, struct err *err)
{
    ex->req.n_received += n;
    return body_hold(&ex->body, &ex->serve->room, n, err);
}

static const struct exchange_ops ops = {.suspend = suspend,
                                        .resume = resume,
                                        .gather = gather_add,
                                        .gone = gone,
                                        .address = write_address,
                                        .inflate = inflate_body,
                                        .hold = hold_room};

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
    ex->req.memory = &place->memory;
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

void serve_completed(void *ctx, struct MHD_Connection *connection, void **state,
                     enum MHD_RequestTerminationCode code)
{
    struct exchange *ex = *state;
    (void)ctx;
    (void)connection;
    *state = NULL;
    if (ex != NULL) {
        gather_drop(ex);
        place_send_held(ex->place);
        worker_note_end(ex->thread->worker);
        if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && ex->serve->settings.sent != NULL) {
            ex->serve->settings.sent(ex->serve->settings.ctx, &ex->req);
        }
        connection_enter(ex->place, CONNECTION_IDLE, clock_tick_ns());
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

static enum MHD_Result answer(struct exchange *ex)
{
    struct response res = {.status = 0};
    connection_enter(ex->place, CONNECTION_WORK, clock_tick_ns());
    ex->serve->settings.handler(ex->serve->settings.ctx, &ex->req, &res);
    if (ex->req.later.run != NULL) {
        return MHD_YES; /* suspended or gathered; called again when its turn has come */
    }
    ex->answered = true;
    if (res.source.endless || res.source.needs_no_body) {
        /* Such an answer may last for long, and nobody reads the body any more. */
        body_end(&ex->body, &ex->serve->room);
        ex->req.body = "";
        ex->req.n_body = 0;
    }
    connection_enter(ex->place, res.source.endless ? CONNECTION_STREAM : CONNECTION_ANSWER,
                     clock_tick_ns());
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
    connection_enter(ex->place, CONNECTION_ANSWER, clock_tick_ns());
    return send_response(ex, res);
}

static enum MHD_Result send_refusal(struct exchange *ex)
{
    ex->answered = true;
    connection_enter(ex->place, CONNECTION_ANSWER, clock_tick_ns());
    return send_response(ex, &ex->refusal);
}

/* Will the library keep the connection after the answer? Yes only where that is sure. */
static bool will_stay(const struct exchange *ex, const char *version)
{
    const char *value = request_header(&ex->req, "Connection");
    return !ex->closes && strcmp(version, MHD_HTTP_VERSION_1_1) == 0 &&
           (value == NULL || strcasecmp(value, "keep-alive") == 0);
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
    connection_enter(ex->place, CONNECTION_BODY, clock_tick_ns());
    ex->place->chunked = request_header(&ex->req, "Transfer-Encoding") != NULL;
    ex->place->session = ex->place->chunked ? session_of(ex) : NULL;
    ex->stays = ex->place->channel != NULL && will_stay(ex, version);
    return MHD_YES;
}

enum MHD_Result serve_request(void *ctx, struct MHD_Connection *connection, const char *url,
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
    if (ex->answered || ex->item != NULL) {
        return MHD_YES;
    }
    return ex->refusal.status != 0 ? send_refusal(ex) : answer(ex);
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
