/* SPDX-License-Identifier: Apache-2.0 */
#include "store/care/checking.h"

#include <stdarg.h>
#include <stdio.h>

#define FINDING_BYTES 512

static void report_finding(struct checking *c, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

static void report_finding(struct checking *c, const char *fmt, va_list args)
{
    char text[FINDING_BYTES];
    vsnprintf(text, sizeof text, fmt, args);
    c->report->n_findings++;
    c->calls->finding(c->calls->ctx, text);
}

void checking_found(struct checking *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report_finding(c, fmt, args);
    va_end(args);
}

static bool is_about_the_file(enum err_code code)
{
    return code == ERR_CORRUPT || code == ERR_IO || code == ERR_INVALID;
}

enum err_code checking_forgive(struct checking *c, const struct err *failure, struct err *err,
                               const char *fmt, ...)
{
    va_list args;
    if (!is_about_the_file(failure->code)) {
        *err = *failure;
        return err->code;
    }
    va_start(args, fmt);
    report_finding(c, fmt, args);
    va_end(args);
    return err->code;
}

enum err_code checking_advance(struct checking *c, size_t n_bytes, struct err *err)
{
    c->done += (int64_t)n_bytes;
    return c->calls->progress(c->calls->ctx, "contents", c->done, c->total)
               ? ERR_OK
               : err_set(err, ERR_CANCELLED, "interrupted");
}
