/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread accepts and gives each connection to the HTTP thread (http/worker.h) that has fewest,
 * so a request is served by the thread that read it. Left to themselves the threads would share
 * connections unevenly, and at times one would take all of a busy client's.
 *
 * Connections are counted here, when they are accepted, so that a burst meets the exact limit and
 * not a count that lags behind. While there is no room the oldest idle connections are shut down.
 */
#include "http/daemon.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/listener.h"
#include "http/place.h"
#include "http/serve.h"
#include "http/worker.h"

#define ENDLESS_END_MS 1000L /* for the end of an endless answer to reach its client */
#define SECOND_NS      INT64_C(1000000000)
#define SHORT_LOOK_NS  (SECOND_NS / 10) /* between two looks while there is no room */

/* Threads of which each may get a connection. */
struct pool {
    struct serve_thread *threads; /* of the daemon's */
    int n;
    int turn; /* of the listener's thread */
};

struct daemon {
    struct serve serve;
    struct serve_thread *threads; /* [n_threads], of all pools */
    int n_threads;
    struct pool network; /* connections of TCP */
    struct pool local;   /* those of Unix sockets: the same threads unless these speak TLS */
    struct listener *listener;
};

/* Each thread closes the connection of its own that has been idle longest. */
static void shed_oldest(void *ctx)
{
    struct daemon *daemon = ctx;
    for (int i = 0; i < daemon->n_threads; i++) {
        worker_shed(daemon->threads[i].worker, 1);
    }
}

static bool has_room(void *ctx)
{
    struct daemon *daemon = ctx;
    int open = atomic_load_explicit(&daemon->serve.connections, memory_order_relaxed);
    if (open < daemon->serve.settings.max_connections) {
        return true;
    }
    shed_oldest(daemon);
    return false;
}

/* To the thread with the fewest connections, in turn where they have equally many. */
static struct serve_thread *choose_thread(struct pool *pool)
{
    int chosen = pool->turn;
    int fewest = atomic_load_explicit(&pool->threads[chosen].n_given, memory_order_relaxed);
    for (int i = 1; i < pool->n; i++) {
        int other = (pool->turn + i) % pool->n;
        int n = atomic_load_explicit(&pool->threads[other].n_given, memory_order_relaxed);
        if (n < fewest) {
            fewest = n;
            chosen = other;
        }
    }
    pool->turn = (pool->turn + 1) % pool->n;
    return &pool->threads[chosen];
}

static void take_connection(void *ctx, int fd, const struct sockaddr *from, socklen_t len)
{
    struct daemon *daemon = ctx;
    struct peer peer = place_peer(&daemon->serve, from);
    if (!place_count_peer(&daemon->serve, &peer, 1)) {
        atomic_fetch_add_explicit(&daemon->serve.refused, 1, memory_order_relaxed);
        close(fd);
        return;
    }
    struct serve_thread *thread =
        choose_thread(from->sa_family == AF_UNIX ? &daemon->local : &daemon->network);
    place_count(thread, 1);
    if (!worker_give(thread->worker, fd, from, len)) {
        place_count(thread, -1);
        (void)place_count_peer(&daemon->serve, &peer, -1);
        close(fd);
    }
}

static void look_at_connections(void *ctx, bool spins)
{
    struct serve_thread *thread = ctx;
    thread->looked_ns = clock_ns();
    thread->connections.spins = spins;
    connections_sweep(&thread->connections, thread->looked_ns, &thread->counts);
    for (int i = 0; i < CONNECTION_N_STATES; i++) {
        atomic_store_explicit(&thread->by_state[i], thread->counts.by_state[i],
                              memory_order_relaxed);
    }
    for (int i = 0; i < CONNECTION_N_ENDS; i++) {
        atomic_fetch_add_explicit(&thread->ended_by[i], thread->counts.ended[i],
                                  memory_order_relaxed);
    }
    if (thread->keeps_certificate) {
        bool force = atomic_exchange_explicit(&thread->serve->reload, false, memory_order_relaxed);
        tls_refresh(thread->serve->tls, force);
    }
}

static void end_stuck_connections(void *ctx)
{
    struct serve_thread *thread = ctx;
    int n_ended = connections_end_stuck(&thread->connections);
    atomic_fetch_add_explicit(&thread->ended_by[CONNECTION_END_BODY], n_ended,
                              memory_order_relaxed);
}

/* With no idle connection to shut down, dead ones must be found sooner than in a second. */
static void shed_connections(void *ctx, int n)
{
    struct serve_thread *thread = ctx;
    int n_shed = connections_shed(&thread->connections, n);
    atomic_fetch_add_explicit(&thread->ended_by[CONNECTION_END_SHED], n_shed, memory_order_relaxed);
    if (n_shed == 0 && clock_ns() - thread->looked_ns > SHORT_LOOK_NS) {
        look_at_connections(thread, false);
    }
}

static int count_connections(void *ctx)
{
    const struct serve_thread *thread = ctx;
    return thread->connections.n;
}

static enum err_code start_workers(struct daemon *daemon, struct err *err)
{
    for (int i = 0; i < daemon->n_threads; i++) {
        struct serve_thread *thread = &daemon->threads[i];
        struct worker_settings settings = {
            .max_incoming = daemon->serve.settings.max_connections,
            .open = serve_open_library,
            .look = look_at_connections,
            .unstick = end_stuck_connections,
            .shed = shed_connections,
            .end_turn = serve_end_turn,
            .add = place_add,
            .count = count_connections,
            .ctx = thread,
        };
        if (worker_start(&settings, &thread->worker, err) != ERR_OK) {
            err_prefix(err, "HTTP thread %d of %d", i + 1, daemon->n_threads);
            return err->code;
        }
    }
    return ERR_OK;
}

/* TLS is for the network. An instance of the library has it or not, so Unix sockets beside it have
 * threads of their own. */
static enum err_code make_pools(struct daemon *daemon, const struct daemon_settings *settings,
                                struct err *err)
{
    bool apart = daemon->serve.tls != NULL && listener_has_unix(daemon->listener);
    int n = settings->n_threads;
    daemon->threads = mem_zalloc_array((size_t)n * (apart ? 2 : 1), sizeof *daemon->threads);
    if (daemon->threads == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the HTTP daemon");
    }
    daemon->n_threads = apart ? 2 * n : n;
    daemon->network = (struct pool){.threads = daemon->threads, .n = n};
    daemon->local = (struct pool){.threads = daemon->threads + (apart ? n : 0), .n = n};
    for (int i = 0; i < daemon->n_threads; i++) {
        daemon->threads[i].serve = &daemon->serve;
        daemon->threads[i].looked_ns =
            clock_ns(); /* it may hang before it looks for the first time */
        daemon->threads[i].tls = i < n ? daemon->serve.tls : NULL;
        daemon->threads[i].keeps_certificate = i == 0 && daemon->serve.tls != NULL;
        daemon->threads[i].connections.limits = (struct connection_limits){
            .head_ns = settings->head_timeout_s * SECOND_NS,
            .grace_ns = settings->head_timeout_s * SECOND_NS,
            .min_rate = settings->min_rate,
        };
    }
    return ERR_OK;
}

static enum err_code open_daemon(struct daemon *daemon, const struct daemon_settings *settings,
                                 struct err *err)
{
    struct listener_settings listen = {.first_fd = settings->first_fd,
                                       .n_fds = settings->n_fds,
                                       .listen = settings->listen,
                                       .socket_mode = settings->socket_mode,
                                       .has_room = has_room,
                                       .no_descriptor = shed_oldest,
                                       .take = take_connection,
                                       .ctx = daemon,
                                       .log = settings->log};
    if (listener_open(&listen, &daemon->listener, err) == ERR_OK &&
        make_pools(daemon, settings, err) == ERR_OK && start_workers(daemon, err) == ERR_OK) {
        err_kept(listener_start(daemon->listener, err));
    }
    return err->code;
}

enum err_code daemon_start(const struct daemon_settings *settings, struct daemon **out,
                           struct err *err)
{
    struct daemon *daemon = mem_zalloc(sizeof *daemon);
    if (daemon == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the HTTP daemon");
    }
    if (serve_init(&daemon->serve, settings, err) == ERR_OK &&
        open_daemon(daemon, settings, err) == ERR_OK) {
        *out = daemon;
        return ERR_OK;
    }
    daemon_stop(daemon);
    return err->code;
}

void daemon_give_back(struct daemon *daemon)
{
    serve_give_back(&daemon->serve);
}

void daemon_reload(struct daemon *daemon)
{
    atomic_store_explicit(&daemon->serve.reload, true, memory_order_relaxed);
}

int daemon_port(const struct daemon *daemon)
{
    return listener_port(daemon->listener);
}

void daemon_count_connections(const struct daemon *daemon, atomic_llong *counts)
{
    for (int state = 0; state < CONNECTION_N_STATES; state++) {
        long long n = 0;
        for (int i = 0; i < daemon->n_threads; i++) {
            n += atomic_load_explicit(&daemon->threads[i].by_state[state], memory_order_relaxed);
        }
        atomic_store_explicit(&counts[state], n, memory_order_relaxed);
    }
}

void daemon_count_ends(const struct daemon *daemon, atomic_llong *counts)
{
    for (int end = 0; end < CONNECTION_N_ENDS; end++) {
        long long n = 0;
        for (int i = 0; i < daemon->n_threads; i++) {
            n += atomic_load_explicit(&daemon->threads[i].ended_by[end], memory_order_relaxed);
        }
        atomic_store_explicit(&counts[end], n, memory_order_relaxed);
    }
}

long long daemon_count_refused(const struct daemon *daemon)
{
    return atomic_load_explicit(&daemon->serve.refused, memory_order_relaxed);
}

long long daemon_count_unreadable(const struct daemon *daemon)
{
    return atomic_load_explicit(&daemon->serve.unreadable, memory_order_relaxed);
}

bool daemon_is_responsive(const struct daemon *daemon, int64_t max_age_ns)
{
    int64_t now_ns = clock_ns();
    for (int i = 0; i < daemon->n_threads; i++) {
        int64_t looked_ns =
            atomic_load_explicit(&daemon->threads[i].looked_ns, memory_order_relaxed);
        if (now_ns - looked_ns > max_age_ns) {
            return false;
        }
    }
    return true;
}

void daemon_drain(struct daemon *daemon, int max_s)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    /* The listener stays open and the handler refuses, so that probes learn of the stop. */
    for (long waited_ms = 0; daemon != NULL && waited_ms < 1000L * max_s; waited_ms += 10) {
        int active = atomic_load_explicit(&daemon->serve.active, memory_order_relaxed);
        int endless = atomic_load_explicit(&daemon->serve.endless, memory_order_relaxed);
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
        for (int i = 0; i < daemon->n_threads; i++) {
            worker_stop(daemon->threads[i].worker);
        }
        serve_release(&daemon->serve);
        mem_free(daemon->threads);
        mem_free(daemon);
    }
}
