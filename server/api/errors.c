/* SPDX-License-Identifier: Apache-2.0 */
#include "api/errors.h"

#include "api/umbridge_error.h"
#include "formats/json_write.h"
#include "base/utf8.h"

#include <string.h>

/* No default, so that the compiler warns of a code without a status. */
int error_status(enum err_code code)
{
    switch (code) {
    case ERR_OK:
        return 200;
    case ERR_INVALID:
    case ERR_SYNTAX:
    case ERR_SHAPE:
    case ERR_NONFINITE:
    case ERR_LIMIT:
    case ERR_UNSUPPORTED:
        return 400;
    case ERR_UNAUTHORIZED:
        return 401;
    case ERR_FORBIDDEN:
    case ERR_READ_ONLY:
        return 403;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_METHOD:
        return 405;
    case ERR_EXISTS:
    case ERR_CONFLICT:
    case ERR_CANCELLED:
    case ERR_BEHIND:
        return 409;
    case ERR_PRECONDITION:
        return 412;
    case ERR_TOO_LARGE:
        return 413;
    case ERR_MEDIA_TYPE:
        return 415;
    case ERR_MISDIRECTED:
        return 421;
    case ERR_NUMERIC:
    case ERR_REUSED:
        return 422;
    case ERR_RATE:
    case ERR_QUEUE_FULL:
        return 429;
    case ERR_ABANDONED:
        return 499; /* as in the logs of nginx; the client does not see it */
    case ERR_CORRUPT:
    case ERR_INTERNAL:
        return 500;
    case ERR_BUSY:
    case ERR_DRAINING:
    case ERR_IO: /* the disk may work again: a retry makes sense */
    case ERR_NOMEM:
        return 503;
    case ERR_DEADLINE:
        return 504;
    case ERR_FULL:
        return 507;
    }
    return 500;
}

/* A message may quote the client's text and cut it inside a character: '?' replaces what is no
 * UTF-8. */
static void make_utf8(char *text)
{
    if (!utf8_is_valid(text, strlen(text))) {
        for (char *p = text; *p != '\0'; p++) {
            *p = (unsigned char)*p < 0x80 ? *p : '?';
        }
    }
}

enum error_family error_family_of(const char *path)
{
    bool oip = strncmp(path, "/v2", 3) == 0 && (path[3] == '/' || path[3] == '\0');
    return oip ? ERRORS_OIP : umbridge_error_is_due(path) ? ERRORS_UMBRIDGE : ERRORS_NATIVE;
}

static void write_problem(struct json_write *json, const struct err *err, const char *primary,
                          int status)
{
    json_write_object(json, NULL);
    json_write_text(json, "type", "about:blank");
    json_write_text(json, "title", err_text(err->code));
    json_write_int(json, "status", status);
    json_write_text(json, "detail", err_msg(err));
    if (primary != NULL) {
        json_write_text(json, "primary", primary);
    }
    if (err->row >= 0) {
        json_write_int(json, "row", err->row);
    }
    if (err->line > 0) {
        json_write_int(json, "line", err->line);
    }
    if (err->column >= 0) {
        json_write_int(json, "column", err->column);
    }
    json_write_object_end(json);
    json_write_end(json);
}

static void write_oip_error(struct json_write *json, const struct err *err)
{
    json_write_object(json, NULL);
    json_write_text(json, "error", err_msg(err));
    json_write_object_end(json);
    json_write_end(json);
}

void error_body_write(enum error_family family, const struct err *err, const char *primary,
                      struct arena *arena, struct response *res)
{
    static const struct {
        const char *type;
        const char *no_memory;
    } forms[] = {
        [ERRORS_NATIVE] = {"application/problem+json",
                           "{\"type\":\"about:blank\",\"title\":\"out of memory\",\"status\":503}"},
        [ERRORS_OIP] = {"application/json", "{\"error\":\"out of memory\"}"},
        [ERRORS_UMBRIDGE] = {
            "application/json",
            "{\"error\":{\"type\":\"Unavailable\",\"message\":\"out of memory\"}}"}};
    struct textbuf text = textbuf_in(arena);
    struct json_write json = json_write_to(&text);
    struct err clean = *err;
    make_utf8(clean.msg);
    res->status = error_status(err->code);
    res->content_type = forms[family].type;
    switch (family) {
    case ERRORS_NATIVE:
        write_problem(&json, &clean, primary, res->status);
        break;
    case ERRORS_OIP:
        write_oip_error(&json, &clean);
        break;
    case ERRORS_UMBRIDGE:
        res->status = umbridge_error_status(err->code, res->status);
        umbridge_error_write(&json, err->code, err_msg(&clean));
        break;
    }
    res->body = text.data;
    res->n_body = text.len;
    if (textbuf_failed(&text)) {
        res->status = 503;
        res->body = forms[family].no_memory;
        res->n_body = strlen(res->body);
    }
    if (res->status == 401) {
        response_header(res, "WWW-Authenticate", "Bearer realm=\"surrogated\"");
    }
    if (res->status == 503 || res->status == 429) {
        char *seconds = arena_printf(arena, "%d", err->retry_s > 0 ? err->retry_s : 1);
        response_header(res, "Retry-After", seconds != NULL ? seconds : "1");
    }
}
