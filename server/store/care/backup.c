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
#include "base/phrase.h"
#include "store/sqlite/db_file.h"
#include "store/sqlite/query.h"

#define PATH_BYTES   DB_FILE_NAME_BYTES
#define PROGRESS_OPS 50 /* few, because one instruction may copy a chunk of 64 MiB */
#define MAX_LINKS    16 /* symbolic links that lead from one to the next */
#define KEPT         ".before-restore"

static enum err_code system_error(struct err *err, const char *path, const char *what)
{
    int reason = errno;
    enum err_code code = reason == ENOSPC || reason == EDQUOT ? ERR_FULL : ERR_IO;
    return err_set(err, code, "%s: %s: %s", path, what, strerror(reason));
}

static bool exists(const char *path, const char *suffix)
{
    char name[PATH_BYTES];
    struct stat about;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return lstat(name, &about) == 0;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x;
    struct stat y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* ---- one copy ---- */

struct copy {
    char path[PATH_BYTES]; /* beside its final place; "": there is no file yet, or no longer */
    int fd;
    struct conn source;
    const struct care_calls *calls;
    int64_t total; /* the approximate size of the copy in bytes */
};

static int report_progress(void *ctx)
{
    const struct copy *copy = ctx;
    struct stat about;
    int64_t done = fstat(copy->fd, &about) == 0 ? (int64_t)about.st_size : 0;
    return !copy->calls->progress(copy->calls->ctx, "copy", done, copy->total);
}

static enum err_code measure_source(struct copy *copy, struct err *err)
{
    struct conn_space space;
    if (conn_get_space(&copy->source, &space, err) == ERR_OK) {
        copy->total = (space.n_pages - space.n_free) * space.page_bytes;
    }
    return err->code;
}

/*
 * A copy of an older file is made so that db_tidy can shorten it. Where the file is so already, the
 * PRAGMA is left out, because it would have to write.
 */
static enum err_code make_shrinkable(struct copy *copy, const char *from, struct err *err)
{
    int64_t mode = 0;
    if (query_number(&copy->source, SQL_AUTO_VACUUM, &mode, err) != ERR_OK || mode != 0) {
        return err->code;
    }
    return conn_exec(&copy->source, "PRAGMA auto_vacuum=INCREMENTAL", from, err);
}

/*
 * Makes an empty file of a new name beside `to`, with the permissions of `from`, and writable for
 * its owner.
 */
static enum err_code make_file(struct copy *copy, const char *from, const char *to, struct err *err)
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

static enum err_code copy_source(struct copy *copy, struct err *err)
{
    char name[PATH_BYTES + 2];
    /* With "./" in front, no name is taken for a URI. */
    snprintf(name, sizeof name, "%s%s", copy->path[0] == '/' ? "" : "./", copy->path);
    sqlite3_progress_handler(copy->source.sqlite, PROGRESS_OPS, report_progress, copy);
    struct query q = query_open(&copy->source, SQL_VACUUM_INTO, err);
    query_text(&q, ":path", name);
    err_kept(query_close(&q));
    sqlite3_progress_handler(copy->source.sqlite, 0, NULL, NULL);
    if (err->code == ERR_OK && fsync(copy->fd) != 0) {
        system_error(err, copy->path, "it cannot be brought to disk");
    }
    return err->code;
}

/* `which` names the file in the message. */
static enum err_code examine_file(const char *path, const struct backup_request *request,
                                  const char *which, struct check_report *report, struct err *err)
{
    if (check_run(path, request->calls, report, err) != ERR_OK) {
        return err->code;
    }
    if (report->n_broken > 0 || (report->n_findings > 0 && !request->damaged)) {
        return err_set(err, ERR_CORRUPT, "%s is damaged (%s)%s", which,
                       phrase_count(report->n_findings, "finding").text,
                       report->n_broken > 0
                           ? ""
                           : "; with --damaged it is taken nevertheless, as far as it goes");
    }
    return ERR_OK;
}

/* Makes a copy beside `to` and examines it. copy_close must follow, after an error too. */
static enum err_code copy_make(struct copy *copy, const struct backup_request *request,
                               struct check_report *report, struct err *err)
{
    int schema = 0;
    *copy = (struct copy){.fd = -1, .calls = request->calls};
    if (db_file_open(&copy->source, request->from, CONN_READ_ONLY, &schema, err) != ERR_OK ||
        measure_source(copy, err) != ERR_OK ||
        make_shrinkable(copy, request->from, err) != ERR_OK ||
        make_file(copy, request->from, request->to, err) != ERR_OK ||
        copy_source(copy, err) != ERR_OK) {
        return err->code;
    }
    conn_close(&copy->source);
    return examine_file(copy->path, request, "the copy", report, err);
}

/* Removes the copy, unless it has its final name. */
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

/* A renaming is on disk when the folder is. */
static enum err_code sync_folder(const char *path, struct err *err)
{
    char *folder = db_file_folder(path);
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

static enum err_code rename_file(const char *from, const char *to, struct err *err)
{
    return rename(from, to) == 0 ? ERR_OK : system_error(err, to, "it cannot be renamed to this");
}

/* Gives the copy its final name. */
static enum err_code copy_rename(struct copy *copy, const char *to, struct err *err)
{
    if (rename_file(copy->path, to, err) != ERR_OK) {
        return err->code;
    }
    copy->path[0] = '\0';
    return sync_folder(to, err);
}

/* ---- backup ---- */

static enum err_code refuse_target(const struct backup_request *request, struct err *err)
{
    const char *to = request->to;
    if (is_same_file(request->from, to)) {
        return err_set(err, ERR_CONFLICT, "%s is the registry itself; name another file", to);
    }
    if (exists(to, "-wal") || exists(to, "-shm") || exists(to, "-journal")) {
        return err_set(err, ERR_CONFLICT,
                       "%s has a write-ahead log beside it: a program has it open, or was killed "
                       "when it had; name another file",
                       to);
    }
    if (!request->force && exists(to, "")) {
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
        err_kept(copy_rename(&copy, request->to, err));
    }
    copy_close(&copy);
    return err->code;
}

/* ---- restore ---- */

static enum err_code refuse_restore(const struct backup_request *request, struct err *err)
{
    const char *to = request->to;
    if (is_same_file(request->from, to)) {
        return err_set(err, ERR_CONFLICT, "%s is the registry itself; name a backup", to);
    }
    if (!request->force && exists(to, "")) {
        return err_set(err, ERR_EXISTS,
                       "%s is there already; --force keeps it as %s" KEPT " and puts the backup in "
                       "its place",
                       to, to);
    }
    if (exists(to, "") && (exists(to, KEPT) || exists(to, KEPT "-wal"))) {
        return err_set(err, ERR_EXISTS, "%s" KEPT " is there from an earlier restore; move it away",
                       to);
    }
    return db_file_refuse(to, false, err);
}

/* Others may read a backup and not the registry: it gets the mode of the one that it replaces. */
static enum err_code set_mode(const struct copy *copy, const char *to, struct err *err)
{
    struct stat about;
    mode_t mode = stat(to, &about) == 0 ? (about.st_mode & 0777) | 0600 : 0600;
    return fchmod(copy->fd, mode) == 0 ? ERR_OK
                                       : system_error(err, copy->path, "its rights cannot be set");
}

/* Root may restore for another user: the copy gets the owner of the registry, or of its folder. */
static enum err_code give_to_owner(const struct copy *copy, const char *to, struct err *err)
{
    struct stat about;
    if (geteuid() != 0) {
        return ERR_OK;
    }
    char *folder = db_file_folder(to);
    if (folder == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a path");
    }
    if ((stat(to, &about) != 0 && stat(folder, &about) != 0) ||
        fchown(copy->fd, about.st_uid, about.st_gid) != 0) {
        system_error(err, copy->path, "its owner cannot be set");
    }
    mem_free(folder);
    return err->code;
}

static enum err_code move_aside(const char *to, const char *suffix, struct err *err)
{
    char old[PATH_BYTES];
    char kept[PATH_BYTES];
    if (!exists(to, suffix)) {
        return ERR_OK;
    }
    snprintf(old, sizeof old, "%s%s", to, suffix);
    snprintf(kept, sizeof kept, "%s" KEPT "%s", to, suffix);
    return rename_file(old, kept, err);
}

/*
 * The old registry is moved before the new one is put in place, and its log follows it. If the
 * machine stops in between, there is no registry, and a restore that is run again continues: a log
 * whose file has been moved already is moved to it. The index of the log (-shm) can be removed,
 * because SQLite builds it anew.
 */
static enum err_code move_registry_aside(const char *to, struct err *err)
{
    char shm[PATH_BYTES];
    if (move_aside(to, "", err) != ERR_OK || move_aside(to, "-wal", err) != ERR_OK ||
        move_aside(to, "-journal", err) != ERR_OK) {
        return err->code;
    }
    snprintf(shm, sizeof shm, "%s-shm", to);
    if (unlink(shm) != 0 && errno != ENOENT) {
        return system_error(err, shm, "it cannot be removed");
    }
    return sync_folder(to, err);
}

/*
 * The path behind symbolic links, so that a link to a registry stays one. There may be no file at
 * its end: a restore that was stopped may have moved it.
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
        examine_file(request->from, request, "the backup", report, err) != ERR_OK ||
        copy_make(&copy, request, report, err) != ERR_OK ||
        set_mode(&copy, request->to, err) != ERR_OK ||
        give_to_owner(&copy, request->to, err) != ERR_OK ||
        move_registry_aside(request->to, err) != ERR_OK) {
        goto done;
    }
    err_kept(copy_rename(&copy, request->to, err));
done:
    copy_close(&copy);
    db_file_unlock(&lock);
    return err->code;
}

/* ---- compaction ---- */

static enum err_code get_file_bytes(const char *path, int64_t *out, struct err *err)
{
    struct db_stamp stamp;
    if (db_file_stamp(path, &stamp, err) == ERR_OK) {
        *out = (int64_t)stamp.n_bytes;
    }
    return err->code;
}

static int report_rewriting(void *ctx)
{
    const struct care_calls *calls = ctx;
    return !calls->progress(calls->ctx, "rewriting", 0, 0);
}

static enum err_code rewrite_file(struct conn *conn, const char *path,
                                  const struct care_calls *calls, int64_t *before, struct err *err)
{
    bool is_new = false;
    int schema = 0;
    if (conn_open(conn, path, CONN_WRITER, err) != ERR_OK ||
        db_file_identify(conn, path, &is_new, &schema, err) != ERR_OK ||
        conn_use_as_writer(conn, path, err) != ERR_OK) {
        return err->code;
    }
    /* What is still in the log counts as part of the size before. */
    sqlite3_wal_checkpoint_v2(conn->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (get_file_bytes(path, before, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA auto_vacuum=INCREMENTAL", path, err) != ERR_OK) {
        return err->code;
    }
    sqlite3_progress_handler(conn->sqlite, PROGRESS_OPS, report_rewriting, (void *)calls);
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
        err_kept(rewrite_file(&conn, path, calls, before, err));
        conn_close(&conn);
    }
    if (err->code == ERR_OK) {
        err_kept(get_file_bytes(path, after, err));
    }
    db_file_unlock(&lock);
    return err->code;
}
