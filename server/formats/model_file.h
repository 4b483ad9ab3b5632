/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version as a file: what GET ../export?format=binary answers and libsurrogated reads.
 *
 * Layout, little-endian: "SRGMFILE", u32 format (1), SHA-256 of all that follows, i64 version, i64
 * bytes of the content, the model's name (u32 length and bytes), and the content, which is that of
 * core/model/codec. A file that is cut, changed or longer than it says is refused.
 */
#ifndef MODEL_FILE_H
#define MODEL_FILE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define MODEL_FILE_FORMAT    1
#define MODEL_FILE_MAX_NAME  255 /* bytes of the model's name */
#define MODEL_FILE_HEAD_MAX  (8 + 4 + 32 + 8 + 8 + 4 + MODEL_FILE_MAX_NAME)
#define MODEL_FILE_MIN_BYTES (8 + 4 + 32 + 8 + 8 + 4)

struct model_file {
    char model[MODEL_FILE_MAX_NAME + 1];
    int64_t version;
    const void *content;
    size_t n_content;
};

/* Writes what precedes the content. head: [MODEL_FILE_HEAD_MAX]. ERR_INTERNAL, ERR_NOMEM. */
enum err_code model_file_write_head(const struct model_file *file, unsigned char *head,
                                    size_t *n_head, struct err *err) MUST_CHECK;

/* The content is borrowed from the bytes. ERR_CORRUPT, ERR_UNSUPPORTED (a newer format),
 * ERR_INTERNAL, ERR_NOMEM. */
enum err_code model_file_read(const void *bytes, size_t n_bytes, struct model_file *out,
                              struct err *err) MUST_CHECK;

#endif
