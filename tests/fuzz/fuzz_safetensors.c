/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of safetensors, as tensors and as a model. The tensors that are taken fill the bytes behind
 * the header one after the other, and what is written of them has the same header when it is read.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "documents/model_tensors.h"
#include "formats/json_read.h"

#define MODEL                                                                                      \
    "{\\\"architecture\\\":{\\\"inputs\\\":1,\\\"outputs\\\":1,\\\"width\\\":1,\\\"layers\\\":0,"  \
    "\\\"basis\\\":\\\"constant\\\"},\\\"posterior\\\":{\\\"kind\\\":\\\"draws\\\"}}"

const struct seed fuzz_seeds[] = {
    SEED("\x3c\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}     "
         "0123456789abcdef"),
    SEED("\x72\0\0\0\0\0\0\0{\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[2,6]},"
         "\"a\":{\"dtype\":\"BF16\",\"shape\":[1,1],\"data_offsets\":[0,2]}}     012345"),
    SEED("\xe3\0\0\0\0\0\0\0{\"__metadata__\":{\"model\":\"" MODEL "\"},"
         "\"parameters\":{\"dtype\":\"F16\",\"shape\":[1,6],\"data_offsets\":[0,12]}}   "
         "0<0<0<0<0<0<"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("\"dtype\":\"F16\""),
                                  SEED("\"shape\":[0]"),
                                  SEED("\"data_offsets\":"),
                                  SEED("18446744073709551615"),
                                  SEED("\"ww_0\":"),
                                  SEED("\"bb_0\":"),
                                  SEED("\"weight_pre\":"),
                                  SEED("[1,1,1]"),
                                  SEED("\"__metadata__\":"),
                                  SEED("4611686018427387904"),
                                  SEEDS_END};

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_tensors(const struct safetensors *file, const char *end, struct arena *arena)
{
    const char *next = file->n > 0 ? file->list[0].bytes : end;
    struct textbuf text = textbuf_in(arena);
    struct err err = ERR_INIT;
    struct safetensors again;
    for (int i = 0; i < file->n; i++) {
        const struct safetensor *tensor = &file->list[i];
        size_t n = 1;
        for (int k = 0; k < tensor->rank; k++) {
            n *= tensor->shape[k];
        }
        require(n == tensor->n && tensor->n_bytes == n * tensor_type_size(tensor->type));
        require(tensor->bytes == next);
        next += tensor->n_bytes;
    }
    require(next == end);
    safetensors_write_head(&text, "model", "\"", file->list, file->n);
    require(text.len % 8 == 0);
    size_t n_data = file->n > 0 ? (size_t)(end - file->list[0].bytes) : 0;
    char *data = arena_zalloc_array(arena, n_data + 1, 1);
    textbuf_put(&text, data, n_data);
    require(safetensors_parse(text.data, text.len, arena, &again, &err) == ERR_OK);
    require(again.n == file->n && again.metadata != NULL);
    for (int i = 0; i < again.n; i++) {
        const struct safetensor *tensor = safetensors_find(file, again.list[i].name);
        require(tensor != NULL && tensor->n == again.list[i].n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct safetensors file;
    struct model *model = NULL;
    if (begun++ == 0) {
        json_read_init();
    }
    char *text = arena_strndup(&arena, (const char *)data, size);
    memcpy(text, data, size); /* zeros and all */
    if (safetensors_parse(text, size, &arena, &file, &err) == ERR_OK) {
        check_tensors(&file, text + size, &arena);
    }
    err_clear(&err);
    if (model_tensors_parse(text, size, &arena, &model, &err) == ERR_OK) {
        require(model->m >= 1 && model->gaussian.n_members == 0);
    }
    model_unref(model);
    arena_release(&arena);
    return 0;
}
