/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: a code that callers branch on, and one sentence for the person at the other end.
 *
 * A function that can fail returns enum err_code and takes a `struct err *` as its last parameter.
 * The struct belongs to the caller and is never NULL. The first error wins: err_set changes nothing
 * in a struct that already holds an error, so that a cleanup path cannot hide the cause.
 */
#ifndef ERR_H
#define ERR_H

#include "base/compiler.h"

#include <stdint.h>

enum err_code {
#define ERR(code, text) ERR_##code,
#include "base/err.def"
#undef ERR
};

struct err {
    enum err_code code;
    int row;       /* place in a tensor, 0-based; -1: none */
    int column;    /* 0-based; -1: none */
    int64_t line;  /* of a text that the client sent, counted from 1; 0: none */
    int retry_s;   /* seconds after which the client may try again; 0: unknown */
    char msg[240]; /* empty, or a sentence without a capital letter and a full stop */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        .code = ERR_OK, .row = -1, .column = -1, .line = 0, .retry_s = 0, .msg = ""                \
    }

/* Sets code and message unless there is an error already; returns the code that the struct then
 * has. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set, and says where in a tensor; -1 where a coordinate does not apply. */
enum err_code err_set_at(struct err *err, enum err_code code, int row, int column, const char *fmt,
                         ...) PRINTF_LIKE(5, 6);

/* Puts "prefix: " before the message; does nothing when there is no error. */
void err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Marks a call whose result may be ignored, because its err is looked at a little later. */
static inline void err_kept(enum err_code code)
{
    (void)code;
}

/* Back to no error. */
void err_clear(struct err *err);

/* The code's sentence in err.def, as "out of memory"; a constant string. */
const char *err_text(enum err_code code);

/* The message, or the code's default sentence when the message is empty. */
const char *err_msg(const struct err *err);

#endif
