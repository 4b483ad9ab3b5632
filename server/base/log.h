/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log lines: a time, a level, a message and key-value pairs, as text or as JSON. Lines
 * of different threads do not mix. Nothing is allocated; a line longer than LOG_LINE_BYTES is cut.
 *
 * With a writer (log_writer.h) no caller waits for whoever reads the log, and lines that nobody
 * reads or that come too often are left out and counted. Without one each line is one write.
 */
#ifndef LOG_H
#define LOG_H

#include "base/compiler.h"
#include "base/names.h"

#include <stdatomic.h>
#include <stdbool.h>

struct log_writer;

#define LOG_LINE_BYTES 2048

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/* A NULL pointer to it logs nothing. Only the level may change while other threads use it. */
struct log {
    int fd;
    atomic_int level; /* an enum log_level; lines below it are not written */
    enum log_format format;
    struct log_writer *writer; /* NULL: the calling thread writes */
};

struct names log_level_known(void);
struct names log_format_known(void);

static inline enum log_level log_level_get(const struct log *log)
{
    return (enum log_level)atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* Writes a line about lines that were dropped or left out, if there are any that have not been
 * reported; with `all`, also about kinds that are still being left out. */
void log_tell_missing(const struct log *log, bool all);

/* Pairs of key and value, ended by NULL: log_info(log, "job done", "model", name, NULL). */
void log_line(const struct log *log, enum log_level level, const char *message, ...) NULL_ENDED;

/* The same for lines of which none may be missing, however many there are: changes. Only when
 * nobody reads the log are they dropped, like all others. */
void log_each(const struct log *log, enum log_level level, const char *message, ...) NULL_ENDED;

#define log_debug(log, ...) log_line((log), LOG_DEBUG, __VA_ARGS__)
#define log_info(log, ...)  log_line((log), LOG_INFO, __VA_ARGS__)
#define log_warn(log, ...)  log_line((log), LOG_WARN, __VA_ARGS__)
#define log_error(log, ...) log_line((log), LOG_ERROR, __VA_ARGS__)

/* A number as text for a pair: log_info(log, "..", "job", LOG_INT(id), NULL). */
struct log_number {
    char text[24];
};
struct log_number log_number(long long value);
#define LOG_INT(value) (log_number((long long)(value)).text)

#endif
