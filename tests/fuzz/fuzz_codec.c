/* SPDX-License-Identifier: Apache-2.0 */
/* Stored models, damaged: refused, or a model that is stored with the same bytes again. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/codec.h"

/* A stored model is not a text to write down: one is made and then changed. */
const struct seed fuzz_seeds[] = {SEED("make"), SEED("make me another one"), SEED("me too"),
                                  SEEDS_END};
const struct seed fuzz_words[] = {SEED("\xff\xff\xff\xff"), SEED("\x00\x00\x00\x00"), SEEDS_END};

static unsigned char *stored(struct model *model, size_t *len)
{
    struct err err = ERR_INIT;
    unsigned char *bytes = NULL;
    if (model_publish(model, &err) != ERR_OK || codec_encode(model, &bytes, len, &err) != ERR_OK) {
        abort();
    }
    model_unref(model);
    return bytes;
}

static unsigned char *make_draws(size_t *len)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(2, 1);
    arch.width = 2;
    arch.layers = 1;
    if (model_new(&arch, 2, &model, &err) != ERR_OK) {
        abort();
    }
    for (size_t i = 0; i < 2 * (size_t)model->net.n_params; i++) {
        model->draws[i] = 0.1 * (double)i;
    }
    model->solver = mem_strdup("ensemble");
    return stored(model, len);
}

static void fill(double *values, int n)
{
    for (int i = 0; i < n; i++) {
        values[i] = 0.125 * (double)(i % 9);
    }
}

/* Two Gaussians of two folds, two heads, scores, calibration, report. */
static unsigned char *make_gaussians(size_t *len)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(1, 2);
    const double losses[] = {2.0, 1.0};
    arch.width = 1;
    arch.layers = 0;
    if (model_new(&arch, 4, &model, &err) != ERR_OK) {
        abort();
    }
    struct gauss_mixture *mixture = &model->gaussian;
    struct conformal *c = &model->conformal;
    int k = model->net.n_params;
    const struct gauss_shape shape = {
        .n_params = k, .first = 1, .n = k - 1, .with_std = true, .rank = 1};
    model_predict_noise(model);
    if (gauss_mixture_new(mixture, 2, &shape, &err) != ERR_OK ||
        report_add(&model->report, "loss", 2, losses, &err) != ERR_OK ||
        report_add_number(&model->report, "rhat", 1.5, &err) != ERR_OK ||
        report_warn(&model->report, &err, "short", "few rows") != ERR_OK) {
        abort();
    }
    for (int i = 0; i < 2; i++) {
        fill(mixture->members[i].mean, k);
        fill(mixture->members[i].std, k - 1);
        fill(mixture->members[i].factor, k - 1);
    }
    mixture->n_draws = 2;
    *c = (struct conformal){.method = CONFORMAL_CV_PLUS,
                            .n_folds = 2,
                            .n = 2,
                            .fold = mem_zalloc_array(2, sizeof *c->fold),
                            .scores = mem_zalloc_array(2, sizeof *c->scores)};
    model->scores.n_rows = 3;
    model->scores.rmse = mem_zalloc_array(1, sizeof(double));
    model->scores.output_range = mem_zalloc_array(2, sizeof(double));
    model->scores.crps = mem_zalloc_array(1, sizeof(double));
    return stored(model, len);
}

/* The input's length says which model; then where its stored bytes change, and to what. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    size_t len = 0;
    unsigned char *bytes = size % 3 == 1 ? make_gaussians(&len) : make_draws(&len);
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
