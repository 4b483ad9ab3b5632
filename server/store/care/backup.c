/* SPDX-License-Identifier: Apache-2.0 */
#include "store/care/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/sqlite/db_file.h"
#include "store/sqlite/query.h"

#define PATH_BYTES   DB_FILE_NAME_BYTES
#define PROGRESS_OPS 50 /* few, since one operation may copy a chunk of 64 MiB */
#define MAX_LINKS    16 /* one behind the other */
#define KEPT         ".before-restore"

static enum err_code system_error(struct err *err, const char *path, const char *what)
{
    int reason = errno;
    enum err_code code = reason == ENOSPC || reason == EDQUOT ? ERR_FULL : ERR_IO;
    return err_set(err, code, "%s: %s: %s", path, what, strerror(reason));
}

static bool is_there(const char *path, const char *suffix)
{
    char name[PATH_BYTES];
    struct stat about;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return lstat(name, &about) == 0;
}

static bool is_same(const char *a, const char *b)
{
    struct stat x;
    struct stat y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* ---- one copy ---- */

struct copy {
    char path[PATH_BYTES]; /* beside the place it is for; "": none yet */
    int fd;
    struct conn source;
    const struct care_calls *calls;
    int64_t total; /* bytes the copy will have, about */
};

static int on_steps(void *ctx)
{
    const struct copy *copy = ctx;
    struct stat about;
    int64_t done = fstat(copy->fd, &about) == 0 ? (int64_t)about.st_size : 0;
    return !copy->calls->progress(copy->calls->ctx, "copy", done, copy->total);
}

static enum err_code measure(struct copy *copy, struct err *err)
{
    int64_t bytes = 0;
    int64_t n = 0;
    int64_t n_free = 0;
    if (query_number(&copy->source, SQL_PAGE_SIZE, &bytes, err) == ERR_OK &&
        query_number(&copy->source, SQL_PAGE_COUNT, &n, err) == ERR_OK &&
        query_number(&copy->source, SQL_FREELIST_COUNT, &n_free, err) == ERR_OK) {
        copy->total = (n - n_free) * bytes;
    }
    return err->code;
}

/*
 * The copy of an old file can give space back too. On a file that is so already the PRAGMA would
 * want to write.
 */
static enum err_code make_shrinkable(struct copy *copy, const char *from, struct err *err)
{
    int64_t mode = 0;
    if (query_number(&copy->source, SQL_AUTO_VACUUM, &mode, err) != ERR_OK || mode != 0) {
        return err->code;
    }
    return conn_exec(&copy->source, "PRAGMA auto_vacuum=INCREMENTAL", from, err);
}

/* An empty file of a name nobody has, beside `to`, with the rights of `from` and that to write. */
static enum err_code make_place(struct copy *copy, const char *from, const char *to,
                                struct err *err)
{
    struct stat about;
    int len = snprintf(copy->path, sizeof copy->path, "%s.XXXXXX", to);
    copy->fd = len < (int)sizeof copy->path ? mkstemp(copy->path) : -1;
    if (copy->fd < 0) {
        errno = len < (int)sizeof copy->path ? errno : ENAMETOOLONG;
        copy->path[0] = '\0';
        return system_error(err, to, "a file cannot be made beside it");
    }
    if (stat(from, &about) != 0 || fchmod(copy->fd, (about.st_mode & 0777) | 0600) != 0) {
        return system_error(err, copy->path, "its rights cannot be set");
    }
    return ERR_OK;
}

static enum err_code fill(struct copy *copy, struct err *err)
{
    char name[PATH_BYTES + 2];
    /* With "./" before it, no name is taken for a URI. */
    snprintf(name, sizeof name, "%s%s", copy->path[0] == '/' ? "" : "./", copy->path);
    sqlite3_progress_handler(copy->source.sqlite, PROGRESS_OPS, on_steps, copy);
    struct query q = query_open(&copy->source, SQL_VACUUM_INTO, err);
    query_text(&q, ":path", name);
    err_kept(query_close(&q));
    sqlite3_progress_handler(copy->source.sqlite, 0, NULL, NULL);
    if (err->code == ERR_OK && fsync(copy->fd) != 0) {
        system_error(err, copy->path, "it cannot be brought to disk");
    }
    return err->code;
}

static enum err_code examine(const char *path, const struct backup_request *request,
                             const char *which, struct check_report *report, struct err *err)
{
    if (check_run(path, request->calls, report, err) != ERR_OK) {
        return err->code;
    }
    if (report->n_broken > 0 || (report->n_findings > 0 && !request->damaged)) {
        return err_set(err, ERR_CORRUPT, "%s is damaged (%lld findings)%s", which,
                       (long long)report->n_findings,
                       report->n_broken > 0
                           ? ""
                           : "; with --damaged it is taken nevertheless, as far as it goes");
    }
    return ERR_OK;
}

/* Makes and examines a copy beside `to`. To be ended with copy_close in any case. */
static enum err_code copy_make(struct copy *copy, const struct backup_request *request,
                               struct check_report *report, struct err *err)
{
    int schema = 0;
    *copy = (struct copy){.fd = -1, .calls = request->calls};
    if (db_file_open(&copy->source, request->from, CONN_READ_ONLY, &schema, err) != ERR_OK ||
        measure(copy, err) != ERR_OK || make_shrinkable(copy, request->from, err) != ERR_OK ||
        make_place(copy, request->from, request->to, err) != ERR_OK || fill(copy, err) != ERR_OK) {
        return err->code;
    }
    conn_close(&copy->source);
    return examine(copy->path, request, "the copy", report, err);
}

/* Unless it has got its name, the copy goes. */
static void copy_close(struct copy *copy)
{
    char journal[PATH_BYTES + 16];
    conn_close(&copy->source);
    if (copy->fd >= 0) {
        close(copy->fd);
    }
    if (copy->path[0] != '\0') {
        unlink(copy->path);
        snprintf(journal, sizeof journal, "%s-journal", copy->path);
        unlink(journal);
    }
}

/* Renames are on disk when their folder is. */
static enum err_code sync_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? mem_strdup(".") : mem_strndup(path, (size_t)(slash - path) + 1);
    if (folder == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a path");
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        system_error(err, folder, "the folder cannot be brought to disk");
    }
    if (fd >= 0) {
        close(fd);
    }
    mem_free(folder);
    return err->code;
}

static enum err_code move(const char *from, const char *to, struct err *err)
{
    return rename(from, to) == 0 ? ERR_OK : system_error(err, to, "it cannot be renamed to this");
}

static enum err_code copy_name(struct copy *copy, const char *to, struct err *err)
{
    if (move(copy->path, to, err) != ERR_OK) {
        return err->code;
    }
    copy->path[0] = '\0';
    return sync_folder(to, err);
}

/* ---- backup ---- */

static enum err_code refuse_target(const struct backup_request *request, struct err *err)
{
    const char *to = request->to;
    if (is_same(request->from, to)) {
        return err_set(err, ERR_CONFLICT, "%s is the registry itself; name another file", to);
    }
    if (is_there(to, "-wal") || is_there(to, "-shm") || is_there(to, "-journal")) {
        return err_set(err, ERR_CONFLICT,
                       "%s has a write-ahead log beside it: a program has it open, or was killed "
                       "when it had; name another file",
                       to);
    }
    if (!request->force && is_there(to, "")) {
        return err_set(err, ERR_EXISTS, "%s is there already; --force replaces it", to);
    }
    return db_file_refuse(to, false, err);
}

enum err_code backup_make(const struct backup_request *request, struct check_report *report,
                          struct err *err)
{
    struct copy copy = {.fd = -1};
    if (refuse_target(request, err) == ERR_OK && copy_make(&copy, request, report, err) == ERR_OK &&
        refuse_target(request, err) == ERR_OK) {
        err_kept(copy_name(&copy, request->to, err));
    }
    copy_close(&copy);
    return err->code;
}

/* ---- restore ---- */

static enum err_code refuse_restore(const struct backup_request *request, struct err *err)
{
    const char *to = request->to;
    if (is_same(request->from, to)) {
        return err_set(err, ERR_CONFLICT, "%s is the registry itself; name a backup", to);
    }
    if (!request->force && is_there(to, "")) {
        return err_set(err, ERR_EXISTS,
                       "%s is there already; --force keeps it as %s" KEPT " and puts the backup in "
                       "its place",
                       to, to);
    }
    if (is_there(to, "") && (is_there(to, KEPT) || is_there(to, KEPT "-wal"))) {
        return err_set(err, ERR_EXISTS, "%s" KEPT " is there from an earlier restore; move it away",
                       to);
    }
    return db_file_refuse(to, false, err);
}

/* The restored file belongs to whom the registry belonged, or the folder: root may restore it. */
static enum err_code take_owner(const struct copy *copy, const char *to, struct err *err)
{
    const char *slash = strrchr(to, '/');
    struct stat about;
    char folder[PATH_BYTES];
    if (geteuid() != 0) {
        return ERR_OK;
    }
    int len = slash == NULL ? 1 : (int)(slash - to) + 1;
    snprintf(folder, sizeof folder, "%.*s", len, slash == NULL ? "." : to);
    if ((stat(to, &about) != 0 && stat(folder, &about) != 0) ||
        fchown(copy->fd, about.st_uid, about.st_gid) != 0) {
        return system_error(err, copy->path, "its owner cannot be set");
    }
    return ERR_OK;
}

static enum err_code move_if_there(const char *to, const char *suffix, struct err *err)
{
    char old[PATH_BYTES];
    char kept[PATH_BYTES];
    if (!is_there(to, suffix)) {
        return ERR_OK;
    }
    snprintf(old, sizeof old, "%s%s", to, suffix);
    snprintf(kept, sizeof kept, "%s" KEPT "%s", to, suffix);
    return move(old, kept, err);
}

/*
 * The old registry goes before the new one comes, and its log with it. When the machine stops in
 * between there is no registry, and a restore that is run again goes on from there: a log without
 * its file still goes to the file it is of. The index of the log (-shm) is made anew from it.
 */
static enum err_code move_old_away(const char *to, struct err *err)
{
    char shm[PATH_BYTES];
    if (move_if_there(to, "", err) != ERR_OK || move_if_there(to, "-wal", err) != ERR_OK ||
        move_if_there(to, "-journal", err) != ERR_OK) {
        return err->code;
    }
    snprintf(shm, sizeof shm, "%s-shm", to);
    if (unlink(shm) != 0 && errno != ENOENT) {
        return system_error(err, shm, "it cannot be removed");
    }
    return sync_folder(to, err);
}

/*
 * The place that a link to a registry points to, which it goes on to do. There may be no file: a
 * restore that was stopped has moved it away.
 */
static enum err_code follow_links(const char *path, char real[PATH_MAX], struct err *err)
{
    char at[PATH_MAX];
    char link[PATH_MAX];
    snprintf(at, sizeof at, "%s", path);
    for (int i = 0; i < MAX_LINKS && strlen(path) < PATH_MAX; i++) {
        ssize_t n = readlink(at, link, sizeof link - 1);
        const char *slash = strrchr(at, '/');
        size_t folder = slash != NULL ? (size_t)(slash - at) + 1 : 0;
        if (n < 0) {
            memcpy(real, at, PATH_MAX);
            return ERR_OK;
        }
        link[n] = '\0';
        if (link[0] == '/') {
            folder = 0;
        }
        if (folder + (size_t)n >= sizeof at) {
            break;
        }
        memcpy(at + folder, link, (size_t)n + 1);
    }
    return err_set(err, ERR_INVALID, "%.200s does not lead to a file", path);
}

enum err_code backup_restore(const struct backup_request *asked, struct check_report *report,
                             struct err *err)
{
    struct backup_request real = *asked;
    const struct backup_request *request = &real;
    struct copy copy = {.fd = -1};
    char target[PATH_MAX];
    struct db_lock lock = DB_LOCK_NONE;
    if (follow_links(request->to, target, err) != ERR_OK) {
        return err->code;
    }
    real.to = target;
    if (db_file_refuse(request->from, true, err) != ERR_OK ||
        db_file_lock(request->to, &lock, err) != ERR_OK || refuse_restore(request, err) != ERR_OK ||
        examine(request->from, request, "the backup", report, err) != ERR_OK ||
        copy_make(&copy, request, report, err) != ERR_OK ||
        take_owner(&copy, request->to, err) != ERR_OK ||
        move_old_away(request->to, err) != ERR_OK) {
        goto done;
    }
    err_kept(copy_name(&copy, request->to, err));
done:
    copy_close(&copy);
    db_file_unlock(&lock);
    return err->code;
}

/* ---- compaction ---- */

static enum err_code file_bytes(const char *path, int64_t *out, struct err *err)
{
    struct db_stamp stamp;
    if (db_file_stamp(path, &stamp, err) == ERR_OK) {
        *out = (int64_t)stamp.n_bytes;
    }
    return err->code;
}

static int on_vacuum_steps(void *ctx)
{
    const struct care_calls *calls = ctx;
    return !calls->progress(calls->ctx, "rewriting", 0, 0);
}

static enum err_code compact(struct conn *conn, const char *path, const struct care_calls *calls,
                             int64_t *before, struct err *err)
{
    bool is_new = false;
    int schema = 0;
    if (conn_open(conn, path, CONN_WRITER, err) != ERR_OK ||
        db_file_identify(conn, path, &is_new, &schema, err) != ERR_OK ||
        conn_use_as_writer(conn, path, err) != ERR_OK) {
        return err->code;
    }
    /* What the log still holds belongs to the size before. */
    sqlite3_wal_checkpoint_v2(conn->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (file_bytes(path, before, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA auto_vacuum=INCREMENTAL", path, err) != ERR_OK) {
        return err->code;
    }
    sqlite3_progress_handler(conn->sqlite, PROGRESS_OPS, on_vacuum_steps, (void *)calls);
    err_kept(query_run(conn, SQL_VACUUM, err));
    sqlite3_progress_handler(conn->sqlite, 0, NULL, NULL);
    if (err->code == ERR_OK) {
        sqlite3_wal_checkpoint_v2(conn->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    return err->code;
}

enum err_code backup_compact(const char *path, const struct care_calls *calls, int64_t *before,
                             int64_t *after, struct err *err)
{
    struct conn conn = {.sqlite = NULL};
    struct db_lock lock = DB_LOCK_NONE;
    if (db_file_refuse(path, true, err) == ERR_OK && db_file_lock(path, &lock, err) == ERR_OK) {
        err_kept(compact(&conn, path, calls, before, err));
        conn_close(&conn);
    }
    if (err->code == ERR_OK) {
        err_kept(file_bytes(path, after, err));
    }
    db_file_unlock(&lock);
    return err->code;
}
