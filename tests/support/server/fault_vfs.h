/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fails when it is told to: a layer over SQLite's own access to files.
 *
 * Operations are counted by kind; the n-th of a kind from now on can fail, be half done, or find no
 * room. Beside that the layer can keep what a disk would hold after a power cut: of each file what
 * was there at its last successful sync, and the changes since, of which any part may be lost.
 *
 * All of it belongs to the process and may be used from any thread.
 */
#ifndef FAULT_VFS_H
#define FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_op {
    FAULT_OPEN,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_TRUNCATE,
    FAULT_SYNC,
    FAULT_SIZE,     /* asking for the length of a file */
    FAULT_SHM_MAP,  /* memory shared by the connections of a file */
    FAULT_SHM_LOCK, /* taking a lock in it; giving it back never fails */
    FAULT_N_OPS
};

enum fault_how {
    FAULT_FAIL,     /* nothing is done, the error of the kind is given */
    FAULT_TEAR,     /* a write: its first half is done, then the error */
    FAULT_FULL,     /* a write: SQLITE_FULL */
    FAULT_NO_SPACE, /* the error of the kind, and the system says ENOSPC */
    FAULT_SHORT     /* a read: the file seems to end before it */
};

enum fault_file { FAULT_ANY_FILE, FAULT_DATABASE, FAULT_WAL, FAULT_OTHER_FILE };

struct fault {
    enum fault_op op;
    enum fault_how how;
    enum fault_file file;
    long at;       /* the operation that fails, from 1 */
    bool for_ever; /* and each after it */
};

/* Makes the layer the default; before a database is opened, in the main function of a test. */
void fault_vfs_register(void);

/* Counting begins again; NULL: nothing fails. */
void fault_vfs_set(const struct fault *fault);
/* How often the fault was met since it was set. */
long fault_vfs_met(void);

/* ---- power cuts ---- */

/*
 * From here on files are followed; only those opened later. `before` (may be NULL) is called with
 * the number of each change (write, truncation, sync, removal) before it is done; it may call
 * fault_vfs_write_image and nothing else of this header. NULL: files are forgotten.
 */
typedef void fault_change_fn(void *ctx, long n);
struct fault_watch {
    fault_change_fn *before;
    void *ctx;
    bool lies; /* the disk says that it has synced a log, and has not */
};
void fault_vfs_follow(const struct fault_watch *watch);

/*
 * Writes into a folder what the disk might hold when the power went at this change: all that was
 * synced, and of the later changes those 512-byte sectors that the seed picks (seed 0: none). Only
 * inside `before`. Failures fail the test.
 */
void fault_vfs_write_image(const char *folder, uint64_t seed);

#endif
