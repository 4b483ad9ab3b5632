/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of named tensors as safetensors has them (https://github.com/huggingface/safetensors): the
 * length of a JSON header in 8 bytes, the header, and the numbers of all tensors without a gap.
 */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/textbuf.h"
#include "formats/tensor_type.h"

#include <jansson.h>

#define SAFETENSORS_MAX_RANK    8
#define SAFETENSORS_MAX_TENSORS 65536
#define SAFETENSORS_MAX_HEADER  ((size_t)100000000) /* as the reference implementation */

struct safetensor {
    const char *name;
    enum tensor_type type; /* F64, F32, F16 or BF16 */
    int rank;              /* 0: a single number */
    size_t shape[SAFETENSORS_MAX_RANK];
    size_t n;          /* numbers; may be 0 */
    const char *bytes; /* of the file; they may lie anywhere */
    size_t n_bytes;
};

struct safetensors {
    struct safetensor *list; /* [n] in the order of their bytes, in the arena */
    int n;
    const json_t *metadata; /* an object of texts; NULL: there is none */
};

/*
 * The bytes must outlive the result. Numbers may be NaN or infinite. ERR_SYNTAX: no safetensors;
 * ERR_SHAPE: lengths that do not agree; ERR_UNSUPPORTED: another type of numbers, by its name;
 * ERR_LIMIT, ERR_INVALID, ERR_NOMEM.
 */
enum err_code safetensors_parse(const char *bytes, size_t len, struct arena *arena,
                                struct safetensors *out, struct err *err) MUST_CHECK;

/* The tensor of this name; NULL: there is none. */
const struct safetensor *safetensors_find(const struct safetensors *file, const char *name);

/*
 * Writes what precedes the numbers: metadata has one member, key and text; the bytes of the tensors
 * follow each other in the order of the list, of which name, type, rank, shape and n_bytes are
 * read. Running out of memory is noted in the text.
 */
void safetensors_write_head(struct textbuf *text, const char *key, const char *value,
                            const struct safetensor *list, int n);

#endif
