/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/model_file.h"

#include "base/bytes.h"
#include "base/digest.h"

#include <string.h>

#include "base/mem.h"

#define MAGIC       "SRGMFILE"
#define MAGIC_BYTES 8
#define DIGEST_AT   (MAGIC_BYTES + 4)
#define CHECKED_AT  (DIGEST_AT + SHA256_BYTES) /* from here on the digest counts */

static enum err_code make_digest(const void *head, size_t n_head, const void *content,
                                 size_t n_content, unsigned char *out, struct err *err)
{
    struct digest digest = {.state = NULL};
    if (digest_open(&digest, err) == ERR_OK && digest_add(&digest, head, n_head, err) == ERR_OK) {
        err_kept(digest_add(&digest, content, n_content, err));
    }
    digest_close(&digest, err->code == ERR_OK ? out : NULL);
    return err->code;
}

enum err_code model_file_write_head(const struct model_file *file, unsigned char *head,
                                    size_t *n_head, struct err *err)
{
    static const unsigned char no_digest[SHA256_BYTES];
    struct bytes_writer w = {.data = NULL};
    size_t n_name = strlen(file->model);
    bytes_put(&w, MAGIC, MAGIC_BYTES);
    bytes_put_u32(&w, MODEL_FILE_FORMAT);
    bytes_put(&w, no_digest, sizeof no_digest);
    bytes_put_i64(&w, file->version);
    bytes_put_i64(&w, (int64_t)file->n_content);
    bytes_put_u32(&w, (uint32_t)n_name);
    bytes_put(&w, file->model, n_name);
    if (w.failed) {
        err_set(err, ERR_NOMEM, "no memory for the head of the file");
    } else if (make_digest(w.data + CHECKED_AT, w.size - CHECKED_AT, file->content, file->n_content,
                           w.data + DIGEST_AT, err) == ERR_OK) {
        memcpy(head, w.data, w.size);
        *n_head = w.size;
    }
    mem_free(w.data);
    return err->code;
}

static enum err_code refuse_cut(size_t n_bytes, struct err *err)
{
    return err_set(err, ERR_CORRUPT,
                   "the file is damaged: it has %zu bytes, which are not as many as it says; was "
                   "it copied whole?",
                   n_bytes);
}

enum err_code model_file_read(const void *bytes, size_t n_bytes, struct model_file *out,
                              struct err *err)
{
    struct model_file file = {.version = 0};
    struct bytes_reader r = {.data = bytes, .left = n_bytes};
    unsigned char digest[SHA256_BYTES];
    const unsigned char *magic = bytes_get(&r, MAGIC_BYTES);
    if (magic == NULL || memcmp(magic, MAGIC, MAGIC_BYTES) != 0) {
        return err_set(err, ERR_CORRUPT,
                       "it is no file of `surrogated models export --format binary`");
    }
    uint32_t format = bytes_get_u32(&r);
    if (!r.failed && format != MODEL_FILE_FORMAT) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the file has format %u, which this release does not know; it knows %d",
                       (unsigned)format, MODEL_FILE_FORMAT);
    }
    const unsigned char *stored = bytes_get(&r, SHA256_BYTES);
    file.version = bytes_get_i64(&r);
    int64_t n_content = bytes_get_i64(&r);
    int n_name = bytes_get_int(&r, MODEL_FILE_MAX_NAME);
    const char *name = r.failed ? NULL : bytes_get(&r, (size_t)n_name);
    if (stored == NULL || name == NULL || n_content < 0 || (uint64_t)n_content != r.left) {
        return refuse_cut(n_bytes, err);
    }
    memcpy(file.model, name, (size_t)n_name);
    file.content = r.data;
    file.n_content = r.left;
    size_t n_head = n_bytes - CHECKED_AT - r.left;
    if (make_digest((const unsigned char *)bytes + CHECKED_AT, n_head, file.content, file.n_content,
                    digest, err) != ERR_OK) {
        return err->code;
    }
    if (!digest_is_equal(digest, stored)) {
        return err_set(err, ERR_CORRUPT,
                       "the file is damaged: its bytes do not have the SHA-256 that it names");
    }
    *out = file;
    return ERR_OK;
}
