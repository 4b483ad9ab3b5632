/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/log_writer.h"
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
static void put_text(struct line *line, const char *s)
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
    put_text(line, "\"");
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        char piece[8] = {(char)c, '\0'};
        if (c == '"' || c == '\\') {
            snprintf(piece, sizeof piece, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            snprintf(piece, sizeof piece, "\\u%04x", c);
        }
        put_text(line, piece);
    }
    put_text(line, "\"");
}

static void put_pair(struct line *line, enum log_format format, const char *key, const char *value)
{
    if (format == LOG_JSON) {
        put_text(line, line->len > 1 ? "," : "");
        put_quoted(line, key);
        put_text(line, ":");
        put_quoted(line, value);
        return;
    }
    put_text(line, line->len > 0 ? " " : "");
    put_text(line, key);
    put_text(line, "=");
    bool plain = value[0] != '\0' && strpbrk(value, " \"=\\") == NULL;
    for (const char *p = value; plain && *p != '\0'; p++) {
        plain = (unsigned char)*p > 0x20 && *p != 0x7f;
    }
    if (plain) {
        put_text(line, value);
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

static void begin_line(struct line *line, const struct log *log, enum log_level level,
                       const char *message)
{
    line->len = 0;
    if (log->format == LOG_JSON) {
        put_text(line, "{");
    }
    put_time(line, log->format);
    put_pair(line, log->format, "level", level_names[level]);
    put_pair(line, log->format, "message", message);
}

static void end_line(struct line *line, const struct log *log)
{
    if (log->format == LOG_JSON) {
        put_text(line, "}");
    }
    line->text[line->len++] = '\n';
    if (log->writer != NULL) {
        (void)log_writer_put(log->writer, line->text, line->len); /* it counts what it drops */
    } else {
        ssize_t written = write(log->fd, line->text, line->len);
        (void)written; /* there is nowhere to report it */
    }
}

static void tell_left_out(const struct log *log, const struct log_left_out *left_out)
{
    struct line line;
    begin_line(&line, log, LOG_WARN, "similar log lines were left out");
    put_pair(&line, log->format, "of", left_out->message != NULL ? left_out->message : "others");
    put_pair(&line, log->format, "count", LOG_INT(left_out->count));
    end_line(&line, log);
}

static void tell_dropped(const struct log *log)
{
    struct line line;
    long long dropped = log_writer_take_dropped(log->writer);
    if (dropped > 0) {
        begin_line(&line, log, LOG_WARN, "log lines were dropped");
        put_pair(&line, log->format, "count", LOG_INT(dropped));
        end_line(&line, log);
    }
}

void log_tell_missing(const struct log *log, bool all)
{
    struct log_left_out left_out;
    if (log->writer != NULL) {
        tell_dropped(log);
        while (log_writer_next_left_out(log->writer, all, &left_out)) {
            tell_left_out(log, &left_out);
        }
    }
}

/* Whoever asks for lines of level debug wants all of them. */
static bool admits(const struct log *log, enum log_level level, const char *message)
{
    struct log_left_out before;
    if (log->writer == NULL || level == LOG_DEBUG) {
        return true;
    }
    bool admitted = log_writer_admit(log->writer, (int)level, message, &before);
    if (before.count > 0) {
        tell_left_out(log, &before);
    }
    return admitted;
}

static void write_line(const struct log *log, enum log_level level, const char *message,
                       va_list args)
{
    struct line line;
    if (log->writer != NULL) {
        tell_dropped(log);
    }
    begin_line(&line, log, level, message);
    const char *key;
    while ((key = va_arg(args, const char *)) != NULL) {
        const char *value = va_arg(args, const char *);
        put_pair(&line, log->format, key, value != NULL ? value : "");
    }
    if (log->writer != NULL && level == LOG_ERROR) {
        log_writer_keep_error(log->writer, line.text, line.len);
    }
    end_line(&line, log);
}

void log_line(const struct log *log, enum log_level level, const char *message, ...)
{
    va_list args;
    if (log == NULL || level < log_level_get(log) || !admits(log, level, message)) {
        return;
    }
    va_start(args, message);
    write_line(log, level, message, args);
    va_end(args);
}

void log_each(const struct log *log, enum log_level level, const char *message, ...)
{
    va_list args;
    if (log == NULL || level < log_level_get(log)) {
        return;
    }
    va_start(args, message);
    write_line(log, level, message, args);
    va_end(args);
}
