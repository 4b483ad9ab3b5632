/* SPDX-License-Identifier: Apache-2.0 */
#include "http/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/mem_budget.h"
#include "base/threads.h"
#include "http/leftovers.h"

#define LOOK_NS INT64_C(1000000000)
/* Up to so many connections the library may wait by itself: it never gets its 128 events at once.
 */
#define FEW_CONNECTIONS 100
#define SPIN_TURNS                                                                                 \
    2000 /* in a second, without an event; waiting requests need one now and then                  \
          */

/* Empty turns after which, and time between, looks for a connection that is stuck. */
#define STUCK_TURNS 64
#define STUCK_NS    INT64_C(5000000)

struct incoming {
    int fd;
    socklen_t len;
    struct sockaddr_storage from;
};

struct worker {
    struct worker_settings settings;
    struct MHD_Daemon *library;
    int events; /* the library's epoll set */
    int wake;   /* eventfd */
    pthread_t thread;
    bool started;
    atomic_bool woken; /* the event is on its way: no second one is needed */
    atomic_bool ends;
    atomic_int shed;
    struct leftovers leftovers; /* of the thread alone */
    bool useful;                /* the last turn could sleep, or a request ended in it */

    pthread_mutex_t lock;      /* guards what follows */
    struct incoming *incoming; /* [settings.max_incoming] */
    int n_incoming;
};

void worker_wake(struct worker *worker)
{
    if (!atomic_exchange_explicit(&worker->woken, true, memory_order_acq_rel)) {
        (void)eventfd_write(worker->wake, 1);
    }
}

void worker_note_end(struct worker *worker)
{
    if (worker != NULL) {
        worker->useful = true;
    }
}

void worker_shed(struct worker *worker, int n)
{
    int none = 0;
    (void)atomic_compare_exchange_strong_explicit(&worker->shed, &none, n, memory_order_relaxed,
                                                  memory_order_relaxed);
    worker_wake(worker);
}

void worker_keep_socket(struct worker *worker, int fd)
{
    int mine = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (mine >= 0) {
        leftovers_take(&worker->leftovers, mine, clock_ns());
    }
}

bool worker_give(struct worker *worker, int fd, const struct sockaddr *from, socklen_t len)
{
    pthread_mutex_lock(&worker->lock);
    bool room = worker->n_incoming < worker->settings.max_incoming;
    if (room) {
        struct incoming *in = &worker->incoming[worker->n_incoming++];
        in->fd = fd;
        in->len = len;
        memcpy(&in->from, from, len);
    }
    pthread_mutex_unlock(&worker->lock);
    if (room) {
        worker_wake(worker);
    }
    return room;
}

/* One at a time, so that the lock is held for no more than a copy. */
static bool next_incoming(struct worker *worker, struct incoming *out)
{
    pthread_mutex_lock(&worker->lock);
    bool found = worker->n_incoming > 0;
    if (found) {
        *out = worker->incoming[--worker->n_incoming];
    }
    pthread_mutex_unlock(&worker->lock);
    return found;
}

static void add_incoming(struct worker *worker)
{
    struct incoming in;
    while (next_incoming(worker, &in)) {
        worker->settings.add(worker->settings.ctx, worker->library, in.fd,
                             (const struct sockaddr *)&in.from, in.len);
    }
}

/* Milliseconds until the library wants a turn or the connections a look. */
static int choose_wait(struct worker *worker, int64_t now_ns, int64_t look_ns)
{
    int64_t wait_ms = (look_ns - now_ns) / 1000000 + 1;
    MHD_UNSIGNED_LONG_LONG library_ms;
    if (MHD_get_timeout(worker->library, &library_ms) == MHD_YES && (int64_t)library_ms < wait_ms) {
        wait_ms = (int64_t)library_ms;
    }
    return wait_ms > 0 ? (int)wait_ms : 0;
}

/* False: there was none. */
static bool wait_for_events(struct worker *worker, int wait_ms)
{
    struct pollfd fds[2 + LEFTOVERS_MAX] = {{.fd = worker->wake, .events = POLLIN},
                                            {.fd = worker->events, .events = POLLIN}};
    eventfd_t count;
    int n_leftovers = leftovers_fill(&worker->leftovers, fds + 2);
    bool any = poll(fds, (nfds_t)(2 + n_leftovers), wait_ms) > 0;
    if (fds[0].revents != 0) {
        (void)eventfd_read(worker->wake, &count);
        /* Before the library's turn: whoever wakes it from now on is not lost. */
        atomic_store_explicit(&worker->woken, false, memory_order_release);
    }
    return any;
}

/*
 * One call of the system less than waiting here and letting the library look afterwards. Over TLS
 * the library wants a turn after each request, without waiting, to hear that no more has come. One
 * such turn after a useful one is usual; whether more of them are for nothing is seen only here.
 */
static bool may_wait_in_library(struct worker *worker, int wait_ms)
{
    bool is_usual = wait_ms > 0 || worker->useful;
    worker->useful = wait_ms > 0;
    return is_usual && worker->leftovers.n == 0 &&
           worker->settings.count(worker->settings.ctx) < FEW_CONNECTIONS;
}

/* Waits, and lets the library do what there is to do. False: it wanted a turn for nothing. */
static bool run_turn(struct worker *worker, int wait_ms)
{
    if (may_wait_in_library(worker, wait_ms)) {
        (void)MHD_run_wait(worker->library, wait_ms);
        /* Before the look at what has come: whoever wakes it from now on is not lost. */
        if (atomic_load_explicit(&worker->woken, memory_order_relaxed)) {
            atomic_store_explicit(&worker->woken, false, memory_order_seq_cst);
            add_incoming(worker);
        }
        return true;
    }
    bool any = wait_for_events(worker, wait_ms);
    add_incoming(worker);
    (void)MHD_run(worker->library);
    return any || wait_ms != 0;
}

static void *serve(void *arg)
{
    mem_kind_use(MEM_REQUESTS);
    struct worker *worker = arg;
    int64_t now_ns = clock_ns();
    int64_t look_ns = now_ns + LOOK_NS;
    int64_t stuck_ns = 0; /* when a stuck connection was last looked for */
    int empty_turns = 0;  /* since the last look */
    int stuck_turns = 0;  /* since that one */
    while (!atomic_load_explicit(&worker->ends, memory_order_acquire)) {
        bool empty = !run_turn(worker, choose_wait(worker, now_ns, look_ns));
        empty_turns += empty;
        stuck_turns += empty;
        worker->settings.end_turn(worker->settings.ctx);
        int shed = atomic_exchange_explicit(&worker->shed, 0, memory_order_relaxed);
        now_ns = clock_ns();
        if (shed > 0) {
            worker->settings.shed(worker->settings.ctx, shed);
        }
        if (worker->leftovers.n > 0) {
            leftovers_read(&worker->leftovers, now_ns);
        }
        if (stuck_turns >= STUCK_TURNS && now_ns - stuck_ns >= STUCK_NS) {
            worker->settings.unstick(worker->settings.ctx);
            stuck_ns = now_ns;
            stuck_turns = 0;
        }
        if (now_ns >= look_ns) {
            worker->settings.look(worker->settings.ctx, empty_turns > SPIN_TURNS);
            look_ns = now_ns + LOOK_NS;
            empty_turns = 0;
        }
    }
    return NULL;
}

/*
 * The event also ends a wait of the library, which passes over an event without data (0.9.75 to
 * 1.0.1: it is that of its own stop). Each write is an edge, so that nobody has to read it there.
 */
static bool wake_library(struct worker *worker)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.ptr = NULL}};
    return epoll_ctl(worker->events, EPOLL_CTL_ADD, worker->wake, &event) == 0;
}

static enum err_code open_worker(struct worker *worker, struct err *err)
{
    worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake < 0) {
        return err_set(err, ERR_IO, "no event for an HTTP thread: %s", strerror(errno));
    }
    worker->incoming =
        mem_alloc_array((size_t)worker->settings.max_incoming, sizeof *worker->incoming);
    if (worker->incoming == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an HTTP thread");
    }
    worker->library = worker->settings.open(worker->settings.ctx);
    const union MHD_DaemonInfo *info =
        worker->library != NULL ? MHD_get_daemon_info(worker->library, MHD_DAEMON_INFO_EPOLL_FD)
                                : NULL;
    if (info == NULL) {
        return err_set(err, ERR_IO, "the HTTP library cannot be started");
    }
    worker->events = info->epoll_fd;
    if (!wake_library(worker)) {
        return err_set(err, ERR_IO, "an HTTP thread cannot be woken: %s", strerror(errno));
    }
    return threads_start(&worker->thread, "http", serve, worker, err);
}

enum err_code worker_start(const struct worker_settings *settings, struct worker **out,
                           struct err *err)
{
    struct worker *worker = mem_zalloc(sizeof *worker);
    if (worker == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an HTTP thread");
    }
    worker->settings = *settings;
    worker->wake = -1;
    pthread_mutex_init(&worker->lock, NULL);
    if (open_worker(worker, err) != ERR_OK) {
        worker_stop(worker);
        return err->code;
    }
    worker->started = true;
    *out = worker;
    return ERR_OK;
}

void worker_stop(struct worker *worker)
{
    struct incoming in;
    if (worker == NULL) {
        return;
    }
    if (worker->started) {
        atomic_store_explicit(&worker->ends, true, memory_order_release);
        (void)eventfd_write(worker->wake, 1);
        pthread_join(worker->thread, NULL);
    }
    while (next_incoming(worker, &in)) {
        close(in.fd);
    }
    if (worker->library != NULL) {
        MHD_stop_daemon(worker->library);
    }
    leftovers_close(&worker->leftovers);
    if (worker->wake >= 0) {
        close(worker->wake);
    }
    pthread_mutex_destroy(&worker->lock);
    mem_free(worker->incoming);
    mem_free(worker);
}
