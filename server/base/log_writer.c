/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_writer.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/wake.h"

#define LOOK_MS 100 /* how soon a thread that waits for its reader notices the stop */

/* Lines of one kind in the present period. */
struct kind {
    const char *message; /* NULL: free */
    int level;
    int n;
    int64_t until_ns; /* the end of the period */
    long long left_out;
};

struct log_writer {
    int fd;
    pthread_t thread;
    atomic_bool ended;    /* the thread has, or the stop no longer waits for it */
    atomic_bool gives_up; /* the stop waits no longer for the reader */
    struct wake wake;     /* guards what follows */
    size_t begin, used;   /* of the ring */
    long long dropped, untold, left_out;
    long long n_errors; /* so far; the latest are kept */
    char errors[LOG_N_ERRORS][LOG_ERROR_CHARS];
    struct kind kinds[LOG_N_KINDS];
    char ring[LOG_RING_BYTES];
};

/* ---- writing ---- */

/* Whole lines from the front of the ring, as many as one write takes. They stay in the ring. */
static size_t copy_lines(const struct log_writer *w, char *piece)
{
    size_t n = w->used < LOG_PIECE ? w->used : LOG_PIECE;
    size_t first = LOG_RING_BYTES - w->begin;
    first = first < n ? first : n;
    memcpy(piece, w->ring + w->begin, first);
    memcpy(piece + first, w->ring, n - first);
    while (n > 0 && piece[n - 1] != '\n') {
        n--;
    }
    return n;
}

static void forget(struct log_writer *w, size_t n)
{
    w->begin = (w->begin + n) % LOG_RING_BYTES;
    w->used -= n;
}

/* False: the time of the stop is over, and the reader still has no room. A pipe with room for a
 * poll has room for LOG_PIECE bytes. */
static bool wait_for_reader(const struct log_writer *w)
{
    struct pollfd fd = {.fd = w->fd, .events = POLLOUT};
    while (poll(&fd, 1, LOOK_MS) == 0) {
        if (atomic_load_explicit(&w->gives_up, memory_order_relaxed)) {
            return false;
        }
    }
    return true;
}

static ssize_t write_some(int fd, const char *bytes, size_t n)
{
    ssize_t done = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return done < 0 && errno == ENOTSOCK ? write(fd, bytes, n) : done;
}

/* False: the lines are lost, because nobody can read them or the disk of the log is full. */
static bool write_piece(const struct log_writer *w, const char *piece, size_t n)
{
    while (n > 0) {
        if (!wait_for_reader(w)) {
            return false;
        }
        ssize_t done = write_some(w->fd, piece, n);
        if (done < 0 && errno != EINTR && errno != EAGAIN) {
            return false;
        }
        piece += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

static void count_lost(struct log_writer *w, const char *piece, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        w->dropped += piece[i] == '\n';
        w->untold += piece[i] == '\n';
    }
}

/* Called with the lock held, which is free while it writes. */
static void write_waiting(struct log_writer *w)
{
    char piece[LOG_PIECE];
    while (w->used > 0) {
        size_t n = copy_lines(w, piece);
        wake_unlock(&w->wake);
        bool written = write_piece(w, piece, n);
        wake_lock(&w->wake);
        forget(w, n);
        if (!written) {
            count_lost(w, piece, n);
        }
    }
}

static void free_writer(struct log_writer *w)
{
    wake_release(&w->wake);
    mem_free(w);
}

static void *write_lines(void *arg)
{
    struct log_writer *w = arg;
    bool goes_on = true;
    wake_lock(&w->wake);
    while (goes_on) {
        goes_on = wake_wait_locked(&w->wake, WAKE_NEVER);
        write_waiting(w);
    }
    wake_unlock(&w->wake);
    if (atomic_exchange_explicit(&w->ended, true, memory_order_acq_rel)) {
        free_writer(w); /* nobody waits any longer */
    }
    return NULL;
}

enum err_code log_writer_start(int fd, struct log_writer **out, struct err *err)
{
    struct log_writer *w = mem_zalloc(sizeof *w);
    if (w == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the log");
    }
    w->fd = fd;
    wake_init(&w->wake);
    if (threads_start(&w->thread, "log", write_lines, w, err) != ERR_OK) {
        free_writer(w);
        return err->code;
    }
    *out = w;
    return ERR_OK;
}

static bool wait_for_end(const struct log_writer *w, int max_ms)
{
    const struct timespec pause = {.tv_nsec = CLOCK_MS};
    int64_t until_ns = clock_ns() + max_ms * CLOCK_MS;
    while (!atomic_load_explicit(&w->ended, memory_order_acquire)) {
        if (clock_ns() > until_ns) {
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

void log_writer_stop(struct log_writer *w, int max_ms)
{
    if (w == NULL) {
        return;
    }
    wake_stop(&w->wake);
    if (!wait_for_end(w, max_ms)) {
        atomic_store_explicit(&w->gives_up, true, memory_order_relaxed);
        pthread_t thread = w->thread;
        if (!wait_for_end(w, 2 * LOOK_MS) &&
            !atomic_exchange_explicit(&w->ended, true, memory_order_acq_rel)) {
            pthread_detach(thread); /* it hangs in the system, and frees the writer at its end */
            return;
        }
    }
    pthread_join(w->thread, NULL);
    free_writer(w);
}

bool log_writer_put(struct log_writer *w, const char *line, size_t len)
{
    assert(len <= LOG_PIECE);
    wake_lock(&w->wake);
    bool fits = len <= LOG_RING_BYTES - w->used;
    if (fits) {
        size_t at = (w->begin + w->used) % LOG_RING_BYTES;
        size_t first = LOG_RING_BYTES - at < len ? LOG_RING_BYTES - at : len;
        memcpy(w->ring + at, line, first);
        memcpy(w->ring, line + first, len - first);
        w->used += len;
        wake_notify_locked(&w->wake);
    } else {
        w->dropped++;
        w->untold++;
    }
    wake_unlock(&w->wake);
    return fits;
}

/* ---- what is left out ---- */

static struct kind *find_kind(struct log_writer *w, int level, const char *message)
{
    struct kind *kind = w->kinds;
    const struct kind *last = w->kinds + LOG_N_KINDS - 1;
    while (kind < last && kind->message != NULL &&
           (kind->level != level || strcmp(kind->message, message) != 0)) {
        kind++;
    }
    return kind;
}

static struct log_left_out take_left_out(struct log_writer *w, struct kind *kind)
{
    struct log_left_out out = {.count = kind->left_out};
    out.message = kind < w->kinds + LOG_N_KINDS - 1 ? kind->message : NULL;
    kind->left_out = 0;
    return out;
}

bool log_writer_admit(struct log_writer *w, int level, const char *message,
                      struct log_left_out *before)
{
    int64_t now_ns = clock_ns();
    *before = (struct log_left_out){.count = 0};
    wake_lock(&w->wake);
    struct kind *kind = find_kind(w, level, message);
    if (kind->message == NULL || now_ns >= kind->until_ns) {
        *before = take_left_out(w, kind);
        *kind = (struct kind){
            .message = message, .level = level, .until_ns = now_ns + LOG_KIND_S * CLOCK_S};
    }
    bool admitted = kind->n < LOG_KIND_LINES;
    kind->n += admitted;
    kind->left_out += !admitted;
    w->left_out += !admitted;
    wake_unlock(&w->wake);
    return admitted;
}

bool log_writer_next_left_out(struct log_writer *w, bool all, struct log_left_out *out)
{
    int64_t now_ns = clock_ns();
    bool found = false;
    wake_lock(&w->wake);
    for (int i = 0; i < LOG_N_KINDS && !found; i++) {
        struct kind *kind = &w->kinds[i];
        found = kind->left_out > 0 && (all || now_ns >= kind->until_ns);
        if (found) {
            *out = take_left_out(w, kind);
        }
    }
    wake_unlock(&w->wake);
    return found;
}

long long log_writer_take_dropped(struct log_writer *w)
{
    wake_lock(&w->wake);
    /* A line about it needs room, or it would be dropped itself. */
    long long n = LOG_RING_BYTES - w->used >= LOG_PIECE ? w->untold : 0;
    w->untold -= n;
    wake_unlock(&w->wake);
    return n;
}

void log_writer_keep_error(struct log_writer *w, const char *line, size_t len)
{
    wake_lock(&w->wake);
    snprintf(w->errors[w->n_errors++ % LOG_N_ERRORS], LOG_ERROR_CHARS, "%.*s", (int)len, line);
    wake_unlock(&w->wake);
}

bool log_writer_get_error(struct log_writer *w, int n, char out[LOG_ERROR_CHARS])
{
    wake_lock(&w->wake);
    bool there = n < LOG_N_ERRORS && n < w->n_errors;
    if (there) {
        memcpy(out, w->errors[(w->n_errors - 1 - n) % LOG_N_ERRORS], LOG_ERROR_CHARS);
    }
    wake_unlock(&w->wake);
    return there;
}

struct log_counts log_writer_counts(struct log_writer *w)
{
    wake_lock(&w->wake);
    struct log_counts counts = {.dropped = w->dropped, .left_out = w->left_out};
    wake_unlock(&w->wake);
    return counts;
}
