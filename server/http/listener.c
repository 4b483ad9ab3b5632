/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* accept4 */
#include "http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/threads.h"
#include "http/unix_socket.h"

#define BACKLOG    1024
#define NO_ROOM_MS 10 /* until the next try when there is no room or no file descriptor */
#define TELL_NS    (60 * CLOCK_S) /* between two lines about too few descriptors */

struct listener {
    struct listener_settings settings;
    int sockets[ADDRESS_LIST_MAX];
    struct unix_socket unix_sockets[ADDRESS_LIST_MAX]; /* those of them that were made here */
    int n;                                             /* sockets */
    int port;
    bool has_unix;
    int wake; /* eventfd that ends the thread */
    pthread_t thread;
    bool started;
    int64_t told_ns; /* of the thread: when the last line about descriptors was written; 0: never */
};

static enum err_code bind_socket(const struct addrinfo *at, const char *listen_at, int *out,
                                 struct err *err)
{
    int one = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set(err, ERR_IO, "no socket for %s: %s", listen_at, strerror(errno));
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        err_set(err, ERR_IO, "cannot listen on %s: %s", listen_at, strerror(errno));
        close(fd);
        return err->code;
    }
    *out = fd;
    return ERR_OK;
}

/* Its port, or 0 for a Unix socket. */
static int find_port(int fd, bool *is_unix)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char service[16] = "0";
    bool known = getsockname(fd, (struct sockaddr *)&bound, &len) == 0;
    *is_unix = known && bound.ss_family == AF_UNIX;
    if (known && !*is_unix) {
        getnameinfo((struct sockaddr *)&bound, len, NULL, 0, service, sizeof service,
                    NI_NUMERICSERV);
    }
    return atoi(service);
}

static void keep_socket(struct listener *l, int fd)
{
    bool is_unix;
    int port = find_port(fd, &is_unix);
    l->sockets[l->n++] = fd;
    l->port = l->port == 0 ? port : l->port;
    l->has_unix = l->has_unix || is_unix;
}

static enum err_code open_socket(struct listener *l, const struct address *address, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char name[ADDRESS_HOST_CHARS + ADDRESS_PORT_CHARS + 4];
    bool v6 = strchr(address->host, ':') != NULL;
    int fd = -1;
    snprintf(name, sizeof name, v6 ? "[%s]:%s" : "%s:%s", address->host, address->port);
    int status = getaddrinfo(address->host, address->port, &hints, &found);
    if (status != 0) {
        return err_set(err, ERR_INVALID, "listen is \"%.60s\": %s", name, gai_strerror(status));
    }
    if (bind_socket(found, name, &fd, err) == ERR_OK) {
        keep_socket(l, fd);
    }
    freeaddrinfo(found);
    return err->code;
}

static enum err_code open_sockets(struct listener *l, struct err *err)
{
    struct address_list list;
    if (address_list_parse(l->settings.listen, &list, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < list.n && err->code == ERR_OK; i++) {
        struct unix_socket *file = &l->unix_sockets[l->n];
        if (list.at[i].path[0] == '\0') {
            err_kept(open_socket(l, &list.at[i], err));
        } else if (unix_socket_open(list.at[i].path, l->settings.socket_mode, BACKLOG, file, err) ==
                   ERR_OK) {
            keep_socket(l, file->fd);
        }
    }
    return err->code;
}

/* A socket that systemd has opened, perhaps for a server before this one. */
static enum err_code adopt_socket(struct listener *l, int fd, struct err *err)
{
    int listens = 0;
    int type = 0;
    socklen_t len = sizeof listens;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || listens == 0 ||
        type != SOCK_STREAM || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return err_set(err, ERR_INVALID,
                       "the descriptor %d that was handed over (LISTEN_FDS) is not a "
                       "listening stream socket",
                       fd);
    }
    keep_socket(l, fd);
    return ERR_OK;
}

static enum err_code adopt_sockets(struct listener *l, struct err *err)
{
    if (l->settings.n_fds > ADDRESS_LIST_MAX) {
        return err_set(err, ERR_INVALID,
                       "%d sockets were handed over (LISTEN_FDS), at most %d are taken",
                       l->settings.n_fds, ADDRESS_LIST_MAX);
    }
    for (int i = 0; i < l->settings.n_fds && err->code == ERR_OK; i++) {
        err_kept(adopt_socket(l, l->settings.first_fd + i, err));
    }
    return err->code;
}

static void make_descriptor(struct listener *l, int why)
{
    int64_t now_ns = clock_ns();
    if (l->told_ns == 0 || now_ns - l->told_ns > TELL_NS) {
        l->told_ns = now_ns;
        log_warn(l->settings.log, "no file descriptor for a connection", "reason", strerror(why),
                 "remedy",
                 "idle connections are closed; raise LimitNOFILE or ulimit -Hn, or lower "
                 "max_connections",
                 NULL);
    }
    l->settings.no_descriptor(l->settings.ctx);
}

static bool somebody_waits(int socket)
{
    struct pollfd fd = {.fd = socket, .events = POLLIN};
    return poll(&fd, 1, 0) != 0;
}

/*
 * False: no more for now, because there is no room or no file descriptor. Nobody is asked for room
 * unless somebody waits for it, for that costs others their connections.
 */
static bool accept_all(struct listener *l, int socket)
{
    for (int n = 0; n < BACKLOG && somebody_waits(socket); n++) {
        if (!l->settings.has_room(l->settings.ctx)) {
            return false;
        }
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        int fd = accept4(socket, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            int why = errno;
            if (why == EMFILE || why == ENFILE) {
                make_descriptor(l, why);
            }
            return why != EMFILE && why != ENFILE && why != ENOBUFS && why != ENOMEM;
        }
        l->settings.take(l->settings.ctx, fd, (const struct sockaddr *)&from, len);
    }
    return true; /* after many, the end and the other sockets are looked for in between */
}

static void *accept_loop(void *arg)
{
    struct listener *l = arg;
    bool room = true;
    for (;;) {
        struct pollfd fds[1 + ADDRESS_LIST_MAX] = {{.fd = l->wake, .events = POLLIN}};
        for (int i = 0; i < l->n; i++) {
            fds[1 + i] = (struct pollfd){.fd = room ? l->sockets[i] : -1, .events = POLLIN};
        }
        if (poll(fds, 1 + (nfds_t)l->n, room ? -1 : NO_ROOM_MS) < 0 && errno != EINTR) {
            log_error(l->settings.log, "the server cannot wait for connections", "reason",
                      strerror(errno), NULL);
            return NULL;
        }
        if (fds[0].revents != 0) {
            return NULL;
        }
        bool had_room = room;
        room = true;
        for (int i = 0; i < l->n; i++) {
            if (fds[1 + i].revents != 0 || !had_room) {
                room = accept_all(l, l->sockets[i]) && room;
            }
        }
    }
}

enum err_code listener_open(const struct listener_settings *settings, struct listener **out,
                            struct err *err)
{
    struct listener *l = mem_zalloc(sizeof *l);
    if (l == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the listening socket");
    }
    l->settings = *settings;
    for (int i = 0; i < ADDRESS_LIST_MAX; i++) {
        l->unix_sockets[i] = UNIX_SOCKET_NONE;
    }
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake < 0) {
        err_set(err, ERR_IO, "no event for the listening thread: %s", strerror(errno));
    } else if ((settings->n_fds > 0 ? adopt_sockets(l, err) : open_sockets(l, err)) == ERR_OK) {
        *out = l;
        return ERR_OK;
    }
    listener_close(l);
    return err->code;
}

enum err_code listener_start(struct listener *listener, struct err *err)
{
    if (threads_start(&listener->thread, "accept", accept_loop, listener, err) == ERR_OK) {
        listener->started = true;
    }
    return err->code;
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}

bool listener_has_unix(const struct listener *listener)
{
    return listener->has_unix;
}

void listener_close(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    if (listener->started) {
        (void)eventfd_write(listener->wake, 1);
        pthread_join(listener->thread, NULL);
    }
    for (int i = 0; i < listener->n; i++) {
        if (listener->unix_sockets[i].fd >= 0) {
            unix_socket_close(&listener->unix_sockets[i]);
        } else {
            close(listener->sockets[i]);
        }
    }
    if (listener->wake >= 0) {
        close(listener->wake);
    }
    mem_free(listener);
}
