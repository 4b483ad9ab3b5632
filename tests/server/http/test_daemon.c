/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP daemon on a socket: answers that wait while they are sent, a stop while clients do not
 * read, and work that is gathered.
 */
#include "run.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/daemon.h"

#define N_LINES   200
#define N_CLIENTS 8
#define SECOND    INT64_C(1000000000)

static struct daemon *server;
static struct log quiet = {.fd = STDERR_FILENO, .level = LOG_ERROR + 1, .format = LOG_TEXT};
static atomic_int n_released;
static atomic_int n_sent;
static atomic_bool resumer_ends;

/* A body that waits before each line: every second time it is resumed before its read returns, else
 * by another thread. */
struct waiting {
    const struct request *req;
    int line;
    bool waited;
    struct waiting *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct waiting *suspended; /* under the lock */
static bool let_go;               /* under the lock */
static int n_hanging;             /* under the lock */
static atomic_int n_gathered;     /* items that were run together with others */
static atomic_int n_dropped;

static void *resume_others(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    while (!resumer_ends) {
        struct waiting *w = suspended;
        if (w == NULL) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        suspended = w->next;
        pthread_mutex_unlock(&lock);
        w->req->ops->resume(w->req->exchange);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static size_t read_waiting(void *ctx, char *out, size_t size)
{
    struct waiting *w = ctx;
    if (w->line == N_LINES) {
        return 0;
    }
    if (!w->waited) {
        w->waited = true;
        w->req->ops->suspend(w->req->exchange);
        if (w->line % 2 == 0) {
            w->req->ops->resume(w->req->exchange);
        } else {
            pthread_mutex_lock(&lock);
            w->next = suspended;
            suspended = w;
            pthread_cond_signal(&changed);
            pthread_mutex_unlock(&lock);
        }
        return BODY_SOURCE_WAIT;
    }
    w->waited = false;
    return (size_t)snprintf(out, size, "line %d\n", w->line++);
}

/* A body without end that never waits. */
static size_t read_flood(void *ctx, char *out, size_t size)
{
    (void)ctx;
    memset(out, 'x', size);
    return size;
}

static void release(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&n_released, 1);
}

/* A handler that does not come back until the test lets it. */
static void hang(void)
{
    pthread_mutex_lock(&lock);
    n_hanging++;
    pthread_cond_broadcast(&changed);
    while (!let_go) {
        pthread_cond_wait(&changed, &lock);
    }
    n_hanging--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static enum err_code never_called(void *ctx, struct response *res, struct err *err)
{
    (void)ctx;
    (void)res;
    return err_set(err, ERR_INTERNAL, "the handler of this test does not call it");
}

static void drop(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&n_dropped, 1);
}

/* The first call gathers, if the daemon wants to; the second one finds the item run, once. */
static void gather(struct request *req, struct response *res)
{
    int *runs = req->later.ctx;
    if (req->later.run == NULL) {
        runs = arena_zalloc_array(req->arena, 1, sizeof *runs);
        ck_assert_ptr_nonnull(runs);
        if (req->ops->gather(req->exchange, runs)) {
            req->later = (struct later){.run = never_called, .drop = drop, .ctx = runs};
            return;
        }
        *runs = 1;
    }
    req->later = (struct later){.run = NULL};
    res->status = *runs == 1 ? 200 : 500;
    res->body = "x";
    res->n_body = 1;
}

static void run_gathered(void *ctx, void *const *items, int n)
{
    (void)ctx;
    for (int i = 0; i < n; i++) {
        ++*(int *)items[i];
    }
    atomic_fetch_add(&n_gathered, n > 1 ? n : 0);
}

/* "/waiting", "/hang", "/flood" (an ordinary download), "/endless", "/gather", "/stop". */
static void handle(void *ctx, struct request *req, struct response *res)
{
    (void)ctx;
    if (strcmp(req->path, "/gather") == 0) {
        gather(req, res);
        return;
    }
    if (strcmp(req->path, "/stop") == 0) {
        hang();
        res->status = 200;
        return;
    }
    struct waiting *w = arena_zalloc_array(req->arena, 1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    w->req = req;
    res->status = 200;
    res->source = (struct body_source){.read = read_flood, .release = release, .ctx = w};
    res->source.endless = strcmp(req->path, "/endless") == 0;
    if (strcmp(req->path, "/waiting") == 0) {
        res->source.read = read_waiting;
    }
    if (strcmp(req->path, "/hang") == 0) {
        hang();
    }
}

static void on_sent(void *ctx, const struct request *req)
{
    (void)ctx;
    atomic_fetch_add(&n_sent, strcmp(req->path, "/waiting") == 0);
}

static void setup(void)
{
    struct err err = ERR_INIT;
    struct daemon_settings settings = {.listen = "127.0.0.1:0",
                                       .n_threads = 2,
                                       .max_connections = 64,
                                       .max_peer_connections = 64,
                                       .tls_cert = "",
                                       .tls_key = "",
                                       .tls_client_ca = "",
                                       .idle_timeout_s = 60,
                                       .head_timeout_s = 10,
                                       .max_body_bytes = 1000,
                                       .bodies_bytes = 100000,
                                       .log = &quiet,
                                       .handler = handle,
                                       .sent = on_sent,
                                       .run_gathered = run_gathered};
    atomic_store(&n_gathered, 0);
    atomic_store(&n_dropped, 0);
    atomic_store(&n_released, 0);
    atomic_store(&n_sent, 0);
    ck_assert_msg(daemon_start(&settings, &server, &err) == ERR_OK, "%s", err.msg);
}

static void teardown(void)
{
    daemon_stop(server);
}

static void send_on(int fd, const char *path, const char *version)
{
    char text[128];
    int len = snprintf(text, sizeof text, "GET %s HTTP/%s\r\nHost: x\r\n\r\n", path, version);
    ck_assert_int_eq(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
}

static int open_connection(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)daemon_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static int ask(const char *path)
{
    int fd = open_connection();
    send_on(fd, path, "1.0");
    return fd;
}

/* Reads an answer to its end; the lines of its body. */
static void *count_lines(void *arg)
{
    int *n = arg;
    int fd = ask("/waiting");
    FILE *file = fdopen(fd, "r");
    char line[256];
    *n = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        int number = -1;
        if (sscanf(line, "line %d", &number) == 1) {
            *n = number == *n ? *n + 1 : -1000000;
        }
    }
    fclose(file);
    return NULL;
}

START_TEST(a_body_that_waits_arrives_whole_however_soon_it_is_resumed)
{
    pthread_t clients[N_CLIENTS], resumer;
    int lines[N_CLIENTS];
    atomic_store(&resumer_ends, false);
    ck_assert_int_eq(pthread_create(&resumer, NULL, resume_others, NULL), 0);
    for (int i = 0; i < N_CLIENTS; i++) {
        ck_assert_int_eq(pthread_create(&clients[i], NULL, count_lines, &lines[i]), 0);
    }
    for (int i = 0; i < N_CLIENTS; i++) {
        pthread_join(clients[i], NULL);
        ck_assert_int_eq(lines[i], N_LINES);
    }
    pthread_mutex_lock(&lock);
    atomic_store(&resumer_ends, true);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(resumer, NULL);
    daemon_drain(server, 60);
    ck_assert_int_eq(atomic_load(&n_released), N_CLIENTS);
    ck_assert_int_eq(atomic_load(&n_sent), N_CLIENTS);
}
END_TEST

/* A client that has begun to read and then stops. */
static int ask_and_stall(const char *path)
{
    char byte;
    int fd = ask(path);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
    return fd;
}

static int64_t drain(int max_s)
{
    int64_t begin_ns = clock_ns();
    daemon_drain(server, max_s);
    return clock_ns() - begin_ns;
}

START_TEST(a_stop_waits_for_an_endless_answer_but_a_moment)
{
    int fd = ask_and_stall("/endless");
    int64_t spent_ns = drain(600);
    ck_assert_int_ge(spent_ns, SECOND);
    ck_assert_int_lt(spent_ns, 60 * SECOND);
    /* An ordinary one has all the time there is. */
    int other = ask_and_stall("/flood");
    ck_assert_int_ge(drain(2), 2 * SECOND);
    daemon_stop(server);
    server = NULL;
    ck_assert_int_eq(atomic_load(&n_released), 2);
    close(fd);
    close(other);
}
END_TEST

static void wait_responsive(bool wanted)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    while (daemon_is_responsive(server, 5 * SECOND / 2) != wanted) {
        nanosleep(&pause, NULL);
    }
}

/* A thread looks at its connections each second; one that does not has hung. */
START_TEST(a_thread_that_hangs_is_seen_until_it_goes_on)
{
    let_go = false;
    wait_responsive(true);
    int fd = ask("/hang");
    wait_responsive(false);
    pthread_mutex_lock(&lock);
    let_go = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    wait_responsive(true);
    close(fd);
}
END_TEST

static void wait_hanging(int n)
{
    while (n_hanging != n) {
        pthread_cond_wait(&changed, &lock);
    }
}

/* Its answer of one byte, with status 200. */
static void read_gathered(int fd)
{
    char text[512];
    size_t n = 0;
    while (n < 5 || memcmp(text + n - 5, "\r\n\r\nx", 5) != 0) {
        ssize_t got = recv(fd, text + n, sizeof text - n, 0);
        ck_assert_int_gt(got, 0);
        n += (size_t)got;
    }
    ck_assert_int_eq(memcmp(text, "HTTP/1.1 200 ", 13), 0);
}

/*
 * Both threads are held while requests come, so that each finds several in its next turn. The first
 * time none are expected. In some rounds every fourth client goes away without waiting.
 */
START_TEST(what_comes_at_the_same_time_is_gathered)
{
    enum { N_HOLD = 2, N_ALL = 18, N_ROUNDS = 6 };
    int fds[N_ALL];
    for (int i = 0; i < N_ALL; i++) {
        fds[i] = open_connection();
    }
    for (int round = 0; round < N_ROUNDS; round++) {
        bool leave = round >= 3;
        char answer[512];
        pthread_mutex_lock(&lock);
        let_go = false;
        for (int i = 0; i < N_HOLD; i++) {
            send_on(fds[i], "/stop", "1.1");
        }
        wait_hanging(N_HOLD);
        for (int i = N_HOLD; i < N_ALL; i++) {
            send_on(fds[i], "/gather", "1.1");
            if (leave && i % 4 == 0) {
                close(fds[i]);
            }
        }
        ck_assert_int_eq(atomic_load(&n_gathered) > 0, round > 1);
        let_go = true;
        pthread_cond_broadcast(&changed);
        wait_hanging(0);
        pthread_mutex_unlock(&lock);
        for (int i = N_HOLD; i < N_ALL; i++) {
            if (leave && i % 4 == 0) {
                fds[i] = open_connection();
            } else {
                read_gathered(fds[i]);
            }
        }
        for (int i = 0; i < N_HOLD; i++) {
            ck_assert_int_gt(recv(fds[i], answer, sizeof answer, 0), 0);
        }
    }
    for (int i = 0; i < N_ALL; i++) {
        close(fds[i]);
    }
    daemon_drain(server, 60);
}
END_TEST

/* Clients that take turns, each on its own, are answered at once. */
START_TEST(what_comes_alone_is_not_gathered)
{
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = open_connection();
    }
    for (int i = 0; i < 100; i++) {
        send_on(fds[i % 4], "/gather", "1.1");
        read_gathered(fds[i % 4]);
    }
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    ck_assert_int_eq(atomic_load(&n_gathered), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon");
    TCase *tc = tcase_create("daemon");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, a_body_that_waits_arrives_whole_however_soon_it_is_resumed);
    tcase_add_test(tc, a_stop_waits_for_an_endless_answer_but_a_moment);
    tcase_add_test(tc, a_thread_that_hangs_is_seen_until_it_goes_on);
    tcase_add_test(tc, what_comes_at_the_same_time_is_gathered);
    tcase_add_test(tc, what_comes_alone_is_not_gathered);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
