/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"text", "json"};

NAMES_KNOWN(log_level, level_names)
NAMES_KNOWN(log_format, format_names)

struct log_number log_number(long long value)
{
    struct log_number number;
    snprintf(number.text, sizeof number.text, "%lld", value);
    return number;
}

struct line {
    char text[LOG_LINE_BYTES];
    size_t len;
};

/* One byte is kept for the newline. */
static void put(struct line *line, const char *s)
{
    size_t room = sizeof line->text - 1 - line->len;
    size_t len = strlen(s);
    len = len < room ? len : room;
    memcpy(line->text + line->len, s, len);
    line->len += len;
}

/* Quoted, with control characters escaped: a log line is one line whatever a client sent. */
static void put_quoted(struct line *line, const char *s)
{
    put(line, "\"");
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        char piece[8] = {(char)c, '\0'};
        if (c == '"' || c == '\\') {
            snprintf(piece, sizeof piece, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            snprintf(piece, sizeof piece, "\\u%04x", c);
        }
        put(line, piece);
    }
    put(line, "\"");
}

static void put_pair(struct line *line, enum log_format format, const char *key, const char *value)
{
    if (format == LOG_JSON) {
        put(line, line->len > 1 ? "," : "");
        put_quoted(line, key);
        put(line, ":");
        put_quoted(line, value);
        return;
    }
    put(line, line->len > 0 ? " " : "");
    put(line, key);
    put(line, "=");
    bool plain = value[0] != '\0' && strpbrk(value, " \"=\\") == NULL;
    for (const char *p = value; plain && *p != '\0'; p++) {
        plain = (unsigned char)*p > 0x20 && *p != 0x7f;
    }
    if (plain) {
        put(line, value);
    } else {
        put_quoted(line, value);
    }
}

static void put_time(struct line *line, enum log_format format)
{
    struct timespec now;
    struct tm tm;
    char text[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, sizeof text - len, ".%03dZ", (int)(now.tv_nsec / 1000000));
    put_pair(line, format, "time", text);
}

void log_line(const struct log *log, enum log_level level, const char *message, ...)
{
    if (log == NULL || level < log->level) {
        return;
    }
    struct line line = {.len = 0};
    va_list args;
    if (log->format == LOG_JSON) {
        put(&line, "{");
    }
    put_time(&line, log->format);
    put_pair(&line, log->format, "level", level_names[level]);
    put_pair(&line, log->format, "message", message);
    va_start(args, message);
    const char *key;
    while ((key = va_arg(args, const char *)) != NULL) {
        const char *value = va_arg(args, const char *);
        put_pair(&line, log->format, key, value != NULL ? value : "");
    }
    va_end(args);
    if (log->format == LOG_JSON) {
        put(&line, "}");
    }
    line.text[line.len++] = '\n';
    ssize_t written = write(log->fd, line.text, line.len);
    (void)written; /* there is nowhere to complain to */
}
