/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

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
