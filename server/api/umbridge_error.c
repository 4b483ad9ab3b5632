/* SPDX-License-Identifier: Apache-2.0 */
#include "api/umbridge_error.h"

#include <string.h>

bool umbridge_error_is_due(const char *path)
{
    static const char *const paths[] = {
#define ROUTE(method, pattern, handler, label, role, query) pattern,
#include "api/routes.def"
#undef ROUTE
    };
    if (path[0] != '/' || path[1] < 'A' || path[1] > 'Z') {
        return false;
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (strcmp(path, paths[i]) == 0) {
            return true;
        }
    }
    return false;
}

int umbridge_error_status(enum err_code code, int usual)
{
    return code == ERR_NOT_FOUND ? 400 : code == ERR_NUMERIC ? 500 : usual;
}

/*
 * The first four are the protocol's own; the others say in one word what the status says. No
 * default, so that the compiler warns of a code without a type.
 */
static const char *type_of(enum err_code code)
{
    switch (code) {
    case ERR_NOT_FOUND:
        return "ModelNotFound";
    case ERR_UNSUPPORTED:
        return "UnsupportedFeature";
    case ERR_INVALID:
    case ERR_SYNTAX:
    case ERR_SHAPE:
    case ERR_NONFINITE:
    case ERR_LIMIT:
    case ERR_MEDIA_TYPE:
        return "InvalidInput";
    case ERR_NUMERIC:
        return "InvalidOutput";
    case ERR_UNAUTHORIZED:
        return "Unauthorized";
    case ERR_FORBIDDEN:
    case ERR_MISDIRECTED:
    case ERR_READ_ONLY:
        return "Forbidden";
    case ERR_METHOD:
        return "MethodNotAllowed";
    case ERR_TOO_LARGE:
        return "TooLarge";
    case ERR_RATE:
    case ERR_QUEUE_FULL:
        return "TooManyRequests";
    case ERR_DEADLINE:
        return "Timeout";
    case ERR_BUSY:
    case ERR_BEHIND:
    case ERR_DRAINING:
    case ERR_ABANDONED:
    case ERR_IO:
    case ERR_FULL:
    case ERR_NOMEM:
        return "Unavailable";
    case ERR_OK:
    case ERR_EXISTS:
    case ERR_CONFLICT:
    case ERR_PRECONDITION:
    case ERR_REUSED:
    case ERR_CANCELLED:
    case ERR_CORRUPT:
    case ERR_INTERNAL:
        break;
    }
    return "InternalError";
}

void umbridge_error_write(struct json_write *json, enum err_code code, const char *message)
{
    json_write_object(json, NULL);
    json_write_object(json, "error");
    json_write_text(json, "type", type_of(code));
    json_write_text(json, "message", message);
    json_write_object_end(json);
    json_write_object_end(json);
    json_write_end(json);
}
