/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* O_NOFOLLOW, flock */
#include "http/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_SUFFIX ".lock"
#define LOCK_CHARS  (ADDRESS_PATH_CHARS + sizeof LOCK_SUFFIX)
#define MAX_TRIES   100 /* at a lock file that others keep removing */

_Static_assert(ADDRESS_PATH_CHARS == sizeof((struct sockaddr_un *)0)->sun_path,
               "a path that fits an address fits the system's");

static enum err_code refuse_taken(const char *path, struct err *err)
{
    return err_set(err, ERR_CONFLICT, "cannot listen on unix:%s: another process listens there",
                   path);
}

static enum err_code fail(const char *path, struct err *err)
{
    return err_set(err, ERR_IO, "cannot listen on unix:%s: %s", path, strerror(errno));
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    return address;
}

static void write_lock_path(const char *path, char out[LOCK_CHARS])
{
    snprintf(out, LOCK_CHARS, "%s" LOCK_SUFFIX, path);
}

static bool is_file_at(int fd, const char *path)
{
    struct stat open_file;
    struct stat named;
    return fstat(fd, &open_file) == 0 && lstat(path, &named) == 0 &&
           open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

/* Whoever held the lock before may have removed the file in between: then it is tried again. */
static enum err_code lock_path(struct unix_socket *self, struct err *err)
{
    char lock[LOCK_CHARS];
    write_lock_path(self->path, lock);
    for (int i = 0; i < MAX_TRIES; i++) {
        int fd = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0) {
            return fail(self->path, err);
        }
        bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (locked && is_file_at(fd, lock)) {
            self->lock = fd;
            return ERR_OK;
        }
        close(fd);
        if (!locked) {
            break;
        }
    }
    return refuse_taken(self->path, err);
}

/* Does a server listen at this socket? One with a full queue does. */
static enum err_code find_listener(const char *path, bool *out, struct err *err)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail(path, err);
    }
    int status = connect(fd, (const struct sockaddr *)&address, sizeof address);
    int why = errno;
    close(fd);
    if (status != 0 && why != ECONNREFUSED && why != EAGAIN) {
        errno = why;
        return fail(path, err);
    }
    *out = status == 0 || why == EAGAIN;
    return ERR_OK;
}

/* With the lock held. */
static enum err_code remove_stale(const char *path, struct err *err)
{
    struct stat about;
    bool listens = true;
    if (lstat(path, &about) != 0) {
        return errno == ENOENT ? ERR_OK : fail(path, err);
    }
    if (!S_ISSOCK(about.st_mode)) {
        return err_set(err, ERR_INVALID,
                       "cannot listen on unix:%s: a file that is no socket is there", path);
    }
    if (find_listener(path, &listens, err) != ERR_OK) {
        return err->code;
    }
    if (listens) {
        return refuse_taken(path, err);
    }
    return unlink(path) == 0 ? ERR_OK : fail(path, err);
}

/*
 * The mode of the descriptor is that of the file which bind makes, but for the umask; so the file
 * never has more than it is to have, and chmod only adds what the umask took.
 */
static enum err_code bind_path(struct unix_socket *self, unsigned mode, int backlog,
                               struct err *err)
{
    struct sockaddr_un address = address_of(self->path);
    struct stat about;
    self->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->fd < 0 || fchmod(self->fd, (mode_t)mode) != 0 ||
        bind(self->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        return fail(self->path, err);
    }
    if (lstat(self->path, &about) != 0) {
        return fail(self->path, err);
    }
    self->device = about.st_dev;
    self->inode = about.st_ino;
    if (chmod(self->path, (mode_t)mode) != 0 || listen(self->fd, backlog) != 0) {
        return fail(self->path, err);
    }
    return ERR_OK;
}

enum err_code unix_socket_open(const char *path, unsigned mode, int backlog,
                               struct unix_socket *out, struct err *err)
{
    struct unix_socket self = UNIX_SOCKET_NONE;
    snprintf(self.path, sizeof self.path, "%s", path);
    if (lock_path(&self, err) != ERR_OK || remove_stale(path, err) != ERR_OK ||
        bind_path(&self, mode, backlog, err) != ERR_OK) {
        unix_socket_close(&self);
        return err->code;
    }
    *out = self;
    return ERR_OK;
}

static bool is_still_ours(const struct unix_socket *self)
{
    struct stat about;
    return self->inode != 0 && lstat(self->path, &about) == 0 && S_ISSOCK(about.st_mode) &&
           about.st_dev == self->device && about.st_ino == self->inode;
}

void unix_socket_close(struct unix_socket *self)
{
    char lock[LOCK_CHARS];
    if (is_still_ours(self)) {
        (void)unlink(self->path);
    }
    if (self->fd >= 0) {
        close(self->fd);
    }
    if (self->lock >= 0) {
        write_lock_path(self->path, lock);
        if (is_file_at(self->lock, lock)) {
            (void)unlink(lock);
        }
        close(self->lock);
    }
    *self = UNIX_SOCKET_NONE;
}
