/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of a registry: backup beside a running server, restore, and compaction.
 *
 * A copy is made by VACUUM INTO on a connection that cannot write. This is one read transaction,
 * whatever a server writes meanwhile, while sqlite3_backup, which copies page by page, would begin
 * again at each commit. It neither writes to the source nor folds its log in, includes what is only
 * in the write-ahead log, leaves free pages out and rebuilds every index. A copy has no log of its
 * own, so a replica may read it in a folder that it cannot write to. While a copy is being made,
 * the log of a running server grows.
 *
 * A copy gets its name only when it is complete, on disk and examined (check_file.h). So a name
 * that existed means the old file or the new one, whenever the machine stops.
 */
#ifndef BACKUP_H
#define BACKUP_H

#include "store/care/check_file.h"

struct backup_request {
    const char *from;
    const char *to;
    bool force;   /* `to` may exist */
    bool damaged; /* accept damaged content: a copy of a damaged registry is better than none */
    const struct care_calls *calls;
};

/*
 * Copies the registry `from` to the file `to`. *report is about the copy. ERR_EXISTS; ERR_CONFLICT:
 * `to` is `from`, or a registry in use; ERR_CORRUPT: the findings have been reported; ERR_FULL,
 * ERR_IO, ERR_CANCELLED; otherwise as of db_open. After an error `to` is as it was.
 */
enum err_code backup_make(const struct backup_request *request, struct check_report *report,
                          struct err *err) MUST_CHECK;

/*
 * Examines the backup `from` and puts a copy of it in the place of the registry `to`, which no
 * server may have open (ERR_CONFLICT). With force an existing registry is kept as
 * TO.before-restore, together with its write-ahead log, so that this log can never be applied to
 * the new file. If a file of that name exists, the error is ERR_EXISTS. Other errors as of
 * backup_make.
 */
enum err_code backup_restore(const struct backup_request *request, struct check_report *report,
                             struct err *err) MUST_CHECK;

/*
 * Rewrites the registry in place, without free pages and in a form that db_tidy can shorten later.
 * No server may have it open (ERR_CONFLICT). The disk needs free space of twice its size. *before
 * and *after: bytes of the file.
 */
enum err_code backup_compact(const char *path, const struct care_calls *calls, int64_t *before,
                             int64_t *after, struct err *err) MUST_CHECK;

#endif
