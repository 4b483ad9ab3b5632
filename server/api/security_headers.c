/* SPDX-License-Identifier: Apache-2.0 */
#include "api/security_headers.h"

static const struct header always[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
};

void security_headers_add(struct response *res)
{
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (!response_has(res, always[i].name)) {
            response_header(res, always[i].name, always[i].value);
        }
    }
    if (!response_has(res, "ETag") && !response_has(res, "Cache-Control")) {
        response_header(res, "Cache-Control", "no-store");
    }
}
