/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exchange.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

const char *request_header(const struct request *req, const char *name)
{
    for (int i = 0; i < req->n_headers; i++) {
        if (strcasecmp(req->headers[i].name, name) == 0) {
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

void response_header(struct response *res, const char *name, const char *value)
{
    assert(res->n_headers < EXCHANGE_MAX_HEADERS);
    res->headers[res->n_headers++] = (struct header){name, value};
}

/*
 * How many bytes follow a lead byte, -1: it is none; the lowest code point of that length, and the
 * bits of the lead byte itself.
 */
static int utf8_tail(unsigned char lead, unsigned *low, unsigned *bits)
{
    if (lead < 0x80) {
        *low = 0;
        *bits = lead;
        return 0;
    }
    if (lead >= 0xc2 && lead < 0xe0) {
        *low = 0x80;
        *bits = lead & 0x1fu;
        return 1;
    }
    if (lead >= 0xe0 && lead < 0xf0) {
        *low = 0x800;
        *bits = lead & 0x0fu;
        return 2;
    }
    if (lead >= 0xf0 && lead < 0xf5) {
        *low = 0x10000;
        *bits = lead & 0x07u;
        return 3;
    }
    return -1;
}

bool utf8_is_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    const unsigned char *end = p + len;
    while (p < end) {
        unsigned low = 0;
        unsigned code = 0;
        int tail = utf8_tail(*p++, &low, &code);
        if (tail < 0 || end - p < tail) {
            return false;
        }
        for (int i = 0; i < tail; i++, p++) {
            if ((*p & 0xc0u) != 0x80u) {
                return false;
            }
            code = code << 6 | (*p & 0x3fu);
        }
        if (code < low || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
            return false;
        }
    }
    return true;
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
