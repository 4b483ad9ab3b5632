/* SPDX-License-Identifier: Apache-2.0 */
/*
 * https://sw.kovidgoyal.net/kitty/graphics-protocol/: a PNG (f=100) in base64, in pieces of at most
 * 4096 bytes, each in an escape sequence of its own; m=1 says that another one follows.
 */
#include "client/picture.h"

#include <stdlib.h>
#include <string.h>

#define PIECE 4096

bool picture_can_show(void)
{
    static const char *const terms[] = {"xterm-kitty", "xterm-ghostty", "wezterm"};
    const char *term = getenv("TERM");
    const char *program = getenv("TERM_PROGRAM");
    const char *kitty = getenv("KITTY_WINDOW_ID");
    const char *konsole = getenv("KONSOLE_VERSION");
    for (size_t i = 0; term != NULL && i < sizeof terms / sizeof *terms; i++) {
        if (strcmp(term, terms[i]) == 0) {
            return true;
        }
    }
    return (kitty != NULL && *kitty != '\0') || (konsole != NULL && *konsole != '\0') ||
           (program != NULL &&
            (strcmp(program, "WezTerm") == 0 || strcmp(program, "ghostty") == 0));
}

/* out [4 ceil(n / 3)] <- the bytes in base64. */
static size_t encode(const char *bytes, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;
    for (size_t i = 0; i < n; i += 3) {
        unsigned long group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (i + k < n ? (unsigned char)bytes[i + k] : 0u);
        }
        for (size_t k = 0; k < 4; k++) {
            out[len++] = i + k <= n ? digits[group >> (18 - 6 * k) & 63] : '=';
        }
    }
    return len;
}

enum err_code picture_show(struct arena *arena, const char *bytes, size_t n, FILE *out,
                           struct err *err)
{
    char *text = arena_alloc(arena, (n + 2) / 3 * 4 + 1);
    if (text == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    size_t len = encode(bytes, n, text);
    for (size_t at = 0; at < len; at += PIECE) {
        size_t piece = len - at < PIECE ? len - at : PIECE;
        fprintf(out, "\x1b_G%sm=%d;", at == 0 ? "a=T,f=100," : "", at + piece < len);
        fwrite(text + at, 1, piece, out);
        fputs("\x1b\\", out);
    }
    fputc('\n', out);
    return ERR_OK;
}
