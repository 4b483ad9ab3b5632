/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open load: requests that do not wait for earlier answers. It POSTs one body at random times
 * (exponential gaps, as from independent clients, with a fixed seed) over several connections. When
 * all connections are busy, a request waits for one, and its latency is counted from the time at
 * which it was due. So a stall of the server is seen by all requests that were due during it, and
 * not by one alone.
 *
 * usage: openloop PORT PATH BODY_FILE RATE SECONDS CONNECTIONS
 *
 * It ends after SECONDS or at SIGTERM, once the requests under way are answered, and prints one
 * line of JSON: requests, answers by class of status, broken connections, milliseconds by
 * percentile.
 */
#define _GNU_SOURCE /* ppoll, strcasestr */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

struct connection {
    bool busy;
    double due; /* when the request under way was due */
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
    size_t n_broken;
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

static int open_connection(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Counts the request of a broken connection as lost, and opens a new connection. */
static void replace_connection(struct load *load, int i)
{
    load->n_broken += load->connections[i].busy;
    load->connections[i].busy = false;
    close(load->fds[i].fd);
    load->fds[i].fd = open_connection(load->port);
}

static void send_due(struct load *load)
{
    for (int i = 0; i < load->n_connections && load->n_sent < load->n_due; i++) {
        struct connection *c = &load->connections[i];
        if (c->busy) {
            continue;
        }
        c->busy = true;
        c->n_answer = 0;
        c->due = load->due[load->n_sent++];
        /* A request is far smaller than a socket's buffer, so it is sent whole unless it fails. */
        if (send(load->fds[i].fd, load->request, load->n_request, MSG_NOSIGNAL) !=
            (ssize_t)load->n_request) {
            replace_connection(load, i);
        }
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
    load->by_class[class >= 1 && class <= 5 ? class : 0]++;
    load->latency[load->n_answered++] = now_s() - c->due;
    c->busy = false;
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
        if (load->fds[i].revents != 0) {
            read_answer(load, i);
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
    for (int i = 1; i <= 5; i++) {
        printf(",\"%dxx\":%zu", i, load->by_class[i]);
    }
    for (size_t i = 0; i < sizeof levels / sizeof *levels && load->n_answered > 0; i++) {
        size_t at = (size_t)(levels[i] * (double)(load->n_answered - 1));
        printf(",\"%s_ms\":%.4f", names[i], 1e3 * load->latency[at]);
    }
    printf("}\n");
}

static void read_body(struct load *load, const char *path, const char *name)
{
    char body[ANSWER_BYTES];
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        perror(name);
        exit(1);
    }
    size_t n = fread(body, 1, sizeof body, file);
    fclose(file);
    load->request = malloc(n + strlen(path) + 200);
    int head = sprintf(load->request,
                       "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       path, n);
    memcpy(load->request + head, body, n);
    load->n_request = (size_t)head + n;
}

int main(int argc, char **argv)
{
    static struct load load;
    if (argc != 7) {
        fprintf(stderr, "usage: %s PORT PATH BODY_FILE RATE SECONDS CONNECTIONS\n", argv[0]);
        return 2;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    prctl(PR_SET_TIMERSLACK, 1000UL); /* ns: the default, 50 us, would show in the latencies */
    load.port = (uint16_t)atoi(argv[1]);
    read_body(&load, argv[2], argv[3]);
    load.rate = atof(argv[4]);
    load.n_connections = atoi(argv[6]);
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
