/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What precedes the numbers of an npy file, versions 1 to 3, as NumPy of Python 2 and 3 writes it:
 * a Python dictionary in one spelling, with keys in quotes, True or False, and a tuple of integers.
 * It is read token by token, and nothing in it is evaluated.
 */
#ifndef NPY_HEAD_H
#define NPY_HEAD_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "formats/npy.h"

#define NPY_MAGIC       "\x93NUMPY"
#define NPY_MAGIC_BYTES 6
#define NPY_ALIGNMENT   64 /* of the data, as NumPy writes it */

/* A field of a structured array. */
struct npy_field {
    const char *name; /* in the arena */
    size_t offset;    /* in a record */
    size_t item;      /* 8 or 4 bytes */
};

struct npy_layout {
    size_t item;  /* bytes of a number; of a record when there are fields */
    bool fortran; /* columns first */
    int rank;
    size_t shape[NPY_MAX_RANK];
    int n_fields;             /* 0: not structured */
    struct npy_field *fields; /* [n_fields], in the arena */
    size_t data;              /* where the numbers begin */
};

/* ERR_SYNTAX; ERR_UNSUPPORTED: another version or type, which the message names; ERR_NOMEM. */
enum err_code npy_head_read(const unsigned char *bytes, size_t len, struct arena *arena,
                            struct npy_layout *out, struct err *err) MUST_CHECK;

/* Records of float64 fields. */
struct npy_records {
    const char *const *names; /* [k] */
    int k;
    size_t n; /* records */
};

/*
 * What precedes the numbers of records, in the arena: version 3, whose text is UTF-8.
 * ERR_UNSUPPORTED: a name has quotes of both kinds or a backslash, which npy_head_read does not
 * take either, or the names are too long for a header. ERR_NOMEM.
 */
enum err_code npy_head_write(const struct npy_records *records, struct arena *arena,
                             const char **head, size_t *len, struct err *err) MUST_CHECK;

#endif
