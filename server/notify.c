/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define MAX_FDS    64
#define OWNER_MODE 0600u

/* A listening socket as the settings would have asked for it. */
struct handed {
    char address[160];
    unsigned mode; /* of a Unix socket's file; 0: it is none */
};

/* A name that begins with '@' is of the abstract kind, which begins with a zero byte. */
static socklen_t find_address(struct sockaddr_un *address)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path != NULL ? strlen(path) : 0;
    if (len < 2 || len >= sizeof address->sun_path || (path[0] != '/' && path[0] != '@')) {
        return 0;
    }
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, len);
    if (path[0] == '@') {
        address->sun_path[0] = '\0';
    }
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void notify_send(const char *state)
{
    struct sockaddr_un address;
    socklen_t len = find_address(&address);
    int fd = len > 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (fd >= 0) {
        /* A manager that does not read must not hold us up. */
        ssize_t sent = sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
                              (const struct sockaddr *)&address, len);
        (void)sent;
        close(fd);
    }
}

void notify_reloading(void)
{
    char state[80];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)(clock_ns() / 1000));
    notify_send(state);
}

/* A number from an environment variable, if it is meant for this process; 0 otherwise. */
static long long read_own(const char *name, const char *pid_name)
{
    const char *value = getenv(name);
    const char *pid = getenv(pid_name);
    if (value == NULL || (pid != NULL && strtoll(pid, NULL, 10) != (long long)getpid())) {
        return 0;
    }
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    return errno == 0 && end != value && *end == '\0' && number > 0 ? number : 0;
}

int64_t notify_watchdog_ns(void)
{
    long long us = read_own("WATCHDOG_USEC", "WATCHDOG_PID");
    return us < INT64_MAX / 1000 ? us * 1000 : 0;
}

int notify_listen_fds(void)
{
    long long n = getenv("LISTEN_PID") != NULL ? read_own("LISTEN_FDS", "LISTEN_PID") : 0;
    n = n < MAX_FDS ? n : MAX_FDS;
    for (int i = 0; i < n; i++) {
        int fd = NOTIFY_FIRST_FD + i;
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0) {
            return i;
        }
    }
    return (int)n;
}

/* A socket of the file system, and who may write to it. */
static enum err_code read_unix(int fd, const struct sockaddr_un *at, struct handed *out,
                               struct err *err)
{
    struct stat about;
    if (at->sun_path[0] != '/' || stat(at->sun_path, &about) != 0) {
        return err_set(
            err, ERR_INVALID,
            "the descriptor %d that was handed over (LISTEN_FDS) is a Unix socket without "
            "a file",
            fd);
    }
    snprintf(out->address, sizeof out->address, "unix:%s", at->sun_path);
    out->mode = about.st_mode & 0777;
    return ERR_OK;
}

static enum err_code read_address(int fd, struct handed *out, struct err *err)
{
    struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof at;
    char host[64];
    char port[16];
    int listens = 0;
    socklen_t size_of = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size_of) != 0 || listens == 0) {
        return err_set(err, ERR_INVALID,
                       "the descriptor %d that was handed over (LISTEN_FDS) is not a "
                       "listening stream socket",
                       fd);
    }
    bool known = getsockname(fd, (struct sockaddr *)&at, &len) == 0;
    if (known && at.ss_family == AF_UNIX) {
        return read_unix(fd, (const struct sockaddr_un *)&at, out, err);
    }
    if (!known || (at.ss_family != AF_INET && at.ss_family != AF_INET6) ||
        getnameinfo((struct sockaddr *)&at, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return err_set(err, ERR_INVALID,
                       "the descriptor %d that was handed over (LISTEN_FDS) listens on no address",
                       fd);
    }
    host[strcspn(host, "%")] = '\0'; /* the interface of a link-local address */
    snprintf(out->address, sizeof out->address, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
             host, port);
    return ERR_OK;
}

enum err_code notify_read_addresses(int n, struct config *config, struct err *err)
{
    unsigned mode = OWNER_MODE;
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        struct handed handed = {.mode = 0};
        if (read_address(NOTIFY_FIRST_FD + i, &handed, err) != ERR_OK) {
            return err->code;
        }
        mode |= handed.mode;
        used += (size_t)snprintf(config->listen + used, sizeof config->listen - used, "%s%s",
                                 i > 0 ? ", " : "", handed.address);
        if (used >= sizeof config->listen) {
            return err_set(err, ERR_INVALID, "too many sockets were handed over (LISTEN_FDS)");
        }
    }
    snprintf(config->socket_mode, sizeof config->socket_mode, "%04o", mode);
    return ERR_OK;
}
