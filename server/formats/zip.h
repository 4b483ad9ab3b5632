/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zip files in memory (APPNOTE.TXT of PKWARE, with its Zip64), as NumPy writes them: members that
 * are stored or deflated. What a file could be used to hide or to blow up is refused: members that
 * overlap or lie in another order than their directory, bytes that belong to no member, names with
 * folders, the same name twice, and sizes that are not those of the data. No library of Debian
 * reads zip files with the memory of its caller, which here is counted and limited; zlib does, so
 * the directory is read here and the data by zlib.
 */
#ifndef ZIP_H
#define ZIP_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZIP_MAX_MEMBERS 8192 /* a member for each column that a model can have */
#define ZIP_MAX_NAME    160  /* bytes */

struct zip_member {
    const char *name; /* in the arena */
    bool deflated;
    uint32_t crc;
    const unsigned char *packed; /* [n_packed], in the bytes of the file */
    size_t n_packed;
    size_t size; /* bytes once it is unpacked */
};

struct zip {
    int n;
    struct zip_member *members; /* [n], in the arena, in the order of the file */
    size_t n_inflated;          /* bytes of all members that are deflated, once unpacked */
};

/*
 * Reads the directory and nothing else: what a small file may grow to is known before any of it is
 * unpacked. The bytes must outlive the result. ERR_SYNTAX (no zip, or one of the above);
 * ERR_UNSUPPORTED (encrypted, in several parts, another compression, which the message names);
 * ERR_LIMIT (more than ZIP_MAX_MEMBERS); ERR_NOMEM.
 */
enum err_code zip_read(const void *bytes, size_t len, struct arena *arena, struct zip *out,
                       struct err *err) MUST_CHECK;

/*
 * The bytes of a member [member->size], in the arena or, when it is stored, in the file.
 * ERR_SYNTAX: they are damaged, or not as many as the directory says; ERR_NOMEM.
 */
enum err_code zip_unpack(const struct zip_member *member, struct arena *arena,
                         const unsigned char **bytes, struct err *err) MUST_CHECK;

#endif
