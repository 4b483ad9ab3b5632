/* SPDX-License-Identifier: Apache-2.0 */
#include "api/handlers.h"

#include "api/reply.h"

#define STANDARD_LIMIT 100

static void write_entry(struct json_write *json, const struct audit_entry *entry)
{
    json_write_object(json, NULL);
    json_write_int(json, "id", entry->id);
    reply_write_time(json, "at", entry->at_ms);
    json_write_text(json, "who", entry->who);
    json_write_text(json, "from", entry->from[0] != '\0' ? entry->from : NULL);
    json_write_text(json, "method", entry->method);
    json_write_text(json, "route", entry->route);
    json_write_text(json, "path", entry->path);
    json_write_int(json, "status", entry->status);
    json_write_object_end(json);
}

enum err_code handle_audit_list(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    int64_t limit = STANDARD_LIMIT;
    int64_t after = -1;
    int n = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_query_int(req, "limit", 1, AUDIT_ENTRIES, &limit, err) != ERR_OK ||
        reply_query_int(req, "after", 0, INT64_MAX, &after, err) != ERR_OK) {
        return err->code;
    }
    struct audit_entry *entries = arena_alloc_array(req->arena, (size_t)limit, sizeof *entries);
    if (entries == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the audit log");
    }
    if (app->audit != NULL) {
        after = after >= 0 ? after : audit_before_newest(app->audit, (int)limit);
        n = audit_read(app->audit, after, entries, (int)limit);
    }
    json_write_object(&json, NULL);
    json_write_array(&json, "entries");
    for (int i = 0; i < n; i++) {
        write_entry(&json, &entries[i]);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}
