/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db_presence.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "store/sqlite/db_priv.h"

/* The lock is on a descriptor of the very file that SQLite has open. */
enum err_code db_check_presence(const struct db *db, struct err *err)
{
    struct stat opened;
    struct stat there;
    if (db->read_only || db->lock.file < 0 || fstat(db->lock.file, &opened) != 0) {
        return ERR_OK;
    }
    if (stat(db->path, &there) != 0) {
        return err_set(err, ERR_IO,
                       "the registry file has been removed while the server has it open; put it "
                       "back, or stop the server and restore a backup");
    }
    if (there.st_dev != opened.st_dev || there.st_ino != opened.st_ino) {
        return err_set(err, ERR_IO,
                       "another file has taken the place of the registry file; put the file back, "
                       "or restart the server to use the new one");
    }
    return ERR_OK;
}

static int64_t size_of(const char *path, const char *suffix)
{
    struct stat about;
    char name[DB_FILE_NAME_BYTES];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &about) == 0 ? about.st_size : 0;
}

struct db_room db_measure_room(const struct db *db)
{
    struct db_room room = {.free_bytes = -1};
    struct statvfs disk;
    if (db->lock.file >= 0 ? fstatvfs(db->lock.file, &disk) == 0 : statvfs(db->path, &disk) == 0) {
        room.free_bytes = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    }
    room.file_bytes = size_of(db->path, "");
    room.wal_bytes = size_of(db->path, "-wal");
    room.reserve_bytes = size_of(db->path, "-reserve");
    return room;
}
