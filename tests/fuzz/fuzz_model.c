/* SPDX-License-Identifier: Apache-2.0 */
/* Model documents: one that is taken must come back from its own text and from its bytes. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "documents/model_json.h"
#include "formats/json_read.h"
#include "model/codec.h"

const struct seed fuzz_seeds[] = {
    SEED("{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"
         "\"constant\"},"
         "\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,0,0.5,0.25],[1,0,2,0,0.5,1]]},"
         "\"names\":{\"inputs\":[\"x\"],\"outputs\":[\"y\"]},\"training_range\":[[0,1]],"
         "\"noise\":{\"sigma\":[0.1]},\"provenance\":{\"a\":[1,2.5]},\"seed\":3}"),
    SEED(
        "{\"architecture\":{\"inputs\":2,\"outputs\":2,\"width\":2,\"layers\":1,\"basis\":"
        "\"fourier\","
        "\"order\":1,\"bias\":false,\"layer_pre\":false,\"layer_post\":false,\"final\":\"sum\"},"
        "\"scaling\":{\"inputs\":[{\"kind\":\"log\",\"shift\":1,\"scale\":2},{\"kind\":\"none\"}]},"
        "\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,2,3,4,5,6,7,8,9,10,11,12]]},"
        "\"precision\":\"float32\"}"),
    SEED("{\"architecture\":{\"inputs\":1,\"outputs\":2,\"width\":1,\"layers\":0,\"basis\":"
         "\"constant\"},\"posterior\":{\"kind\":\"gaussian\",\"draws\":2,\"seed\":7,"
         "\"predictive\":\"linearised\",\"members\":[{\"mean\":[1,0,1,0,0.5,0.25,1,2],"
         "\"first\":2,\"std\":[1,2,0.5],\"factor\":[[1,2],[3,4],[5,6]]},"
         "{\"mean\":[1,0,2,0,0.5,1,3,4]}]},\"noise\":{\"kind\":\"predicted\"},"
         "\"calibration\":{\"method\":\"cv+\",\"folds\":2,\"fold\":[0,1],\"scores\":[[1],[2]]},"
         "\"report\":{\"loss\":[1,null],\"a.b\":null},\"warnings\":[{\"code\":\"c\",\"text\":"
         "\"t\"}],\"scores\":{\"rows\":1,\"relative_error\":1,\"rmse\":[1],\"output_range\":"
         "[[0,1]],\"crps\":[null],\"width\":[[1,2,3]]}}"),
    SEED("{\"architecture\":{\"inputs\":1,\"outputs\":2,\"width\":1,\"layers\":0,\"basis\":"
         "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,2,0,1,0.5,0.25]]},"
         "\"calibration\":{\"method\":\"split\",\"scores\":[[1,null],[null,2]]},"
         "\"scores\":{\"rows\":2,\"counts\":[2,0],\"relative_error\":1,\"rmse\":[1,null],"
         "\"output_range\":[[0,1],[0,1]]},\"feasible\":{\"solver\":\"logistic\",\"seed\":3,"
         "\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"
         "\"constant\"},\"scaling\":{\"inputs\":[{\"kind\":\"unit\",\"shift\":1,\"scale\":2}]},"
         "\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,0,0.5,0.25]]}}}"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("\"layers\":2,"),
                                  SEED("legendre"),
                                  SEED("\"order\":3,"),
                                  SEED("1e308"),
                                  SEED("-1"),
                                  SEED("null"),
                                  SEED("float64"),
                                  SEED("\"units\":{}"),
                                  SEED("[]"),
                                  SEED("{}"),
                                  SEED("\"horizon\":5,"),
                                  SEED("sampled"),
                                  SEED("\"std\":null,"),
                                  SEED("jackknife+"),
                                  SEED("\"feasible\":"),
                                  SEED("\"counts\":[0]"),
                                  SEEDS_END};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct model *again = NULL;
    unsigned char *bytes[2] = {NULL, NULL};
    size_t len[2] = {0, 0};
    if (begun++ == 0) {
        json_read_init();
    }
    char *text = arena_strndup(&arena, (const char *)data, size);
    if (model_json_parse(text, size, &arena, &model, &err) == ERR_OK) {
        struct textbuf out = textbuf_in(&arena);
        struct json_write json = json_write_to(&out);
        model_json_write(&json, NULL, model);
        json_write_end(&json);
        if (model_json_parse(out.data, out.len, &arena, &again, &err) != ERR_OK ||
            codec_encode(model, &bytes[0], &len[0], &err) != ERR_OK ||
            codec_encode(again, &bytes[1], &len[1], &err) != ERR_OK || len[0] != len[1] ||
            memcmp(bytes[0], bytes[1], len[0]) != 0) {
            abort();
        }
        model_unref(again);
        if (codec_decode(bytes[0], len[0], &again, &err) != ERR_OK) {
            abort();
        }
        model_unref(again);
        model_unref(model);
    }
    mem_free(bytes[0]);
    mem_free(bytes[1]);
    arena_release(&arena);
    return 0;
}
