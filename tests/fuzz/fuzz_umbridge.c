/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of UM-Bridge: the first byte says which route and which view of a model they are for.
 * The point that is taken has the numbers that the reader of tensors finds in the same bytes, and
 * what is taken can be computed, to finite numbers or to an error with a message.
 */
#include "driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/umbridge/umbridge_request.h"
#include "formats/json_tensor.h"
#include "model/model.h"

#define D 2
#define O 2
#define M 3

const struct seed fuzz_seeds[] = {
    SEED("\x00{\"name\":\"m\",\"input\":[[0.5,-2e0]],\"config\":{}}"),
    SEED("\x05{\"name\":\"m\",\"outWrt\":0,\"inWrt\":0,\"input\":[[1,2]],\"sens\":[1,2]}"),
    SEED("\x0a{\"name\":\"m\",\"outWrt\":1,\"inWrt\":0,\"input\":[[1,2]],\"vec\":[1,-2],"
         "\"config\":{\"outputs\":[\"std\",\"quantiles\"],\"quantiles\":[0.1,0.9]}}"),
    SEED("\x0f{\"name\":\"m\",\"outWrt\":0,\"inWrt1\":0,\"inWrt2\":0,\"input\":[[1,2]],\"sens\":"
         "[1,2],\"vec\":[1,-2],\"config\":{\"outputs\":\"sample\",\"seed\":7,\"version\":\"@prod\"}"
         "}"),
    SEED("\x00{\"name\":\"m\",\"input\":[[100000000000000000000,-12345678901234567890123]]}"),
    SEEDS_END};

const struct seed fuzz_words[] = {
    SEED("\"variance\""), SEED("\"mean\""),  SEED("\"outputs\":["), SEED("\"config\":[]"),
    SEED("\"seed\":"),    SEED("1e308"),     SEED("NaN"),           SEED("99999999999999999999"),
    SEED("\"version\":"), SEED("\"sens\":"), SEED("\\\""),          SEEDS_END};

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static struct model *make_model(void)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, O);
    arch.width = 3;
    arch.layers = 1;
    require(model_new(&arch, M, &model, &err) == ERR_OK);
    for (int k = 0; k < M * model->net.n_params; k++) {
        model->draws[k] = (k * 7 % 11 - 5) * 0.2;
    }
    model->in[1] = (struct scaler){SCALER_LOG, 0.1, 0.8};
    model->out[1] = (struct scaler){SCALER_LOG, 0.2, 0.5};
    require(model_publish(model, &err) == ERR_OK);
    return model;
}

/* The same bytes, read by the other reader of JSON. */
static void check_point(const struct umbridge_request *request, const char *text, size_t len,
                        struct arena *arena)
{
    struct err err = ERR_INIT;
    json_t *body = NULL;
    struct json_tensor input = {.key = "input", .max_rows = 1, .max_columns = D};
    if (json_tensor_parse(text, len, (struct json_tensors){&input, 1, 0}, arena, &body, &err) ==
            ERR_OK &&
        input.found && !input.left && !input.flat) {
        require(input.n == 1 && input.k == D);
        for (int i = 0; i < D; i++) {
            require(input.values[i] == request->predict.x[i]); /* the integer -0 has no sign here */
        }
    }
}

static void compute(const struct umbridge_request *request, const struct model *model,
                    struct arena *arena)
{
    struct err err = ERR_INIT;
    struct predict_result result;
    struct predict_request predict = request->predict;
    const struct derivative *derivative = predict.derivative;
    predict.n_threads = 1;
    if (predict_run(model, &predict, arena, &result, &err) != ERR_OK) {
        require(err.msg[0] != '\0');
        return;
    }
    size_t n = derivative == NULL                        ? 0
               : derivative->kind == DERIVATIVE_JACOBIAN ? derivative_n_values(model, &predict)
                                                         : D;
    for (size_t i = 0; i < n; i++) {
        require(isfinite(derivative->out[i]));
    }
}

static enum err_code read_all(struct umbridge_request *request, int choice,
                              const struct model *model, struct arena *arena, struct err *err)
{
    enum derivative_of view = (enum derivative_of)(choice % UMBRIDGE_MAX_OUTPUTS);
    int kind = choice / UMBRIDGE_MAX_OUTPUTS % 4 - 1; /* -1: Evaluate */
    if (umbridge_request_config(request, view, arena, err) != ERR_OK) {
        return err->code;
    }
    require(request->n_outputs >= 1 && request->n_outputs <= UMBRIDGE_MAX_OUTPUTS);
    require(request->predict.n_levels >= 1 && request->predict.n_samples == 1);
    for (int i = 0; i < request->predict.n_levels; i++) {
        require(request->predict.levels[i] >= 0.0 && request->predict.levels[i] <= 1.0);
    }
    if (kind >= 0 && umbridge_request_directions(request, model, (enum derivative_kind)kind, arena,
                                                 err) != ERR_OK) {
        return err->code;
    }
    return umbridge_request_input(request, model, arena, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct model *model;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct umbridge_request request;
    if (model == NULL) {
        json_read_init();
        model = make_model();
    }
    if (size >= 1) {
        char *text = arena_strndup(&arena, (const char *)data + 1, size - 1);
        if (umbridge_request_parse(text, size - 1, &arena, &request, &err) == ERR_OK &&
            read_all(&request, data[0], model, &arena, &err) == ERR_OK) {
            check_point(&request, text, size - 1, &arena);
            compute(&request, model, &arena);
        }
        require((err.code == ERR_OK) == (err.msg[0] == '\0'));
    }
    arena_release(&arena);
    return 0;
}
