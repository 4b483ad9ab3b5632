/* SPDX-License-Identifier: Apache-2.0 */
#include "api/audit.h"

#include "base/mem.h"
#include "http/router.h"
#include "store/sqlite/db.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum err_code audit_new(struct audit **out, struct err *err)
{
    struct audit *audit = mem_zalloc(sizeof *audit);
    if (audit == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the audit log");
    }
    pthread_mutex_init(&audit->lock, NULL);
    *out = audit;
    return ERR_OK;
}

void audit_free(struct audit *audit)
{
    if (audit != NULL) {
        pthread_mutex_destroy(&audit->lock);
        mem_free(audit);
    }
}

void audit_add(struct audit *audit, const struct log *log, const struct request *req,
               const char *route, int status)
{
    struct audit_entry entry = {.at_ms = db_now_ms(),
                                .method = http_method_name(req->method),
                                .route = route,
                                .status = status};
    char digits[16];
    snprintf(entry.who, sizeof entry.who, "%s", req->caller.who != NULL ? req->caller.who : "");
    snprintf(entry.path, sizeof entry.path, "%s", req->path);
    if (!utf8_is_valid(entry.path, strlen(entry.path))) {
        for (char *c = entry.path; *c != '\0'; c++) {
            *c = (unsigned char)*c < 0x80 ? *c : '?'; /* of a character that was cut apart */
        }
    }
    if (req->ops != NULL && req->ops->address != NULL) {
        req->ops->address(req->exchange, entry.from);
    }
    pthread_mutex_lock(&audit->lock);
    entry.id = ++audit->newest;
    audit->entries[entry.id % AUDIT_ENTRIES] = entry;
    pthread_mutex_unlock(&audit->lock);
    snprintf(digits, sizeof digits, "%d", status);
    log_each(log, LOG_INFO, "change", "who", entry.who, "from", entry.from, "method", entry.method,
             "path", entry.path, "status", digits, NULL);
}

int64_t audit_before_newest(struct audit *audit, int n)
{
    pthread_mutex_lock(&audit->lock);
    int64_t newest = audit->newest;
    pthread_mutex_unlock(&audit->lock);
    return newest > n ? newest - n : 0;
}

int audit_read(struct audit *audit, int64_t after, struct audit_entry *out, int n)
{
    int count = 0;
    pthread_mutex_lock(&audit->lock);
    int64_t oldest = audit->newest > AUDIT_ENTRIES ? audit->newest - AUDIT_ENTRIES : 0;
    int64_t id = after > oldest ? after : oldest;
    while (id < audit->newest && count < n) {
        out[count++] = audit->entries[++id % AUDIT_ENTRIES];
    }
    pthread_mutex_unlock(&audit->lock);
    return count;
}
