/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little-endian writing and checked reading of byte strings. Errors are sticky: after the first
 * one a writer or a reader does nothing more, so that a codec needs only one test, at its end.
 */
#ifndef BYTES_H
#define BYTES_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes_writer {
    unsigned char *data; /* mem; the owner frees it */
    size_t size;
    size_t capacity;
    bool failed; /* out of memory */
};

void bytes_put(struct bytes_writer *w, const void *data, size_t size);
void bytes_put_u32(struct bytes_writer *w, uint32_t value);
void bytes_put_i64(struct bytes_writer *w, int64_t value);
void bytes_put_f64(struct bytes_writer *w, const double *values, size_t n);
/* NULL and the empty text are stored as different things. */
void bytes_put_text(struct bytes_writer *w, const char *text);

struct bytes_reader {
    const unsigned char *data;
    size_t left;
    bool failed; /* too short, or a value out of its range */
    bool no_memory;
};

/* The next `size` bytes, borrowed from the data; NULL when fewer are left. */
const void *bytes_get(struct bytes_reader *r, size_t size);
uint32_t bytes_get_u32(struct bytes_reader *r);
/* Fails when the value is above `max`. */
int bytes_get_int(struct bytes_reader *r, int max);
int64_t bytes_get_i64(struct bytes_reader *r);
void bytes_get_f64(struct bytes_reader *r, double *values, size_t n);
/* A copy (mem) of a text of at most `max` bytes; NULL when NULL was written. */
char *bytes_get_text(struct bytes_reader *r, size_t max);

#endif
