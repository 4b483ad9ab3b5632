/* SPDX-License-Identifier: Apache-2.0 */
/* wcwidth is an XSI function. */
#define _XOPEN_SOURCE 700
#include "client/terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define DEFAULT_WIDTH 80
#define MAX_WIDTH     1000

bool terminal_is(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

bool terminal_can_redraw(FILE *file)
{
    const char *kind = getenv("TERM");
    return terminal_is(file) && (kind == NULL || strcmp(kind, "dumb") != 0);
}

/* Does it take escape sequences? It must be a terminal, not dumb, and NO_COLOR not be set. */
static bool has_styles(FILE *file)
{
    /* https://no-color.org: present and not empty. */
    const char *no_color = getenv("NO_COLOR");
    return terminal_can_redraw(file) && (no_color == NULL || *no_color == '\0');
}

int terminal_width(FILE *file)
{
    struct winsize size = {.ws_col = 0};
    const char *columns = getenv("COLUMNS");
    long width = 0;
    if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0) {
        width = size.ws_col;
    }
    if (width <= 0 && columns != NULL) {
        width = strtol(columns, NULL, 10);
    }
    return width > 0 && width <= MAX_WIDTH ? (int)width : DEFAULT_WIDTH;
}

const char *terminal_on(FILE *file, enum terminal_style style)
{
    static const char *const sequences[] = {[STYLE_BOLD] = "\x1b[1m",
                                            [STYLE_GOOD] = "\x1b[32m",
                                            [STYLE_BAD] = "\x1b[31m",
                                            [STYLE_BAR] = "\x1b[36m"};
    return has_styles(file) ? sequences[style] : "";
}

const char *terminal_off(FILE *file)
{
    return has_styles(file) ? "\x1b[0m" : "";
}

/* One character of UTF-8; its length, or 0 if the bytes are not UTF-8 (overlong forms are not). */
static size_t decode(const char *text, uint32_t *out)
{
    static const uint32_t min[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (len == 0 || s[0] > 0xf4) {
        return 0;
    }
    uint32_t value = len == 1 ? s[0] : s[0] & (0xffU >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (s[i] & 0x3fU);
    }
    if (len > 1 && (value < min[len] || (value >= 0xd800 && value < 0xe000) || value > 0x10ffff)) {
        return 0;
    }
    *out = value;
    return len;
}

static bool controls_terminals(uint32_t c)
{
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    bool direction = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
                     c == 0x200f || c == 0x061c;
    return control || direction || c == 0x2028 || c == 0x2029;
}

void terminal_escape(struct textbuf *out, const char *text)
{
    while (*text != '\0') {
        uint32_t c = 0;
        size_t len = decode(text, &c);
        if (len == 0) {
            textbuf_printf(out, "\\x%02x", (unsigned char)*text);
            len = 1;
        } else if (controls_terminals(c)) {
            textbuf_printf(out, c < 0x80 ? "\\x%02x" : "\\u{%x}", (unsigned)c);
        } else {
            textbuf_put(out, text, len);
        }
        text += len;
    }
}

/* A character that wcwidth does not know in this locale counts as one column. */
static int character_columns(uint32_t c)
{
    int width = c < 0x80 ? 1 : wcwidth((wchar_t)c);
    return width < 0 ? 1 : width;
}

size_t terminal_cut(const char *text, int columns)
{
    size_t at = 0;
    int used = 0;
    while (text[at] != '\0') {
        uint32_t c = '?';
        size_t len = decode(text + at, &c);
        used += character_columns(c);
        if (used > columns) {
            break;
        }
        at += len > 0 ? len : 1;
    }
    return at;
}

int terminal_columns(const char *text)
{
    int used = 0;
    for (size_t at = 0; text[at] != '\0';) {
        uint32_t c = '?';
        size_t len = decode(text + at, &c);
        used += character_columns(c);
        at += len > 0 ? len : 1;
    }
    return used;
}
