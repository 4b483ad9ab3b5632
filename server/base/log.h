/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log lines: a time, a level, a message and key-value pairs, as text or as JSON. Each
 * line is one write, so that lines of different threads do not mix. Nothing is allocated; a line
 * longer than LOG_LINE_BYTES is cut.
 */
#ifndef LOG_H
#define LOG_H

#include "base/compiler.h"
#include "base/names.h"

#include <stdbool.h>

#define LOG_LINE_BYTES 2048

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/* Immutable once it is filled. A NULL pointer to it logs nothing. */
struct log {
    int fd;
    enum log_level level; /* lines below it are dropped */
    enum log_format format;
};

struct names log_level_known(void);
struct names log_format_known(void);

/* Pairs of key and value, ended by NULL: log_info(log, "job done", "model", name, NULL). */
void log_line(const struct log *log, enum log_level level, const char *message, ...) NULL_ENDED;

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
