/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open load: requests that do not wait for earlier answers. It POSTs one body at random times
 * (exponential gaps, as from independent clients, with a fixed seed) over several connections. When
 * all connections are busy, a request waits for one, and its latency is counted from the time at
 * which it was due. So a stall of the server is seen by all requests that were due during it, and
 * not by one alone.
 *
 * usage: openloop PORT PATH BODY_FILE RATE SECONDS CONNECTIONS [ANSWER_FILE [FRESH]]
 *
 * It ends after SECONDS or at SIGTERM, once the requests under way are answered, and prints one
 * line of JSON: requests, answers by class of status, broken connections, milliseconds by
 * percentile.
 *
 * With ANSWER_FILE the bodies of answers must be equal to it; those that differ are counted as
 * wrong. With FRESH each so many-th request has a connection of its own. A request whose connection
 * ends before a byte of the answer has come is sent again, as HTTP clients do, since a server may
 * close an idle connection at any time; its latency goes on from when it was due first.
 */
#define _GNU_SOURCE /* ppoll, strcasestr */

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 256
#define MAX_REQUESTS    4000000
#define ANSWER_BYTES    65536
#define LAST_ANSWERS_S  60.0 /* how long it waits, after the end, for requests under way */
#define MAX_TRIES       20   /* of one request; then it is lost */

struct connection {
    bool busy;
    double due; /* when the request under way was due */
    int n_tries;
    size_t n_sent;
    size_t n_served; /* requests that it has answered */
    size_t n_answer;
    char answer[ANSWER_BYTES];
};

struct load {
    uint16_t port;
    char *request;
    size_t n_request;
    double rate;
    int n_connections;
    struct pollfd fds[MAX_CONNECTIONS];
    struct connection connections[MAX_CONNECTIONS];
    double *due;     /* [MAX_REQUESTS] when each request so far was due */
    double *latency; /* [MAX_REQUESTS] seconds of those that were answered */
    size_t n_due, n_sent, n_answered;
    size_t by_class[6];
    size_t n_broken, n_again, n_wrong;
    char *expected; /* NULL: any body will do */
    size_t n_expected;
    size_t fresh; /* 0: connections are kept */
    uint64_t random;
};

static volatile sig_atomic_t told_to_stop;

static void on_signal(int number)
{
    (void)number;
    told_to_stop = 1;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The time until the next request, by xorshift64*, which is random enough. */
static double gap_s(struct load *load)
{
    load->random ^= load->random >> 12;
    load->random ^= load->random << 25;
    load->random ^= load->random >> 27;
    double u = (double)((load->random * 2685821657736338717u) >> 11) * 0x1p-53;
    return -log(1.0 - u) / load->rate;
}

/* It may still be on its way when this returns: a burst can fill the queue of the listener. */
static int open_connection(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 ||
        (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

/* Opens a new connection, and sends the request of the old one again unless it has begun to be
 * answered; then it is lost. */
static void replace_connection(struct load *load, int i)
{
    struct connection *c = &load->connections[i];
    bool lost = c->busy && (c->n_answer > 0 || c->n_tries >= MAX_TRIES);
    load->n_broken += lost;
    load->n_again += c->busy && !lost;
    c->busy = c->busy && !lost;
    c->n_tries++;
    c->n_sent = 0;
    c->n_served = 0;
    close(load->fds[i].fd);
    load->fds[i] = (struct pollfd){.fd = open_connection(load->port), .events = POLLIN};
    if (c->busy) {
        load->fds[i].events |= POLLOUT; /* from the loop, not from here: it may fail again */
    }
}

static void send_rest(struct load *load, int i)
{
    struct connection *c = &load->connections[i];
    ssize_t n =
        send(load->fds[i].fd, load->request + c->n_sent, load->n_request - c->n_sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        replace_connection(load, i);
        return;
    }
    c->n_sent += n > 0 ? (size_t)n : 0;
    load->fds[i].events = c->n_sent < load->n_request ? POLLIN | POLLOUT : POLLIN;
}

static void send_due(struct load *load)
{
    for (int i = 0; i < load->n_connections && load->n_sent < load->n_due; i++) {
        struct connection *c = &load->connections[i];
        if (c->busy) {
            continue;
        }
        if (load->fresh > 0 && load->n_sent % load->fresh == 0 && c->n_served > 0) {
            replace_connection(load, i);
        }
        c->busy = true;
        c->n_answer = 0;
        c->n_sent = 0;
        c->n_tries = 0;
        c->due = load->due[load->n_sent++];
        send_rest(load, i);
    }
}

/* The bytes of a whole answer; 0 while its head is incomplete. */
static size_t answer_size(struct connection *c)
{
    c->answer[c->n_answer] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    if (end == NULL) {
        return 0;
    }
    if (length == NULL || length > end) {
        fprintf(stderr, "an answer without Content-Length\n");
        exit(1);
    }
    return (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
}

/* An answer of 2xx with another body than the one that is expected. */
static bool is_wrong(const struct load *load, const struct connection *c, size_t size)
{
    const char *body = strstr(c->answer, "\r\n\r\n") + 4;
    return load->expected != NULL && c->answer[9] == '2' &&
           ((size_t)(c->answer + size - body) != load->n_expected ||
            memcmp(body, load->expected, load->n_expected) != 0);
}

static void read_answer(struct load *load, int i)
{
    struct connection *c = &load->connections[i];
    ssize_t n = recv(load->fds[i].fd, c->answer + c->n_answer, ANSWER_BYTES - 1 - c->n_answer,
                     MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0 || !c->busy) {
        replace_connection(load, i);
        return;
    }
    c->n_answer += (size_t)n;
    size_t size = answer_size(c);
    if (size == 0 || c->n_answer < size) {
        if (c->n_answer + 1 == ANSWER_BYTES) {
            fprintf(stderr, "an answer of more than %d bytes\n", ANSWER_BYTES);
            exit(1);
        }
        return;
    }
    int class = c->answer[9] - '0'; /* HTTP/1.1 200 OK */
    load->n_wrong += is_wrong(load, c, size);
    load->by_class[class >= 1 && class <= 5 ? class : 0]++;
    load->latency[load->n_answered++] = now_s() - c->due;
    c->busy = false;
    c->n_served++;
}

/* Waits until `until`, or until something can be read. */
static void wait_and_read(struct load *load, double until)
{
    double rest = until - now_s();
    rest = rest < 0.0 ? 0.0 : rest;
    struct timespec wait = {.tv_sec = (time_t)rest, .tv_nsec = (long)(1e9 * (rest - floor(rest)))};
    if (ppoll(load->fds, (nfds_t)load->n_connections, &wait, NULL) <= 0) {
        return;
    }
    for (int i = 0; i < load->n_connections; i++) {
        if (load->fds[i].revents & (POLLIN | POLLERR | POLLHUP)) {
            read_answer(load, i);
        } else if (load->fds[i].revents & POLLOUT) {
            send_rest(load, i);
        }
    }
}

static void run_load(struct load *load, double seconds)
{
    double start = now_s();
    double next = start + gap_s(load);
    while (!told_to_stop && now_s() < start + seconds && load->n_due < MAX_REQUESTS) {
        for (; next <= now_s() && load->n_due < MAX_REQUESTS; next += gap_s(load)) {
            load->due[load->n_due++] = next;
        }
        send_due(load);
        wait_and_read(load, next);
    }
    double end = now_s();
    while (load->n_answered + load->n_broken < load->n_due && now_s() < end + LAST_ANSWERS_S) {
        send_due(load);
        wait_and_read(load, now_s() + 0.1);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_result(struct load *load, double seconds)
{
    static const double levels[] = {0.5, 0.9, 0.99, 0.999, 1.0};
    static const char *const names[] = {"p50", "p90", "p99", "p999", "max"};
    qsort(load->latency, load->n_answered, sizeof *load->latency, by_value);
    printf("{\"requests\":%zu,\"seconds\":%.2f,\"answered\":%zu,\"broken\":%zu", load->n_due,
           seconds, load->n_answered, load->n_broken);
    printf(",\"again\":%zu,\"wrong\":%zu", load->n_again, load->n_wrong);
    for (int i = 1; i <= 5; i++) {
        printf(",\"%dxx\":%zu", i, load->by_class[i]);
    }
    for (size_t i = 0; i < sizeof levels / sizeof *levels && load->n_answered > 0; i++) {
        size_t at = (size_t)(levels[i] * (double)(load->n_answered - 1));
        printf(",\"%s_ms\":%.4f", names[i], 1e3 * load->latency[at]);
    }
    printf("}\n");
}

static char *read_file(const char *name, size_t *n)
{
    char *text = malloc(ANSWER_BYTES);
    FILE *file = fopen(name, "rb");
    if (file == NULL || text == NULL) {
        perror(name);
        exit(1);
    }
    *n = fread(text, 1, ANSWER_BYTES, file);
    fclose(file);
    return text;
}

static void read_body(struct load *load, const char *path, const char *name)
{
    size_t n;
    char *body = read_file(name, &n);
    load->request = malloc(n + strlen(path) + 200);
    int head = sprintf(load->request,
                       "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       path, n);
    memcpy(load->request + head, body, n);
    load->n_request = (size_t)head + n;
    free(body);
}

int main(int argc, char **argv)
{
    static struct load load;
    if (argc < 7 || argc > 9) {
        fprintf(stderr,
                "usage: %s PORT PATH BODY_FILE RATE SECONDS CONNECTIONS [ANSWER_FILE [FRESH]]\n",
                argv[0]);
        return 2;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    prctl(PR_SET_TIMERSLACK, 1000UL); /* ns: the default, 50 us, would show in the latencies */
    load.port = (uint16_t)atoi(argv[1]);
    read_body(&load, argv[2], argv[3]);
    load.rate = atof(argv[4]);
    load.n_connections = atoi(argv[6]);
    load.expected = argc > 7 ? read_file(argv[7], &load.n_expected) : NULL;
    load.fresh = argc > 8 ? strtoul(argv[8], NULL, 10) : 0;
    load.random = 88172645463325252u;
    load.due = malloc(MAX_REQUESTS * sizeof *load.due);
    load.latency = malloc(MAX_REQUESTS * sizeof *load.latency);
    if (load.n_connections < 1 || load.n_connections > MAX_CONNECTIONS || !(load.rate > 0.0) ||
        load.due == NULL || load.latency == NULL) {
        fprintf(stderr, "a rate above 0 and 1 to %d connections are needed\n", MAX_CONNECTIONS);
        return 2;
    }
    for (int i = 0; i < load.n_connections; i++) {
        load.fds[i] = (struct pollfd){.fd = open_connection(load.port), .events = POLLIN};
    }
    double start = now_s();
    run_load(&load, atof(argv[5]));
    print_result(&load, now_s() - start);
    return 0;
}
