/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes log lines on a thread of its own, so that no other thread waits for whoever reads the log.
 *
 * Lines wait in a ring of LOG_RING_BYTES. A line that does not fit is dropped and counted; the
 * others come out whole and in order. A line is passed to the system at once, so that a crash loses
 * at most the very last ones.
 *
 * When a kind of line (a message at a level) comes more than LOG_KIND_LINES times in LOG_KIND_S
 * seconds, further ones are left out until that time is over, and counted.
 */
#ifndef LOG_WRITER_H
#define LOG_WRITER_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define LOG_RING_BYTES  ((size_t)256 * 1024)
#define LOG_PIECE       4096 /* bytes of one write: what a pipe takes whole (PIPE_BUF) */
#define LOG_KIND_LINES  100
#define LOG_KIND_S      10
#define LOG_N_ERRORS    8   /* latest errors that are kept */
#define LOG_ERROR_CHARS 400 /* of each */
#define LOG_N_KINDS     64  /* that are told apart; further ones share the last place */

struct log_writer;

struct log_counts {
    long long dropped;  /* lines that did not fit or could not be written */
    long long left_out; /* lines of a kind that came too often */
};

/* Lines that were left out and have not been reported yet. */
struct log_left_out {
    const char *message; /* constant; NULL: of several kinds */
    long long count;
};

/* The descriptor stays the caller's. ERR_NOMEM. */
enum err_code log_writer_start(int fd, struct log_writer **out, struct err *err) MUST_CHECK;

/*
 * Writes the waiting lines and ends the thread, which gets at most max_ms for it. When the reader
 * of the log has stopped reading, the thread and its memory stay until the system lets it go on.
 * NULL is fine.
 */
void log_writer_stop(struct log_writer *writer, int max_ms);

/* Takes a line of at most LOG_PIECE bytes, with its newline. False: it was dropped. */
bool log_writer_put(struct log_writer *writer, const char *line, size_t len);

/*
 * May a line of this kind be written now? `message` must be a constant. *before: lines of it that
 * were left out in a period that has ended.
 */
bool log_writer_admit(struct log_writer *writer, int level, const char *message,
                      struct log_left_out *before);

/* The next kind whose period has ended with lines left out; with `all`, of any kind. */
bool log_writer_next_left_out(struct log_writer *writer, bool all, struct log_left_out *out);

/* How many lines were dropped and not reported yet; 0 while there is no room for a report. */
long long log_writer_take_dropped(struct log_writer *writer);

/* Keeps a line about an error, for the status of the server. */
void log_writer_keep_error(struct log_writer *writer, const char *line, size_t len);
/* The n-th latest, from 0, without its newline. False: there are not so many. */
bool log_writer_get_error(struct log_writer *writer, int n, char out[LOG_ERROR_CHARS]);

struct log_counts log_writer_counts(struct log_writer *writer);

#endif
