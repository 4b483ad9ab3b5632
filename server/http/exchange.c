/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exchange.h"

#include "base/utf8.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

const char *request_header(const struct request *req, const char *name)
{
    for (int i = 0; i < req->n_headers; i++) {
        if (header_is(&req->headers[i], name)) {
            return req->headers[i].value;
        }
    }
    return NULL;
}

const char *request_query(const struct request *req, const char *key)
{
    for (int i = 0; i < req->n_query; i++) {
        if (strcmp(req->query[i].name, key) == 0) {
            return req->query[i].value;
        }
    }
    return NULL;
}

bool response_has(const struct response *res, const char *name)
{
    for (int i = 0; i < res->n_headers; i++) {
        if (header_is(&res->headers[i], name)) {
            return true;
        }
    }
    return false;
}

void response_header(struct response *res, const char *name, const char *value)
{
    assert(res->n_headers < EXCHANGE_MAX_HEADERS);
    res->headers[res->n_headers++] = (struct header){name, value};
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

bool percent_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '%') {
            int high = hex_digit(from[1]);
            int low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0 || high * 16 + low == 0) {
                return false;
            }
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return utf8_is_valid(text, (size_t)(to - text));
}
