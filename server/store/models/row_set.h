/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of rows, each known by its print: the first 32 bits of the SHA-256 of its numbers as they
 * are stored. A row that was deleted and uploaded again has the same print. A row that is not in a
 * set of n is taken for one with the probability n / 2^32: 0.2 % for ten million rows. Whoever asks
 * whether a row was trained on then leaves one row out that could have been used.
 *
 * Stored are the differences of the prints in ascending order, seven bits a byte: 4 bytes a row for
 * a hundred rows, 2 for a million.
 */
#ifndef ROW_SET_H
#define ROW_SET_H

#include "base/bytes.h"
#include "base/err.h"
#include "fit/data.h"

struct row_set {
    uint32_t *prints; /* [n] ascending, each once; mem */
    size_t n;
};

/* A zeroed one is empty and may be released. */
void row_set_release(struct row_set *set);

/* The print of a row of n numbers, inputs first. ERR_NOMEM, ERR_INTERNAL. */
enum err_code row_set_print_one(const double *row, size_t n, uint32_t *print,
                                struct err *err) MUST_CHECK;

/* prints [rows->n] <- the print of each row. ERR_NOMEM, ERR_INTERNAL. */
enum err_code row_set_print(const struct data *rows, uint32_t *prints, struct err *err) MUST_CHECK;

/* The set of those prints [n] whose mark [n] is `mark`. ERR_NOMEM. */
enum err_code row_set_of(const uint32_t *prints, const unsigned char *marks, size_t n,
                         unsigned char mark, struct row_set *out, struct err *err) MUST_CHECK;

bool row_set_has(const struct row_set *set, uint32_t print);

/* Adds the members of another set. ERR_NOMEM. */
enum err_code row_set_add(struct row_set *set, const struct row_set *other,
                          struct err *err) MUST_CHECK;

/* A failure shows in the writer. */
void row_set_encode(const struct row_set *set, struct bytes_writer *writer);

/* A set of n members; ERR_CORRUPT: there is none at this place. ERR_NOMEM. */
enum err_code row_set_decode(struct bytes_reader *reader, size_t n, struct row_set *out,
                             struct err *err) MUST_CHECK;

#endif
