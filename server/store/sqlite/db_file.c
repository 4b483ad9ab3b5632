/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "store/sqlite/db_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/sqlite/query.h"

/* Bytes to lock: SQLite's own (sqlite.org/fileformat2.html, 1.4), and one far away from them. */
#define SQLITE_LOCKS   0x40000000
#define SQLITE_N_LOCKS 512
#define OUR_LOCK       ((off_t)1 << 40)

struct real_path {
    char text[PATH_MAX];
};

/* The path behind symbolic links; the path itself when there is no such file. */
static const char *resolve(const char *path, struct real_path *real)
{
    return realpath(path, real->text) != NULL ? real->text : path;
}

enum err_code db_file_refuse(const char *path, bool must_exist, struct err *err)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        int reason = errno;
        if (reason == ENOENT && !must_exist) {
            return ERR_OK;
        }
        return err_set(err, reason == ENOENT ? ERR_NOT_FOUND : ERR_IO, "registry %s: %s", path,
                       reason == ENOENT ? "there is no such file" : strerror(reason));
    }
    if (!S_ISREG(about.st_mode)) {
        return err_set(err, ERR_INVALID, "registry %s is %s; name a file", path,
                       S_ISDIR(about.st_mode) ? "a folder" : "no regular file");
    }
    if (must_exist && about.st_size == 0) {
        return err_set(err, ERR_INVALID, "registry %s is an empty file", path);
    }
    return ERR_OK;
}

char *db_file_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? mem_strdup(".") : mem_strndup(path, (size_t)(slash - path) + 1);
}

/*
 * Root may run a command on the file of a server that runs as another user, who must be able to
 * take the lock later. So the lock file is given to the owner of the folder.
 */
static void give_to_folder_owner(int fd, const char *path)
{
    struct stat folder;
    char *name = db_file_folder(path);
    if (name != NULL && geteuid() == 0 && stat(name, &folder) == 0 &&
        fchown(fd, folder.st_uid, folder.st_gid) != 0) {
        errno = 0; /* a file system without owners needs none */
    }
    mem_free(name);
}

static const char *advice_against(int reason)
{
    switch (reason) {
    case ENOENT:
        return "; make its folder first";
    case EACCES:
    case EROFS:
        return "; this user must be able to write to its folder, unless the server is to be a "
               "replica (--read-only true)";
    default:
        return "";
    }
}

/* *fd: FILE.lock, open and locked. */
static enum err_code lock_name(const char *path, int *fd, struct err *err)
{
    size_t size = strlen(path) + sizeof ".lock";
    char *name = mem_alloc(size);
    if (name == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to open the registry");
    }
    snprintf(name, size, "%s.lock", path);
    *fd = open(name, O_RDWR | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT) {
        *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (*fd >= 0) {
            give_to_folder_owner(*fd, path);
        }
    }
    if (*fd < 0) {
        int reason = errno;
        err_set(err, reason == ENOSPC ? ERR_FULL : ERR_IO, "registry %s cannot be opened: %s%s",
                path, strerror(reason), advice_against(reason));
    } else if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        err_set(err, ERR_CONFLICT, "registry %s is in use by another surrogated", path);
    }
    mem_free(name);
    return err->code;
}

/* The lock belongs to the descriptor, not to the process, so SQLite's own are not affected. */
static bool lock_bytes(int fd, off_t first, off_t n)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = n};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

enum err_code db_file_lock_made(const char *path, struct db_lock *lock, struct err *err)
{
    if (lock->file >= 0) {
        return ERR_OK;
    }
    lock->file = open(path, O_RDWR | O_CLOEXEC);
    if (lock->file < 0) {
        return err_set(err, ERR_IO, "registry %s cannot be opened: %s", path, strerror(errno));
    }
    /* Any other failure means a file system without locks, which SQLite reports itself. */
    if (!lock_bytes(lock->file, OUR_LOCK, 1) && (errno == EAGAIN || errno == EACCES)) {
        err_set(err, ERR_CONFLICT, "registry %s is in use by another surrogated, by another name",
                path);
        db_file_unlock(lock);
    }
    return err->code;
}

/* A file that is absent or cannot be written to is reported by whoever opens it. */
static bool can_be_locked(const char *path)
{
    return access(path, R_OK | W_OK) == 0;
}

enum err_code db_file_lock(const char *path, struct db_lock *lock, struct err *err)
{
    struct real_path real;
    if (lock_name(resolve(path, &real), &lock->name, err) == ERR_OK && can_be_locked(path)) {
        err_kept(db_file_lock_made(path, lock, err));
    }
    if (err->code != ERR_OK) {
        db_file_unlock(lock);
    }
    return err->code;
}

void db_file_unlock(struct db_lock *lock)
{
    if (lock->file >= 0) {
        close(lock->file);
    }
    if (lock->name >= 0) {
        close(lock->name);
    }
    *lock = (struct db_lock)DB_LOCK_NONE;
}

enum err_code db_file_identify(struct conn *conn, const char *path, bool *is_new, int *schema,
                               struct err *err)
{
    int64_t application = 0;
    int64_t tables = 0;
    int64_t version = 0;
    if (query_number(conn, SQL_APPLICATION_ID, &application, err) != ERR_OK ||
        query_number(conn, SQL_TABLE_COUNT, &tables, err) != ERR_OK ||
        query_number(conn, SQL_USER_VERSION, &version, err) != ERR_OK) {
        err_prefix(err, "registry %s", path);
        return err->code;
    }
    *is_new = application == 0 && tables == 0;
    if (!*is_new && application != DB_APPLICATION_ID) {
        return err_set(err, ERR_INVALID, "%s is a database of another program; name another file",
                       path);
    }
    if (version < 0 || version > SQL_N_MIGRATIONS) {
        return err_set(err, ERR_UNSUPPORTED,
                       "registry %s has schema %lld, this program knows up to %d; use a newer one",
                       path, (long long)version, SQL_N_MIGRATIONS);
    }
    *schema = (int)version;
    return ERR_OK;
}

enum err_code db_file_open(struct conn *conn, const char *path, enum conn_mode mode, int *schema,
                           struct err *err)
{
    bool is_new = false;
    if (db_file_refuse(path, true, err) != ERR_OK || conn_open(conn, path, mode, err) != ERR_OK ||
        db_file_identify(conn, path, &is_new, schema, err) != ERR_OK) {
        return err->code;
    }
    if (is_new || *schema == 0) {
        return err_set(err, ERR_INVALID, "registry %s is empty; no server has set it up", path);
    }
    return ERR_OK;
}

enum err_code db_file_stamp(const char *path, struct db_stamp *out, struct err *err)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "registry %s: %s", path,
                       strerror(errno));
    }
    *out = (struct db_stamp){.device = about.st_dev,
                             .inode = about.st_ino,
                             .n_bytes = about.st_size,
                             .modified_ns = (int64_t)about.st_mtim.tv_sec * 1000000000 +
                                            about.st_mtim.tv_nsec};
    return ERR_OK;
}

/* A log lies beside the file itself, not beside a link to it. False: there is no such file. */
static bool stat_beside(const char *path, const char *suffix, struct stat *about)
{
    char name[DB_FILE_NAME_BYTES];
    struct real_path real;
    snprintf(name, sizeof name, "%s%s", resolve(path, &real), suffix);
    return stat(name, about) == 0;
}

static void remove_beside(const char *path, const char *suffix)
{
    char name[DB_FILE_NAME_BYTES];
    struct real_path real;
    snprintf(name, sizeof name, "%s%s", resolve(path, &real), suffix);
    if (unlink(name) != 0) {
        errno = 0; /* an empty log does no harm */
    }
}

void db_file_remove_empty_log(const char *path)
{
    struct stat about;
    int fd = stat_beside(path, "-shm", &about) ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        return;
    }
    /* Whoever holds all bytes that SQLite locks is alone; its last connection does the same. */
    if (lock_bytes(fd, SQLITE_LOCKS, SQLITE_N_LOCKS) &&
        (!stat_beside(path, "-wal", &about) || about.st_size == 0)) {
        remove_beside(path, "-wal");
        remove_beside(path, "-shm");
    }
    close(fd);
}

ino_t db_file_log_index(const char *path)
{
    struct stat about;
    return stat_beside(path, "-shm", &about) ? about.st_ino : 0;
}

bool db_file_has_log(const char *path, ino_t stale)
{
    struct stat about;
    ino_t index = db_file_log_index(path);
    if (index != 0) {
        return index != stale;
    }
    return stat_beside(path, "-wal", &about) && about.st_size > 0;
}
