/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: a code that callers branch on and one sentence for the person at the other end.
 *
 * A function that can fail returns enum err_code and takes `struct err *` last; the struct is the
 * caller's, never NULL. The first error wins: err_set on a struct that holds an error changes
 * nothing, so a cleanup path cannot hide the cause.
 */
#ifndef ERR_H
#define ERR_H

#include "base/compiler.h"

enum err_code {
#define ERR(code, text) ERR_##code,
#include "base/err.def"
#undef ERR
};

struct err {
    enum err_code code;
    int row;       /* place in a tensor, 0-based; -1: none */
    int column;    /* 0-based; -1: none */
    int retry_s;   /* seconds after which another try makes sense; 0: nothing known */
    char msg[240]; /* empty, or a sentence without capital and full stop */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        .code = ERR_OK, .row = -1, .column = -1, .retry_s = 0, .msg = ""                           \
    }

/* Sets code and message unless an error is already there; returns the code that stands. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set, and names the place in a tensor; -1 where a coordinate does not apply. */
enum err_code err_set_at(struct err *err, enum err_code code, int row, int column, const char *fmt,
                         ...) PRINTF_LIKE(5, 6);

/* Puts "prefix: " before the message; no effect without an error. */
void err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* For a call whose outcome stands in its err and is looked at a little later. */
static inline void err_kept(enum err_code code)
{
    (void)code;
}

/* Forgets an error. */
void err_clear(struct err *err);

/* The code's sentence in err.def, as "out of memory"; a constant string. */
const char *err_text(enum err_code code);

/* The message, or the code's default sentence when the message is empty. */
const char *err_msg(const struct err *err);

#endif
