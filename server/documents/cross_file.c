/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/cross_file.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define MAGIC       "SRGMCROS"
#define MAGIC_BYTES 8
#define HEAD_BYTES  (MAGIC_BYTES + SHA256_BYTES)
#define MAX_FOLDS   1000000

enum err_code cross_file_encode(const struct train_cross *cross, void **bytes, size_t *n_bytes,
                                struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    unsigned char digest[SHA256_BYTES] = {0};
    size_t cells = (size_t)cross->n * (size_t)cross->o;
    bytes_put(&w, MAGIC, MAGIC_BYTES);
    bytes_put(&w, digest, sizeof digest);
    bytes_put_u32(&w, (uint32_t)cross->n);
    bytes_put_u32(&w, (uint32_t)cross->o);
    bytes_put_u32(&w, (uint32_t)cross->n_folds);
    for (int i = 0; i < cross->n; i++) {
        bytes_put_u32(&w, (uint32_t)cross->rows[i]);
    }
    bytes_put_f64(&w, cross->mean, cells);
    bytes_put_f64(&w, cross->std, cells);
    if (w.failed) {
        err_set(err, ERR_NOMEM, "no memory for the predictions of a cross-validation");
    } else if (digest_sha256(w.data + HEAD_BYTES, w.size - HEAD_BYTES, digest, err) == ERR_OK) {
        memcpy(w.data + MAGIC_BYTES, digest, sizeof digest);
        *bytes = w.data;
        *n_bytes = w.size;
        w.data = NULL;
    }
    mem_free(w.data);
    return err->code;
}

static enum err_code damaged(struct err *err)
{
    return err_set(err, ERR_CORRUPT,
                   "the predictions of the training's cross-validation are damaged");
}

/* Rows increase and are there; predictions are numbers. */
static bool read_rows(struct bytes_reader *r, int n_rows, struct train_cross *out)
{
    size_t cells = (size_t)out->n * (size_t)out->o;
    int last = -1;
    bool good = true;
    for (int i = 0; i < out->n; i++) {
        out->rows[i] = (int)bytes_get_u32(r);
        good = good && out->rows[i] > last && out->rows[i] < n_rows;
        last = out->rows[i];
    }
    bytes_get_f64(r, out->mean, cells);
    bytes_get_f64(r, out->std, cells);
    for (size_t i = 0; i < cells && !r->failed; i++) {
        good = good && isfinite(out->mean[i]) && isfinite(out->std[i]) && out->std[i] >= 0.0;
    }
    return good && !r->failed && r->left == 0;
}

enum err_code cross_file_decode(const void *bytes, size_t n_bytes, int n_rows, int o,
                                struct train_cross *out, struct err *err)
{
    unsigned char digest[SHA256_BYTES];
    struct bytes_reader r = {.data = bytes, .left = n_bytes};
    const void *magic = bytes_get(&r, MAGIC_BYTES);
    const void *told = bytes_get(&r, SHA256_BYTES);
    if (r.failed || memcmp(magic, MAGIC, MAGIC_BYTES) != 0) {
        return damaged(err);
    }
    if (digest_sha256(r.data, r.left, digest, err) != ERR_OK) {
        return err->code;
    }
    bool good = memcmp(told, digest, sizeof digest) == 0;
    int n = bytes_get_int(&r, n_rows);
    int outputs = bytes_get_int(&r, o);
    int folds = bytes_get_int(&r, MAX_FOLDS);
    struct train_cross cross = {.n = 0};
    if (!good || r.failed || (n > 0 && outputs != o) ||
        r.left != (size_t)n * (4 + 16 * (size_t)o)) {
        return damaged(err);
    }
    if (train_cross_new(&cross, n, o, err) != ERR_OK) {
        return err->code;
    }
    cross.n_folds = folds;
    if (!read_rows(&r, n_rows, &cross)) {
        train_cross_release(&cross);
        return damaged(err);
    }
    *out = cross;
    return ERR_OK;
}
