/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_vfs.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "disk_image.h"

struct faulty_file {
    sqlite3_file base;
    enum fault_file kind;
    struct disk_file *shadow; /* NULL: not followed */
    sqlite3_file *real;       /* behind this struct */
};

static struct {
    sqlite3_vfs shim;
    sqlite3_vfs *real;
    pthread_mutex_t lock; /* guards what follows */
    struct fault fault;
    bool armed;
    long seen; /* operations that the fault is about */
    long met;
    bool following;
    struct fault_watch watch;
    long changes;
} vfs = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const int errors[FAULT_N_OPS] = {
    [FAULT_OPEN] = SQLITE_CANTOPEN,        [FAULT_READ] = SQLITE_IOERR_READ,
    [FAULT_WRITE] = SQLITE_IOERR_WRITE,    [FAULT_TRUNCATE] = SQLITE_IOERR_TRUNCATE,
    [FAULT_SYNC] = SQLITE_IOERR_FSYNC,     [FAULT_SIZE] = SQLITE_IOERR_FSTAT,
    [FAULT_SHM_MAP] = SQLITE_IOERR_SHMMAP, [FAULT_SHM_LOCK] = SQLITE_IOERR_SHMLOCK,
};

void fault_vfs_set(const struct fault *fault)
{
    pthread_mutex_lock(&vfs.lock);
    vfs.armed = fault != NULL;
    vfs.fault = fault != NULL ? *fault : (struct fault){.at = 0};
    vfs.seen = 0;
    vfs.met = 0;
    pthread_mutex_unlock(&vfs.lock);
}

long fault_vfs_met(void)
{
    pthread_mutex_lock(&vfs.lock);
    long met = vfs.met;
    pthread_mutex_unlock(&vfs.lock);
    return met;
}

/* Counts an operation. True: it fails, *how and *status say in what way. */
static bool must_fail(enum fault_op op, enum fault_file kind, enum fault_how *how, int *status)
{
    bool fails = false;
    pthread_mutex_lock(&vfs.lock);
    const struct fault *f = &vfs.fault;
    if (vfs.armed && f->op == op && (f->file == FAULT_ANY_FILE || f->file == kind)) {
        vfs.seen++;
        fails = vfs.seen == f->at || (f->for_ever && vfs.seen > f->at);
        vfs.met += fails;
        *how = f->how;
    }
    pthread_mutex_unlock(&vfs.lock);
    if (fails) {
        *status = *how == FAULT_FULL ? SQLITE_FULL : errors[op];
        errno = *how == FAULT_NO_SPACE ? ENOSPC : EIO;
    }
    return fails;
}

static struct faulty_file *as_faulty(sqlite3_file *file)
{
    return (struct faulty_file *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return as_faulty(file)->real;
}

/* ---- changes, which power cuts are about ---- */

/* Tells the watcher; the lock stays held until end_change. */
static void begin_change(void)
{
    pthread_mutex_lock(&vfs.lock);
    if (vfs.following) {
        vfs.changes++;
        if (vfs.watch.before != NULL) {
            vfs.watch.before(vfs.watch.ctx, vfs.changes);
        }
    }
}

static void end_change(void)
{
    pthread_mutex_unlock(&vfs.lock);
}

void fault_vfs_follow(const struct fault_watch *watch)
{
    pthread_mutex_lock(&vfs.lock);
    vfs.following = watch != NULL;
    vfs.watch = watch != NULL ? *watch : (struct fault_watch){.before = NULL};
    vfs.changes = 0;
    disk_forget();
    pthread_mutex_unlock(&vfs.lock);
}

void fault_vfs_write_image(const char *folder, uint64_t seed)
{
    disk_write_image(folder, seed);
}

/* ---- methods of a file ---- */

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    enum fault_how how;
    int status = SQLITE_OK;
    if (!must_fail(FAULT_READ, as_faulty(file)->kind, &how, &status)) {
        return real_of(file)->pMethods->xRead(real_of(file), out, n, at);
    }
    if (how != FAULT_SHORT) {
        return status;
    }
    memset(out, 0, (size_t)n);
    return SQLITE_IOERR_SHORT_READ;
}

static int change_bytes(struct faulty_file *f, const void *bytes, int n, sqlite3_int64 at)
{
    begin_change();
    int status = f->real->pMethods->xWrite(f->real, bytes, n, at);
    if (status == SQLITE_OK && f->shadow != NULL) {
        disk_note_write(f->shadow, at, bytes, (size_t)n);
    }
    end_change();
    return status;
}

static int file_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct faulty_file *f = as_faulty(file);
    enum fault_how how;
    int status = SQLITE_OK;
    bool fails = must_fail(FAULT_WRITE, f->kind, &how, &status);
    if (fails && how == FAULT_TEAR) {
        (void)change_bytes(f, bytes, n / 2, at);
    }
    return fails ? status : change_bytes(f, bytes, n, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct faulty_file *f = as_faulty(file);
    enum fault_how how;
    int status = SQLITE_OK;
    if (must_fail(FAULT_TRUNCATE, f->kind, &how, &status)) {
        return status;
    }
    begin_change();
    status = f->real->pMethods->xTruncate(f->real, size);
    if (status == SQLITE_OK && f->shadow != NULL) {
        disk_note_truncate(f->shadow, size);
    }
    end_change();
    return status;
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct faulty_file *f = as_faulty(file);
    enum fault_how how;
    int status = SQLITE_OK;
    if (must_fail(FAULT_SYNC, f->kind, &how, &status)) {
        return status;
    }
    begin_change();
    /* The machine goes on running, so nobody waits for its own disk. */
    if (f->shadow != NULL && !(vfs.watch.lies && f->kind == FAULT_WAL)) {
        disk_note_sync(f->shadow);
    }
    end_change();
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    enum fault_how how;
    int status = SQLITE_OK;
    return must_fail(FAULT_SIZE, as_faulty(file)->kind, &how, &status)
               ? status
               : real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_lock(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int file_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_device(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    enum fault_how how;
    int status = SQLITE_OK;
    if (must_fail(FAULT_SHM_MAP, as_faulty(file)->kind, &how, &status)) {
        *out = NULL;
        return status;
    }
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    enum fault_how how;
    int status = SQLITE_OK;
    if ((flags & SQLITE_SHM_LOCK) != 0 &&
        must_fail(FAULT_SHM_LOCK, as_faulty(file)->kind, &how, &status)) {
        return status;
    }
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

/* Version 2: write-ahead logs, and no mapped reading, which would pass by this layer. */
static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = file_close,
                                           .xRead = file_read,
                                           .xWrite = file_write,
                                           .xTruncate = file_truncate,
                                           .xSync = file_sync,
                                           .xFileSize = file_size,
                                           .xLock = file_lock,
                                           .xUnlock = file_unlock,
                                           .xCheckReservedLock = file_check_lock,
                                           .xFileControl = file_control,
                                           .xSectorSize = file_sector,
                                           .xDeviceCharacteristics = file_device,
                                           .xShmMap = shm_map,
                                           .xShmLock = shm_lock,
                                           .xShmBarrier = shm_barrier,
                                           .xShmUnmap = shm_unmap};

/* ---- methods of the file system ---- */

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags, int *out)
{
    struct faulty_file *f = as_faulty(file);
    enum fault_how how;
    int status = SQLITE_OK;
    int there = 0;
    (void)self;
    memset(f, 0, sizeof *f);
    f->kind = (flags & SQLITE_OPEN_MAIN_DB) != 0 ? FAULT_DATABASE
              : (flags & SQLITE_OPEN_WAL) != 0   ? FAULT_WAL
                                                 : FAULT_OTHER_FILE;
    if (must_fail(FAULT_OPEN, f->kind, &how, &status)) {
        return status;
    }
    if (path != NULL) {
        (void)vfs.real->xAccess(vfs.real, path, SQLITE_ACCESS_EXISTS, &there);
    }
    f->real = (sqlite3_file *)(f + 1);
    memset(f->real, 0, (size_t)vfs.real->szOsFile);
    status = vfs.real->xOpen(vfs.real, path, f->real, flags, out);
    if (status != SQLITE_OK) {
        if (f->real->pMethods != NULL) {
            f->real->pMethods->xClose(f->real);
        }
        return status;
    }
    f->base.pMethods = &methods;
    pthread_mutex_lock(&vfs.lock);
    if (vfs.following && path != NULL && (flags & SQLITE_OPEN_DELETEONCLOSE) == 0) {
        /* SQLite syncs the folder with the first sync of a journal or log that it has made. */
        f->shadow = disk_follow(path, there != 0, f->kind != FAULT_DATABASE && there == 0);
    }
    pthread_mutex_unlock(&vfs.lock);
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *self, const char *path, int sync_folder)
{
    (void)self;
    begin_change();
    int status = vfs.real->xDelete(vfs.real, path, 0);
    if (status == SQLITE_OK && vfs.following) {
        disk_note_remove(path, sync_folder != 0);
    }
    end_change();
    return status;
}

static int vfs_access(sqlite3_vfs *self, const char *path, int flags, int *out)
{
    (void)self;
    return vfs.real->xAccess(vfs.real, path, flags, out);
}

static int vfs_full_path(sqlite3_vfs *self, const char *path, int n, char *out)
{
    (void)self;
    return vfs.real->xFullPathname(vfs.real, path, n, out);
}

static int vfs_randomness(sqlite3_vfs *self, int n, char *out)
{
    (void)self;
    return vfs.real->xRandomness(vfs.real, n, out);
}

static int vfs_sleep(sqlite3_vfs *self, int us)
{
    (void)self;
    return vfs.real->xSleep(vfs.real, us);
}

static int vfs_time(sqlite3_vfs *self, double *out)
{
    (void)self;
    return vfs.real->xCurrentTime(vfs.real, out);
}

static int vfs_time_ms(sqlite3_vfs *self, sqlite3_int64 *out)
{
    (void)self;
    return vfs.real->xCurrentTimeInt64(vfs.real, out);
}

static int vfs_last_error(sqlite3_vfs *self, int n, char *out)
{
    (void)self;
    return vfs.real->xGetLastError(vfs.real, n, out);
}

void fault_vfs_register(void)
{
    vfs.real = sqlite3_vfs_find(NULL);
    if (vfs.real == NULL) {
        abort();
    }
    vfs.shim = (sqlite3_vfs){.iVersion = 2,
                             .szOsFile = (int)sizeof(struct faulty_file) + vfs.real->szOsFile,
                             .mxPathname = vfs.real->mxPathname,
                             .zName = "faulty",
                             .xOpen = vfs_open,
                             .xDelete = vfs_delete,
                             .xAccess = vfs_access,
                             .xFullPathname = vfs_full_path,
                             .xRandomness = vfs_randomness,
                             .xSleep = vfs_sleep,
                             .xCurrentTime = vfs_time,
                             .xGetLastError = vfs_last_error,
                             .xCurrentTimeInt64 = vfs_time_ms};
    if (sqlite3_vfs_register(&vfs.shim, 1) != SQLITE_OK) {
        abort();
    }
}
