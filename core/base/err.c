/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const err_texts[] = {
#define ERR(code, text) text,
#include "base/err.def"
#undef ERR
};

PRINTF_LIKE(5, 0)
static void err_vset(struct err *err, enum err_code code, int row, int column, const char *fmt,
                     va_list args)
{
    err->code = code;
    err->row = row;
    err->column = column;
    err->line = 0;
    err->retry_s = 0;
    vsnprintf(err->msg, sizeof err->msg, fmt, args);
}

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (err->code == ERR_OK) {
        va_list args;
        va_start(args, fmt);
        err_vset(err, code, -1, -1, fmt, args);
        va_end(args);
    }
    return err->code;
}

enum err_code err_set_at(struct err *err, enum err_code code, int row, int column, const char *fmt,
                         ...)
{
    if (err->code == ERR_OK) {
        va_list args;
        va_start(args, fmt);
        err_vset(err, code, row, column, fmt, args);
        va_end(args);
    }
    return err->code;
}

void err_prefix(struct err *err, const char *fmt, ...)
{
    if (err->code == ERR_OK) {
        return;
    }
    char old[sizeof err->msg];
    memcpy(old, err->msg, sizeof old);
    va_list args;
    va_start(args, fmt);
    int used = vsnprintf(err->msg, sizeof err->msg, fmt, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof err->msg) {
        snprintf(err->msg + used, sizeof err->msg - (size_t)used, ": %s", old);
    }
}

void err_clear(struct err *err)
{
    err->code = ERR_OK;
    err->row = -1;
    err->column = -1;
    err->retry_s = 0;
    err->msg[0] = '\0';
}

const char *err_text(enum err_code code)
{
    return err_texts[code];
}

const char *err_msg(const struct err *err)
{
    return err->msg[0] != '\0' ? err->msg : err_text(err->code);
}
