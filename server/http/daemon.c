/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool of threads, each with an epoll set and connections of its own, so a request is served by
 * the thread that read it. One more thread accepts and gives each connection to the thread that has
 * fewest; left to themselves, the pool's threads share connections unevenly, and at times one takes
 * all of a busy client's.
 *
 * The library calls on_request several times: once after the headers, then with pieces of the body,
 * last with none. An announced body over the limit is answered after the headers; one that only
 * turns out too long is read to its end (within reason) and answered then, since an answer in the
 * middle would be lost when the connection is reset.
 */
#include "http/daemon.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/body.h"
#include "http/listener.h"

#define READ_FACTOR 2 /* of the body limit: what announces more is answered at once */
/* Buffers of a connection. The library clears them after each request, so more is slower. */
#define CONNECTION_BYTES ((size_t)32 * 1024)
#define STREAM_BLOCK     ((size_t)64 * 1024) /* bytes asked from a source at a time */
#define ENDLESS_BLOCK    ((size_t)4 * 1024)  /* of one that mostly waits */
#define ENDLESS_END_MS   1000L /* for the end of such an answer to reach a client that reads */

struct daemon {
    struct daemon_settings settings;
    struct MHD_Daemon **workers; /* [settings.n_threads], NULL from the first that did not start */
    struct listener *listener;
    int turn; /* of the listener's thread */
    struct body_room room;
    atomic_int active;  /* exchanges under way */
    atomic_int endless; /* of them, with an endless answer */

    pthread_mutex_t lock;   /* guards what follows */
    struct exchange *spare; /* exchanges with their memory, for the next requests */
    int n_spare;
};

struct exchange {
    struct daemon *daemon;
    struct MHD_Connection *connection;
    int socket;
    struct arena arena;
    struct request req;
    struct body_source source; /* while it is sent */
    struct body body;
    bool answered;
    struct exchange *next; /* while it is spare */
};

/* ---- one exchange ---- */

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
    char *name = arena_strndup(c->arena, key, strlen(key));
    char *copy = arena_strndup(c->arena, text, strlen(text));
    if (name == NULL || copy == NULL) {
        c->no_memory = true;
        return MHD_NO;
    }
    if (c->decode && (!percent_decode(name) || !percent_decode(copy))) {
        c->bad = true;
        return MHD_NO;
    }
    c->list[c->n++] = (struct header){name, copy};
    return MHD_YES;
}

static bool collect_all(struct exchange *ex, struct MHD_Connection *connection,
                        enum MHD_ValueKind kind, const struct header **list, int *n)
{
    struct collected c = {.arena = &ex->arena, .decode = kind == MHD_GET_ARGUMENT_KIND};
    c.capacity = MHD_get_connection_values(connection, kind, NULL, NULL);
    c.list =
        arena_alloc_array(&ex->arena, (size_t)(c.capacity > 0 ? c.capacity : 1), sizeof *c.list);
    if (c.list == NULL) {
        return false;
    }
    MHD_get_connection_values(connection, kind, collect, &c);
    if (c.bad) {
        err_set(&ex->req.transport, ERR_SYNTAX, "the query has a bad percent escape");
    }
    *list = c.list;
    *n = c.n;
    return !c.no_memory;
}

static void suspend(struct exchange *ex)
{
    MHD_suspend_connection(ex->connection);
}

static void resume(struct exchange *ex)
{
    MHD_resume_connection(ex->connection);
}

/* The library does not look at suspended connections, and does not close them either. */
static bool gone(const struct exchange *ex)
{
    char byte;
    ssize_t got = recv(ex->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static const struct exchange_ops ops = {.suspend = suspend, .resume = resume, .gone = gone};

/* Requests come and go by the thousand: their memory is kept for the next ones. */
static struct exchange *exchange_get(struct daemon *daemon)
{
    pthread_mutex_lock(&daemon->lock);
    struct exchange *ex = daemon->spare;
    if (ex != NULL) {
        daemon->spare = ex->next;
        daemon->n_spare--;
    }
    pthread_mutex_unlock(&daemon->lock);
    return ex != NULL ? ex : mem_zalloc(sizeof *ex);
}

static void exchange_free(struct exchange *ex)
{
    arena_release(&ex->arena);
    mem_free(ex);
}

static void exchange_put(struct exchange *ex)
{
    struct daemon *daemon = ex->daemon;
    struct exchange clean = {.arena = ex->arena};
    body_release(&ex->body, &daemon->room);
    arena_clear(&clean.arena);
    *ex = clean;
    pthread_mutex_lock(&daemon->lock);
    bool keep = daemon->n_spare < 2 * daemon->settings.n_threads;
    if (keep) {
        ex->next = daemon->spare;
        daemon->spare = ex;
        daemon->n_spare++;
    }
    pthread_mutex_unlock(&daemon->lock);
    if (!keep) {
        exchange_free(ex);
    }
}

static struct exchange *exchange_new(struct daemon *daemon, struct MHD_Connection *connection,
                                     const char *method, const char *url)
{
    struct exchange *ex = exchange_get(daemon);
    if (ex == NULL) {
        return NULL;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    ex->daemon = daemon;
    ex->connection = connection;
    ex->socket = info != NULL ? info->connect_fd : -1;
    ex->req.ops = info != NULL ? &ops : NULL;
    ex->req.exchange = ex;
    ex->req.arena = &ex->arena;
    ex->req.method = find_method(method);
    ex->req.method_text = arena_strndup(&ex->arena, method, strlen(method));
    ex->req.body = "";
    err_clear(&ex->req.transport);
    char *path = arena_strndup(&ex->arena, url, strlen(url));
    if (path == NULL || ex->req.method_text == NULL ||
        !collect_all(ex, connection, MHD_HEADER_KIND, &ex->req.headers, &ex->req.n_headers) ||
        !collect_all(ex, connection, MHD_GET_ARGUMENT_KIND, &ex->req.query, &ex->req.n_query)) {
        exchange_put(ex);
        return NULL;
    }
    if (!percent_decode(path)) {
        err_set(&ex->req.transport, ERR_SYNTAX, "the path has a bad percent escape");
        path = (char *)"/";
    }
    ex->req.path = path;
    atomic_fetch_add_explicit(&daemon->active, 1, memory_order_relaxed);
    return ex;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct exchange *ex = *state;
    (void)ctx;
    (void)connection;
    (void)code;
    *state = NULL;
    if (ex != NULL) {
        if (ex->req.later.run != NULL) {
            ex->req.later.drop(ex->req.later.ctx);
        }
        if (ex->source.release != NULL) {
            ex->source.release(ex->source.ctx);
        }
        if (ex->source.endless) {
            atomic_fetch_sub_explicit(&ex->daemon->endless, 1, memory_order_relaxed);
        }
        atomic_fetch_sub_explicit(&ex->daemon->active, 1, memory_order_relaxed);
        exchange_put(ex);
    }
}

/* Takes a piece of the body; false: cut the connection. */
static bool take_piece(struct exchange *ex, const char *data, size_t size)
{
    struct daemon *daemon = ex->daemon;
    bool go_on = body_append(&ex->body, &daemon->room, data, size, &ex->req.transport);
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
    if (res->source.read != NULL) {
        ex->source = res->source;
        if (ex->source.endless) {
            atomic_fetch_add_explicit(&ex->daemon->endless, 1, memory_order_relaxed);
        }
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
                                                 ex->source.endless ? ENDLESS_BLOCK : STREAM_BLOCK,
                                                 read_source, &ex->source, NULL);
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
    if (ok == MHD_YES) {
        ok = MHD_queue_response(ex->connection, (unsigned)res->status, out);
    }
    MHD_destroy_response(out);
    return ok;
}

static enum MHD_Result answer(struct exchange *ex)
{
    struct response res = {.status = 0};
    ex->daemon->settings.handler(ex->daemon->settings.ctx, &ex->req, &res);
    if (ex->req.later.run != NULL) {
        return MHD_YES; /* suspended; called again when resumed */
    }
    ex->answered = true;
    return send_response(ex, &res);
}

/*
 * Looks at the announced length. True: answer now, before the body, because the client waits for
 * our word (Expect) or would send more than we care to throw away. A client that just sends would
 * see a reset instead of the answer, so a body that is only somewhat too long is read first.
 */
static bool announces_too_much(struct exchange *ex)
{
    const char *text = request_header(&ex->req, "Content-Length");
    size_t limit = ex->daemon->settings.max_body_bytes;
    if (text == NULL) {
        return false;
    }
    errno = 0;
    unsigned long long length = strtoull(text, NULL, 10);
    if (errno == 0 && length <= limit) {
        return false;
    }
    err_set(&ex->req.transport, ERR_TOO_LARGE, "the body has %.20s bytes, at most %zu are taken",
            text, limit);
    return errno != 0 || length / READ_FACTOR > limit || request_header(&ex->req, "Expect") != NULL;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    struct exchange *ex = *state;
    (void)version;
    if (ex == NULL) {
        ex = exchange_new(ctx, connection, method, url);
        *state = ex;
        if (ex == NULL) {
            return MHD_NO;
        }
        return announces_too_much(ex) ? answer(ex) : MHD_YES;
    }
    if (*size > 0) {
        bool go_on = take_piece(ex, data, *size);
        *size = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    return ex->answered ? MHD_YES : answer(ex);
}

/* ---- the daemon ---- */

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

static unsigned n_connections(struct MHD_Daemon *worker)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(worker, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info != NULL ? info->num_connections : 0;
}

static bool has_room(void *ctx)
{
    const struct daemon *daemon = ctx;
    unsigned total = 0;
    for (int i = 0; i < daemon->settings.n_threads; i++) {
        total += n_connections(daemon->workers[i]);
    }
    return total < (unsigned)daemon->settings.max_connections;
}

/*
 * To the thread with the fewest connections, in turn where they have equally many: what was given
 * out a moment ago is not counted yet.
 */
static void take_connection(void *ctx, int fd, const struct sockaddr *from, socklen_t len)
{
    struct daemon *daemon = ctx;
    int n = daemon->settings.n_threads;
    int chosen = daemon->turn;
    unsigned fewest = n_connections(daemon->workers[chosen]);
    for (int i = 1; i < n; i++) {
        int other = (daemon->turn + i) % n;
        unsigned count = n_connections(daemon->workers[other]);
        if (count < fewest) {
            fewest = count;
            chosen = other;
        }
    }
    daemon->turn = (daemon->turn + 1) % n;
    /* On failure the library has closed it. */
    (void)MHD_add_connection(daemon->workers[chosen], fd, from, len);
}

static enum err_code start_workers(struct daemon *daemon, struct err *err)
{
    const struct daemon_settings *s = &daemon->settings;
    for (int i = 0; i < s->n_threads; i++) {
        daemon->workers[i] = MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME,
            0, NULL, NULL, on_request, daemon, MHD_OPTION_EXTERNAL_LOGGER, on_log, s->log,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->max_connections,
            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)s->idle_timeout_s,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
            on_completed, NULL, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_END);
        if (daemon->workers[i] == NULL) {
            return err_set(err, ERR_IO, "HTTP thread %d of %d cannot be started", i + 1,
                           s->n_threads);
        }
    }
    return ERR_OK;
}

enum err_code daemon_start(const struct daemon_settings *settings, struct daemon **out,
                           struct err *err)
{
    struct daemon *daemon = mem_zalloc(sizeof *daemon);
    struct MHD_Daemon **workers =
        mem_zalloc_array((size_t)settings->n_threads, sizeof(struct MHD_Daemon *));
    if (daemon == NULL || workers == NULL) {
        mem_free(daemon);
        mem_free(workers);
        return err_set(err, ERR_NOMEM, "no memory for the HTTP daemon");
    }
    daemon->settings = *settings;
    daemon->room.max = settings->bodies_bytes;
    daemon->room.max_body = settings->max_body_bytes;
    daemon->workers = workers;
    pthread_mutex_init(&daemon->lock, NULL);
    struct listener_settings listen = {.listen = settings->listen,
                                       .has_room = has_room,
                                       .take = take_connection,
                                       .ctx = daemon,
                                       .log = settings->log};
    if (listener_open(&listen, &daemon->listener, err) == ERR_OK &&
        start_workers(daemon, err) == ERR_OK && listener_start(daemon->listener, err) == ERR_OK) {
        *out = daemon;
        return ERR_OK;
    }
    daemon_stop(daemon);
    return err->code;
}

int daemon_port(const struct daemon *daemon)
{
    return listener_port(daemon->listener);
}

void daemon_drain(struct daemon *daemon, int max_s)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    /* The listener stays open and the handler refuses, so that probes learn of the stop. */
    for (long waited_ms = 0; daemon != NULL && waited_ms < 1000L * max_s; waited_ms += 10) {
        int active = atomic_load_explicit(&daemon->active, memory_order_relaxed);
        int endless = atomic_load_explicit(&daemon->endless, memory_order_relaxed);
        if (active <= (waited_ms < ENDLESS_END_MS ? 0 : endless)) {
            break;
        }
        nanosleep(&pause, NULL);
    }
}

void daemon_stop(struct daemon *daemon)
{
    if (daemon != NULL) {
        listener_close(daemon->listener);
        for (int i = 0; i < daemon->settings.n_threads && daemon->workers[i] != NULL; i++) {
            MHD_stop_daemon(daemon->workers[i]);
        }
        while (daemon->spare != NULL) {
            struct exchange *ex = daemon->spare;
            daemon->spare = ex->next;
            exchange_free(ex);
        }
        pthread_mutex_destroy(&daemon->lock);
        mem_free(daemon->workers);
        mem_free(daemon);
    }
}
