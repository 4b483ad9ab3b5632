/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/safetensors.h"

#include "base/mem.h"
#include "formats/json_read.h"
#include "formats/json_write.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 8 /* of the header's length; the header is padded to a multiple of it */
#define NAME_SHOWN   "%.60s"

/* ---- reading ---- */

static enum err_code read_offsets(const json_t *entry, const char *name, size_t n_data,
                                  size_t offsets[2], struct err *err)
{
    const json_t *list = json_object_get(entry, "data_offsets");
    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_array_get(list, i);
        json_int_t offset = json_is_integer(value) ? json_integer_value(value) : -1;
        if (json_array_size(list) != 2 || offset < 0 || (uint64_t)offset > n_data) {
            return err_set(err, ERR_SHAPE,
                           "tensor " NAME_SHOWN ": data_offsets must be two offsets within the %zu "
                           "bytes of numbers",
                           name, n_data);
        }
        offsets[i] = (size_t)offset;
    }
    return ERR_OK;
}

static enum err_code read_shape(const json_t *entry, struct safetensor *tensor, struct err *err)
{
    const json_t *list = json_object_get(entry, "shape");
    size_t rank = json_array_size(list);
    if (!json_is_array(list) || rank > SAFETENSORS_MAX_RANK) {
        return err_set(err, ERR_SHAPE,
                       "tensor " NAME_SHOWN ": shape must be an array of at most %d sizes",
                       tensor->name, SAFETENSORS_MAX_RANK);
    }
    tensor->rank = (int)rank;
    tensor->n = 1;
    for (size_t k = 0; k < rank; k++) {
        const json_t *value = json_array_get(list, k);
        json_int_t size = json_is_integer(value) ? json_integer_value(value) : -1;
        if (size < 0 || !size_mul(tensor->n, (size_t)size, &tensor->n)) {
            return err_set(err, ERR_SHAPE,
                           "tensor " NAME_SHOWN ": shape[%zu] is no size of a "
                           "tensor",
                           tensor->name, k);
        }
        tensor->shape[k] = (size_t)size;
    }
    return ERR_OK;
}

static enum err_code read_type(const json_t *entry, struct safetensor *tensor, struct err *err)
{
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    int type = text != NULL ? names_find(tensor_type_safetensors(), text) : -1;
    if (type != TENSOR_F64 && type != TENSOR_F32 && type != TENSOR_F16 && type != TENSOR_BF16) {
        return err_set(err, ERR_UNSUPPORTED,
                       "tensor " NAME_SHOWN ": dtype \"%.20s\" is not read; F64, F32, F16 and BF16 "
                       "are",
                       tensor->name, text != NULL ? text : "");
    }
    tensor->type = (enum tensor_type)type;
    return ERR_OK;
}

struct file_bytes {
    const char *data; /* where the numbers begin */
    size_t n;
};

static enum err_code read_tensor(const json_t *entry, struct file_bytes file,
                                 struct safetensor *tensor, struct err *err)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets", NULL};
    size_t offsets[2] = {0, 0};
    size_t needed = 0;
    if (!json_is_object(entry)) {
        return err_set(err, ERR_INVALID, "tensor " NAME_SHOWN " is %s, an object is needed",
                       tensor->name, json_read_kind(entry));
    }
    if (json_read_check_keys(entry, tensor->name, keys, err) != ERR_OK ||
        read_type(entry, tensor, err) != ERR_OK || read_shape(entry, tensor, err) != ERR_OK ||
        read_offsets(entry, tensor->name, file.n, offsets, err) != ERR_OK) {
        return err->code;
    }
    if (!size_mul(tensor->n, tensor_type_size(tensor->type), &needed) || offsets[1] < offsets[0] ||
        offsets[1] - offsets[0] != needed) {
        return err_set(err, ERR_SHAPE,
                       "tensor " NAME_SHOWN ": data_offsets are not as far apart as its shape and "
                       "dtype need",
                       tensor->name);
    }
    tensor->bytes = file.data + offsets[0];
    tensor->n_bytes = needed;
    return ERR_OK;
}

static int compare_places(const void *a, const void *b)
{
    const struct safetensor *p = a;
    const struct safetensor *q = b;
    if (p->bytes != q->bytes) {
        return p->bytes < q->bytes ? -1 : 1;
    }
    return p->n_bytes != q->n_bytes ? (p->n_bytes < q->n_bytes ? -1 : 1) : 0;
}

/* The tensors fill the bytes without a gap and without sharing any. */
static enum err_code check_places(const struct safetensors *file, struct file_bytes bytes,
                                  struct err *err)
{
    const char *next = bytes.data;
    for (int i = 0; i < file->n; i++) {
        if (file->list[i].bytes != next) {
            return err_set(err, ERR_SHAPE,
                           "tensor " NAME_SHOWN " begins at byte %zu of the numbers, %zu is needed",
                           file->list[i].name, (size_t)(file->list[i].bytes - bytes.data),
                           (size_t)(next - bytes.data));
        }
        next += file->list[i].n_bytes;
    }
    if (next != bytes.data + bytes.n) {
        return err_set(err, ERR_SHAPE, "%zu bytes at the end belong to no tensor",
                       (size_t)(bytes.data + bytes.n - next));
    }
    return ERR_OK;
}

static enum err_code read_metadata(const json_t *header, struct safetensors *out, struct err *err)
{
    const json_t *metadata = json_object_get(header, "__metadata__");
    void *at = json_object_iter((json_t *)metadata);
    if (metadata != NULL && !json_is_object(metadata)) {
        return err_set(err, ERR_INVALID, "__metadata__ is %s, an object is needed",
                       json_read_kind(metadata));
    }
    for (; at != NULL; at = json_object_iter_next((json_t *)metadata, at)) {
        if (!json_is_string(json_object_iter_value(at))) {
            return err_set(err, ERR_INVALID, "__metadata__: " NAME_SHOWN " is not a string",
                           json_object_iter_key(at));
        }
    }
    out->metadata = metadata;
    return ERR_OK;
}

static enum err_code read_header(const json_t *header, struct file_bytes bytes, struct arena *arena,
                                 struct safetensors *out, struct err *err)
{
    struct safetensors file = {.n = 0};
    size_t n = json_object_size(header);
    if (!json_is_object(header) || n > SAFETENSORS_MAX_TENSORS) {
        return err_set(err, ERR_LIMIT,
                       "the header of safetensors must be an object of at most %d "
                       "tensors",
                       SAFETENSORS_MAX_TENSORS);
    }
    file.list = arena_zalloc_array(arena, n + 1, sizeof *file.list);
    if (file.list == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the tensors");
    }
    if (read_metadata(header, &file, err) != ERR_OK) {
        return err->code;
    }
    void *at = json_object_iter((json_t *)header);
    for (; at != NULL; at = json_object_iter_next((json_t *)header, at)) {
        struct safetensor *tensor = &file.list[file.n];
        tensor->name = json_object_iter_key(at);
        if (strcmp(tensor->name, "__metadata__") == 0) {
            continue;
        }
        if (read_tensor(json_object_iter_value(at), bytes, tensor, err) != ERR_OK) {
            return err->code;
        }
        file.n++;
    }
    qsort(file.list, (size_t)file.n, sizeof *file.list, compare_places);
    if (check_places(&file, bytes, err) == ERR_OK) {
        *out = file;
    }
    return err->code;
}

enum err_code safetensors_parse(const char *bytes, size_t len, struct arena *arena,
                                struct safetensors *out, struct err *err)
{
    uint64_t n_header = 0;
    json_t *header = NULL;
    if (len < LENGTH_BYTES) {
        return err_set(err, ERR_SYNTAX, "a safetensors file has at least %d bytes, this has %zu",
                       LENGTH_BYTES, len);
    }
    memcpy(&n_header, bytes, sizeof n_header); /* little-endian, as this machine is */
    if (n_header > SAFETENSORS_MAX_HEADER || n_header > len - LENGTH_BYTES || n_header == 0 ||
        bytes[LENGTH_BYTES] != '{') {
        return err_set(
            err, ERR_SYNTAX,
            "this is no safetensors file: its first 8 bytes are not the length of a JSON "
            "header that follows");
    }
    const char *text = bytes + LENGTH_BYTES;
    if (json_read_parse(text, (size_t)n_header, arena, &header, err) != ERR_OK) {
        err_prefix(err, "header");
        return err->code;
    }
    const struct file_bytes data = {text + n_header, len - LENGTH_BYTES - (size_t)n_header};
    return read_header(header, data, arena, out, err);
}

const struct safetensor *safetensors_find(const struct safetensors *file, const char *name)
{
    for (int i = 0; i < file->n; i++) {
        if (strcmp(file->list[i].name, name) == 0) {
            return &file->list[i];
        }
    }
    return NULL;
}

/* ---- writing ---- */

static void write_tensor(struct json_write *json, const struct safetensor *tensor, size_t begin)
{
    json_write_object(json, tensor->name);
    json_write_text(json, "dtype", tensor_type_safetensors().list[tensor->type]);
    json_write_array(json, "shape");
    for (int k = 0; k < tensor->rank; k++) {
        json_write_int(json, NULL, (int64_t)tensor->shape[k]);
    }
    json_write_array_end(json);
    json_write_array(json, "data_offsets");
    json_write_int(json, NULL, (int64_t)begin);
    json_write_int(json, NULL, (int64_t)(begin + tensor->n_bytes));
    json_write_array_end(json);
    json_write_object_end(json);
}

void safetensors_write_head(struct textbuf *text, const char *key, const char *value,
                            const struct safetensor *list, int n)
{
    static const char room[LENGTH_BYTES + 1] = "        ";
    size_t start = text->len;
    textbuf_puts(text, room);
    struct json_write json = json_write_to(text);
    size_t begin = 0;
    json_write_object(&json, NULL);
    json_write_object(&json, "__metadata__");
    json_write_text(&json, key, value);
    json_write_object_end(&json);
    for (int i = 0; i < n; i++) {
        write_tensor(&json, &list[i], begin);
        begin += list[i].n_bytes;
    }
    json_write_object_end(&json);
    json_write_end(&json);
    while ((text->len - start) % LENGTH_BYTES != 0 && !textbuf_failed(text)) {
        textbuf_puts(text, " ");
    }
    if (!textbuf_failed(text)) {
        uint64_t length = text->len - start - LENGTH_BYTES;
        memcpy(text->data + start, &length, sizeof length);
    }
}
