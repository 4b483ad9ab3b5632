/* SPDX-License-Identifier: Apache-2.0 */
#include "api/security_headers.h"

#include <strings.h>

static const struct header always[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
};

static bool has_header(const struct response *res, const char *name)
{
    for (int i = 0; i < res->n_headers; i++) {
        if (strcasecmp(res->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

void security_headers_add(struct response *res)
{
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (!has_header(res, always[i].name)) {
            response_header(res, always[i].name, always[i].value);
        }
    }
    if (!has_header(res, "ETag") && !has_header(res, "Cache-Control")) {
        response_header(res, "Cache-Control", "no-store");
    }
}
