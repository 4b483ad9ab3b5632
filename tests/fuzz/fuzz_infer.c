/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the Open Inference Protocol: the first two bytes say how much of the rest is JSON.
 * What is taken must lie within the body and have as many numbers as its shape says; binary inputs
 * follow each other from the JSON to the end.
 */
#include "driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/oip/infer_request.h"
#include "formats/json_read.h"
#include "model/model.h"

#define MAX_ROWS 50

const struct seed fuzz_seeds[] = {
    SEED("\xff\xff{\"id\":\"4\",\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],\"datatype\":\"FP64\","
         "\"data\":[[1,2],[3,4e0]]}],\"outputs\":[{\"name\":\"mean\"}]}"),
    SEED("\x5d\x00{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
         "\"parameters\":{\"binary_data_size\":8}}]}"
         "abcdefgh"),
    SEED("\xff\xff{\"parameters\":{\"quantiles\":\"0.1, 0.9\",\"samples\":2,\"datatype\":\"FP32\","
         "\"timeout\":5,\"binary_data_output\":true},\"inputs\":[{\"name\":\"k\",\"shape\":[2],"
         "\"datatype\":\"INT8\",\"data\":[1,2]},{\"name\":\"T\",\"shape\":[2,1],\"datatype\":"
         "\"FP64\",\"data\":[1,2]}]}"),
    SEED("\x00\x00"
         "0123456789abcdef"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("\"FP16\""),
                                  SEED("\"UINT64\""),
                                  SEED("{\"binary_data_size\":16}"),
                                  SEED("\"parameters\":"),
                                  SEED("{\"binary_data\":false}"),
                                  SEED("18446744073709551616"),
                                  SEED("[9223372036854775807,2]"),
                                  SEED("\"covariance\":\"rows\""),
                                  SEED("\"intervals\":\"0.5\""),
                                  SEED("\"content_type\":\"np\""),
                                  SEED("\"shape\":"),
                                  SEED("\"data\":["),
                                  SEEDS_END};

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_tensor(const struct infer_tensor *tensor, struct infer_body body,
                         const char **next)
{
    size_t n = 1;
    for (int k = 0; k < tensor->rank; k++) {
        require(tensor->shape[k] >= 1);
        n *= tensor->shape[k];
    }
    require(tensor->rank == 0 || n == tensor->n);
    require((tensor->values == NULL) != (tensor->bytes == NULL));
    if (tensor->bytes != NULL) {
        require(tensor->bytes == *next);
        *next += tensor->rank == 0 ? tensor->n_bytes : n * tensor_type_size(tensor->type);
        require(*next <= body.bytes + body.n_bytes);
    }
    double sum = 0.0;
    for (size_t i = 0; i < tensor->n && tensor->values != NULL; i++) {
        sum += tensor->values[i]; /* they can be read */
    }
    require(!isnan(sum) || tensor->n > 1);
}

static void check_request(const struct infer_request *request, struct infer_body body)
{
    const char *next = body.bytes + body.n_json;
    unsigned want = 0;
    for (int i = 0; i < request->n_inputs; i++) {
        check_tensor(&request->inputs[i], body, &next);
    }
    require(next == body.bytes + body.n_bytes);
    for (int i = 0; i < request->n_outputs; i++) {
        require((want & (1U << request->outputs[i].index)) == 0);
        want |= 1U << request->outputs[i].index;
    }
    require(want == request->predict.want);
}

/* A model of which only what rows depend on is there. */
static void check_rows(struct infer_request *request, struct arena *arena)
{
    static char k[] = "k";
    static char t[] = "T";
    char *names[] = {k, t};
    const struct model model = {.d = 2, .o = 1, .m = 3, .input_names = names};
    struct err err = ERR_INIT;
    if (infer_request_fit(request, &model, MAX_ROWS, arena, &err) == ERR_OK) {
        require(request->predict.n >= 1 && request->predict.n <= MAX_ROWS);
        for (int i = 0; i < 2 * request->predict.n; i++) {
            require(isfinite(request->predict.x[i]));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct infer_request request;
    if (begun++ == 0) {
        json_read_init();
    }
    if (size >= 2) {
        size_t n_json = (size_t)data[0] + 256 * (size_t)data[1];
        char *text = arena_strndup(&arena, (const char *)data + 2, size - 2);
        const struct infer_body body = {text, size - 2, n_json < size - 2 ? n_json : size - 2};
        if (infer_request_parse(body, 0, &arena, &request, &err) == ERR_OK) {
            check_request(&request, body);
            check_rows(&request, &arena);
        }
    }
    arena_release(&arena);
    return 0;
}
