/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db_reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite/db_presence.h"
#include "store/sqlite/db_priv.h"
#include "store/sqlite/db_tidy.h"

#define FREE_FACTOR 2   /* the disk must have so much more before room is taken from it */
#define MAX_STEPS   256 /* of db_tidy_step after one deletion: at most 256 MB */

/* Is there a file that holds the whole room? A process that was killed leaves one. */
static bool is_whole(const struct db_reserve *r)
{
    struct stat about;
    return stat(r->path, &about) == 0 && about.st_size >= r->n_bytes &&
           (int64_t)about.st_blocks * 512 >= r->n_bytes;
}

static bool make_file(const struct db_reserve *r)
{
    int fd = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool made = fd >= 0 && posix_fallocate(fd, 0, (off_t)r->n_bytes) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!made) {
        unlink(r->path);
    }
    return made;
}

static bool has_plenty(const struct db *db)
{
    return db_measure_room(db).free_bytes >= FREE_FACTOR * db->reserve.n_bytes;
}

/* Under the write lock. */
static void renew(struct db *db)
{
    struct db_reserve *r = &db->reserve;
    if (!r->there && r->n_bytes > 0) {
        r->there = is_whole(r) || (has_plenty(db) && make_file(r));
    }
    r->spent = r->spent && !r->there;
}

void db_reserve_init(struct db *db, int64_t n_bytes)
{
    struct db_reserve *r = &db->reserve;
    r->n_bytes = db->read_only ? 0 : n_bytes;
    snprintf(r->path, sizeof r->path, "%s-reserve", db->path);
    renew(db);
}

void db_reserve_release(struct db *db)
{
    if (db->reserve.there && has_plenty(db)) {
        unlink(db->reserve.path);
    }
}

bool db_reserve_refuses(struct db *db)
{
    struct db_reserve *r = &db->reserve;
    if (!r->spent || (r->is_freeing && pthread_equal(r->freeing, pthread_self()))) {
        return false;
    }
    if (!r->is_freeing) {
        renew(db);
    }
    return r->spent;
}

/* Gives the room to the calling thread; false: there is none. */
static bool take_room(struct db *db)
{
    struct db_reserve *r = &db->reserve;
    pthread_mutex_lock(&db->write_lock);
    bool has = r->there || r->spent;
    if (r->there) {
        unlink(r->path);
    }
    if (has) {
        r->there = false;
        r->spent = true;
        r->is_freeing = true;
        r->freeing = pthread_self();
    }
    pthread_mutex_unlock(&db->write_lock);
    return has;
}

static void fold_log(struct db *db)
{
    pthread_mutex_lock(&db->write_lock);
    conn_fold_log(&db->writer);
    pthread_mutex_unlock(&db->write_lock);
}

/*
 * Shortens the file until the reserve can be made again, or no page is free. The log may hold pages
 * that the file on the disk does not have yet; it is folded in only when the file has become so
 * short that this takes no room.
 */
static void give_room_back(struct db *db)
{
    struct err ignored = ERR_INIT; /* the next write tries again */
    int64_t n_bytes = 0;
    int n = 1;
    for (int i = 0; i < MAX_STEPS && n > 0 && !has_plenty(db); i++) {
        if (db_tidy_step(db, &n, &n_bytes, &ignored) != ERR_OK) {
            break;
        }
        if (n_bytes <= db_measure_room(db).file_bytes) {
            fold_log(db);
        }
    }
    pthread_mutex_lock(&db->write_lock);
    db->reserve.is_freeing = false;
    renew(db);
    pthread_mutex_unlock(&db->write_lock);
}

/* With the room. What is left of the log may take so much of the disk that it must be folded in
 * first; that is the second choice, for it may need room itself. */
static void delete_again(struct db *db, db_deletion *deletion, void *ctx, struct err *err)
{
    err_clear(err);
    if (deletion(db, ctx, err) == ERR_FULL) {
        fold_log(db);
        err_clear(err);
        err_kept(deletion(db, ctx, err));
    }
}

enum err_code db_free_room(struct db *db, db_deletion *deletion, void *ctx, struct err *err)
{
    if (deletion(db, ctx, err) != ERR_FULL || db->reserve.n_bytes == 0) {
        return err->code;
    }
    pthread_mutex_lock(&db->reserve.freeing_lock);
    if (take_room(db)) {
        delete_again(db, deletion, ctx, err);
        give_room_back(db);
    }
    pthread_mutex_unlock(&db->reserve.freeing_lock);
    if (err->code == ERR_FULL) {
        err_clear(err);
        err_set(err, ERR_FULL,
                "the disk is full, and the room kept for deletions (reserve_mb) does not suffice: "
                "nothing was deleted; delete less at a time, or make room on the disk");
    }
    return err->code;
}
