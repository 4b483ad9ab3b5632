/* SPDX-License-Identifier: Apache-2.0 */
/* Stored models, damaged: refused, or a model that is stored with the same bytes again. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "mem.h"

/* Filled at the first input; a stored model is not a text to write down. */
const struct seed fuzz_seeds[] = {SEED("make"), SEED("make me another one"), SEEDS_END};
const struct seed fuzz_words[] = {SEED("\xff\xff\xff\xff"), SEED("\x00\x00\x00\x00"), SEEDS_END};

static unsigned char *make(size_t *len)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(2, 1);
    unsigned char *bytes = NULL;
    arch.width = 2;
    arch.layers = 1;
    if (model_new(&arch, 2, &model, &err) != ERR_OK) {
        abort();
    }
    for (size_t i = 0; i < 2 * (size_t)model->net.n_params; i++) {
        model->draws[i] = 0.1 * (double)i;
    }
    model->solver = mem_strdup("ensemble");
    if (model_publish(model, &err) != ERR_OK || codec_encode(model, &bytes, len, &err) != ERR_OK) {
        abort();
    }
    model_unref(model);
    return bytes;
}

/* The input says where the stored bytes change, and to what. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    size_t len = 0;
    unsigned char *bytes = make(&len);
    size_t end = len;
    for (size_t i = 0; i + 3 <= size; i += 3) {
        size_t at = ((size_t)data[i] | (size_t)data[i + 1] << 8) % (len + 1);
        if (at == len) {
            end = data[i + 2] % len;
        } else {
            bytes[at] = data[i + 2];
        }
    }
    if (codec_decode(bytes, end, &model, &err) == ERR_OK) {
        unsigned char *again = NULL;
        size_t again_len = 0;
        if (codec_encode(model, &again, &again_len, &err) != ERR_OK || again_len != end ||
            memcmp(again, bytes, end) != 0) {
            abort();
        }
        mem_free(again);
        model_unref(model);
    }
    mem_free(bytes);
    return 0;
}
