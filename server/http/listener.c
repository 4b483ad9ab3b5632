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
#include "base/mem.h"
#include "base/threads.h"

#define BACKLOG    1024
#define NO_ROOM_MS 10 /* until the next try when there is no room or no file descriptor */

struct listener {
    struct listener_settings settings;
    int socket;
    int port;
    int wake; /* eventfd that ends the thread */
    pthread_t thread;
    bool started;
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

/* The port of the socket, 0 for one without. */
static int find_port(int fd)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char service[16] = "0";
    if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0 && bound.ss_family != AF_UNIX) {
        getnameinfo((struct sockaddr *)&bound, len, NULL, 0, service, sizeof service,
                    NI_NUMERICSERV);
    }
    return atoi(service);
}

static enum err_code open_socket(struct listener *l, struct err *err)
{
    const char *listen_at = l->settings.listen;
    struct address address;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (address_parse(listen_at, &address, err) != ERR_OK) {
        return err->code;
    }
    int status = getaddrinfo(address.host, address.port, &hints, &found);
    if (status != 0) {
        return err_set(err, ERR_INVALID, "listen is \"%.60s\": %s", listen_at,
                       gai_strerror(status));
    }
    err_kept(bind_socket(found, listen_at, &l->socket, err));
    freeaddrinfo(found);
    return err->code;
}

/* A socket that systemd has opened, perhaps for a server before this one. */
static enum err_code adopt_socket(struct listener *l, struct err *err)
{
    int listens = 0;
    int type = 0;
    socklen_t len = sizeof listens;
    int fd = l->settings.fd;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || listens == 0 ||
        type != SOCK_STREAM || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return err_set(err, ERR_INVALID,
                       "the descriptor %d that was handed over (LISTEN_FDS) is not a "
                       "listening stream socket",
                       fd);
    }
    l->socket = fd;
    return ERR_OK;
}

/* False: no more for now, because there is no room or no file descriptor. */
static bool accept_all(const struct listener *l)
{
    for (int n = 0; l->settings.has_room(l->settings.ctx); n++) {
        if (n == BACKLOG) {
            return true; /* the end is looked for in between */
        }
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        int fd = accept4(l->socket, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
        }
        l->settings.take(l->settings.ctx, fd, (const struct sockaddr *)&from, len);
    }
    return false;
}

static void *accept_loop(void *arg)
{
    const struct listener *l = arg;
    bool room = true;
    for (;;) {
        struct pollfd fds[] = {{.fd = l->wake, .events = POLLIN},
                               {.fd = room ? l->socket : -1, .events = POLLIN}};
        if (poll(fds, 2, room ? -1 : NO_ROOM_MS) < 0 && errno != EINTR) {
            log_error(l->settings.log, "the server cannot wait for connections", "reason",
                      strerror(errno), NULL);
            return NULL;
        }
        if (fds[0].revents != 0) {
            return NULL;
        }
        room = accept_all(l);
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
    l->socket = -1;
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake < 0) {
        err_set(err, ERR_IO, "no event for the listening thread: %s", strerror(errno));
    } else if ((settings->fd > 0 ? adopt_socket(l, err) : open_socket(l, err)) == ERR_OK) {
        l->port = find_port(l->socket);
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

void listener_close(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    if (listener->started) {
        (void)eventfd_write(listener->wake, 1);
        pthread_join(listener->thread, NULL);
    }
    if (listener->socket >= 0) {
        close(listener->socket);
    }
    if (listener->wake >= 0) {
        close(listener->wake);
    }
    mem_free(listener);
}
