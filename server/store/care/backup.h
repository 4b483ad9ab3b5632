/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of a registry: backup beside a running server, restore, and compaction.
 *
 * A copy is made by VACUUM INTO on a connection that cannot write. That is one read transaction
 * whatever a server writes meanwhile (the page-wise sqlite3_backup would begin again at each
 * commit), it neither writes nor checkpoints the source, it takes what is still in the write-ahead
 * log, leaves free pages out and rebuilds every index. A copy has no write-ahead log of its own, so
 * a replica may read it in a folder it cannot write to. While it is made a server's log grows.
 *
 * A copy gets its name only when it is whole, on disk and examined (check_file.h): a name that was
 * there means the old file or the new one, whenever the machine stops.
 */
#ifndef BACKUP_H
#define BACKUP_H

#include "store/care/check_file.h"

struct backup_request {
    const char *from;
    const char *to;
    bool force;   /* `to` may be there */
    bool damaged; /* contents may be damaged (a copy of a damaged registry is better than none) */
    const struct care_calls *calls;
};

/*
 * Copies the registry `from` to the file `to`. *report is about the copy. ERR_EXISTS; ERR_CONFLICT
 * (`to` is `from`, or a registry in use); ERR_CORRUPT (findings were told); ERR_FULL, ERR_IO,
 * ERR_CANCELLED; else as db_open. After an error `to` is as it was.
 */
enum err_code backup_make(const struct backup_request *request, struct check_report *report,
                          struct err *err) MUST_CHECK;

/*
 * Examines the backup `from` and puts a copy in the place of the registry `to`, which no server may
 * have open (ERR_CONFLICT). With force a registry that is there is kept as TO.before-restore with
 * its write-ahead log, so that this log can never be applied to the new file; when such a file is
 * there already, ERR_EXISTS. Other errors as of backup_make.
 */
enum err_code backup_restore(const struct backup_request *request, struct check_report *report,
                             struct err *err) MUST_CHECK;

/*
 * Rewrites the registry in place without free pages, and so that db_tidy works on it from then on.
 * No server may have it open (ERR_CONFLICT). Needs free space of twice its size on the disk.
 * *before and *after: bytes of the file.
 */
enum err_code backup_compact(const char *path, const struct care_calls *calls, int64_t *before,
                             int64_t *after, struct err *err) MUST_CHECK;

#endif
