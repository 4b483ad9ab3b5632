/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrices as .npy, versions 1 to 3, of little-endian float64 or float32, and structured arrays of
 * such fields, a row for each record
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 */
#ifndef NPY_H
#define NPY_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define NPY_MAX_RANK 4

struct npy {
    int n; /* rows; 1 for an array of one dimension */
    int k; /* columns */
    bool single;
    bool flat;                /* an array of one dimension without names */
    const double *values;     /* [n x k], in the arena, or without names in the bytes themselves */
    const char *const *names; /* [k] of a structured array, in the arena; NULL: it has none */
};

/*
 * The bytes must outlive the result: a float64 matrix in C order is not copied. Values may be NaN
 * or infinite. ERR_SYNTAX (no npy), ERR_UNSUPPORTED (another type), ERR_SHAPE (not one or two
 * dimensions, empty, too few or too many bytes), ERR_TOO_LARGE (over max_rows), ERR_NOMEM.
 */
enum err_code npy_parse(const void *bytes, size_t len, int max_rows, struct arena *arena,
                        struct npy *out, struct err *err) MUST_CHECK;

/* ERR_NONFINITE, with row and column, when a value is not finite. */
enum err_code npy_check_finite(const struct npy *npy, struct err *err) MUST_CHECK;

#define NPY_HEAD_MAX 256

/* Bytes of a number. */
#define NPY_ITEM(single) ((size_t)((single) ? 4 : 8))

/* Writes what precedes the numbers of an array and returns its length. head: [NPY_HEAD_MAX]. */
size_t npy_head(int rank, const size_t *shape, bool single, char *head);

struct npy_array {
    const double *values; /* of this shape, row-major */
    int rank;
    const size_t *shape; /* [rank] */
    bool single;         /* written as float32 */
};

/* Writes n numbers as they follow the head, 8 bytes each, or 4 for single. ERR_NUMERIC. */
enum err_code npy_write_numbers(const double *values, size_t n, bool single, char *out,
                                struct err *err) MUST_CHECK;

/* bytes [len] in the arena. ERR_NOMEM; ERR_NUMERIC (a value beyond float32). */
enum err_code npy_write(const struct npy_array *array, struct arena *arena, const char **bytes,
                        size_t *len, struct err *err) MUST_CHECK;

#endif
