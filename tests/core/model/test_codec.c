/* SPDX-License-Identifier: Apache-2.0 */
/* Models of every kind as bytes: back again the same, old formats still, damage refused. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/codec.h"

#define ROWS 6

static double *random_values(struct rng *rng, size_t n)
{
    double *values = mem_alloc_array(n, sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < n; i++) {
        values[i] = rng_uniform(rng);
    }
    return values;
}

static void fill_scores(struct model *model, struct rng *rng)
{
    size_t o = (size_t)model->o;
    model->scores.n_rows = 12;
    model->scores.relative_error = 0.25;
    model->scores.rmse = random_values(rng, o);
    model->scores.output_range = random_values(rng, 2 * o);
    model->scores.nll = random_values(rng, o);
    model->scores.nll_draws = random_values(rng, o);
    model->scores.crps = random_values(rng, o);
    model->scores.coverage = random_values(rng, SCORES_INTERVALS * o);
    model->scores.width = random_values(rng, SCORES_INTERVALS * o);
    model->scores.calibration = random_values(rng, SCORES_LEVELS * o);
    /* What is not known is one thing, whatever made it. */
    model->scores.nll[0] = -(double)NAN;
    model->scores.crps[0] = INFINITY;
}

static void fill_report(struct model *model)
{
    struct err err = ERR_INIT;
    const double losses[] = {3.0, 2.0, (double)NAN, 1.0};
    ck_assert_int_eq(report_add(&model->report, "loss", 4, losses, &err), ERR_OK);
    ck_assert_int_eq(report_add(&model->report, "one", 1, losses, &err), ERR_OK);
    ck_assert_int_eq(report_add(&model->report, "none", 0, losses, &err), ERR_OK);
    ck_assert_int_eq(report_add_number(&model->report, "parameters.rhat", 1.01, &err), ERR_OK);
    ck_assert_int_eq(report_warn(&model->report, &err, "mixing", "only %d chains", 2), ERR_OK);
}

static void fill_calibration(struct model *model, struct rng *rng)
{
    struct conformal *c = &model->conformal;
    c->method = CONFORMAL_CV_PLUS;
    c->normalised = true;
    c->n_folds = 2;
    c->n = ROWS;
    c->fold = mem_zalloc_array(ROWS, sizeof *c->fold);
    ck_assert_ptr_nonnull(c->fold);
    for (int i = 0; i < ROWS; i++) {
        c->fold[i] = i % 2;
    }
    c->scores = random_values(rng, ROWS * (size_t)model->o);
    c->fold_noise = random_values(rng, 2 * (size_t)model->o);
}

/* Two heads, four Gaussians of two folds, and everything that is told of it. */
static struct model *full_model(void)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(2, 4);
    struct rng rng;
    arch.width = 3;
    arch.layers = 1;
    rng_init(&rng, 3, RNG_TEST, 0);
    ck_assert_int_eq(model_new(&arch, 12, &model, &err), ERR_OK);
    model_predict_noise(model);
    int k = model->net.n_params;
    const struct gauss_shape shape = {
        .n_params = k, .first = 3, .n = k - 5, .with_std = true, .rank = 2};
    ck_assert_int_eq(gauss_mixture_new(&model->gaussian, 4, &shape, &err), ERR_OK);
    for (int i = 0; i < 4; i++) {
        struct gauss *g = &model->gaussian.members[i];
        for (int j = 0; j < k; j++) {
            g->mean[j] = rng_normal(&rng);
        }
        for (int j = 0; j < g->n; j++) {
            g->std[j] = rng_uniform(&rng);
            g->factor[2 * j] = rng_normal(&rng);
            g->factor[2 * j + 1] = rng_normal(&rng);
        }
    }
    model->gaussian.n_draws = 3;
    model->gaussian.seed = -17;
    model->gaussian.linearised = true;
    model->seed = 4;
    model->solver = mem_strdup("laplace");
    fill_scores(model, &rng);
    fill_report(model);
    fill_calibration(model, &rng);
    ck_assert_msg(model_publish(model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

static struct model *plain_model(void)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(2, 1);
    arch.width = 2;
    ck_assert_int_eq(model_new(&arch, 3, &model, &err), ERR_OK);
    for (int i = 0; i < 3 * model->net.n_params; i++) {
        model->draws[i] = 0.01 * i;
    }
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    return model;
}

struct stored {
    unsigned char *bytes;
    size_t size;
};

static struct stored store(const struct model *model)
{
    struct err err = ERR_INIT;
    struct stored s = {.bytes = NULL};
    ck_assert_int_eq(codec_encode(model, &s.bytes, &s.size, &err), ERR_OK);
    return s;
}

static struct model *load(const struct stored *s)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    ck_assert_msg(codec_decode(s->bytes, s->size, &model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

static bool same(const struct stored *a, const struct stored *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

START_TEST(everything_comes_back_from_its_bytes)
{
    struct model *model = full_model();
    struct stored first = store(model);
    struct model *back = load(&first);
    struct stored second = store(back);
    size_t n_draws = (size_t)model->m * (size_t)model->net.n_params;
    ck_assert(same(&first, &second));
    ck_assert(back->noise_predicted);
    ck_assert_int_eq(back->o, 2);
    ck_assert_int_eq(back->gaussian.n_members, 4);
    ck_assert_int_eq(back->gaussian.n_draws, 3);
    ck_assert_int_eq(back->gaussian.seed, -17);
    ck_assert(back->gaussian.linearised);
    ck_assert_int_eq(back->gaussian.members[2].first, 3);
    ck_assert_int_eq(back->gaussian.members[2].rank, 2);
    /* The draws are not stored, and are the same. */
    ck_assert_int_eq(memcmp(back->draws, model->draws, n_draws * sizeof(double)), 0);
    ck_assert_int_eq(back->conformal.method, CONFORMAL_CV_PLUS);
    ck_assert_int_eq(back->conformal.fold[3], 1);
    ck_assert_double_eq(back->conformal.scores[7], model->conformal.scores[7]);
    ck_assert_double_eq(back->conformal.fold_noise[3], model->conformal.fold_noise[3]);
    ck_assert_double_eq(back->scores.calibration[20], model->scores.calibration[20]);
    ck_assert(isnan(back->scores.crps[0]));
    ck_assert_int_eq(back->report.n_items, 4);
    ck_assert(isnan(report_find(&back->report, "loss")->values[2]));
    ck_assert(!report_find(&back->report, "one")->scalar);
    ck_assert(report_find(&back->report, "parameters.rhat")->scalar);
    ck_assert_str_eq(back->report.warnings[0].text, "only 2 chains");
    mem_free(first.bytes);
    mem_free(second.bytes);
    model_unref(model);
    model_unref(back);
}
END_TEST

START_TEST(what_an_older_program_wrote_keeps_its_bytes)
{
    struct model *model = plain_model();
    struct stored second = store(model);
    /* "SRGMODEL", format. */
    ck_assert_int_eq(second.bytes[8], 2);
    struct model *back = load(&second);
    struct stored again = store(back);
    ck_assert(same(&second, &again));
    /* Format 1 had neither precision nor its errors, which stand before the number of rows. */
    struct stored first = {.bytes = mem_alloc(second.size), .size = second.size - 20};
    memcpy(first.bytes, second.bytes, first.size - 4);
    memcpy(first.bytes + first.size - 4, second.bytes + second.size - 4, 4);
    first.bytes[8] = 1;
    struct model *oldest = load(&first);
    ck_assert_int_eq(oldest->precision, PRECISION_FLOAT64);
    ck_assert_double_eq(oldest->draws[5], model->draws[5]);
    struct stored lifted = store(oldest);
    ck_assert(same(&second, &lifted));
    mem_free(first.bytes);
    mem_free(second.bytes);
    mem_free(again.bytes);
    mem_free(lifted.bytes);
    model_unref(model);
    model_unref(back);
    model_unref(oldest);
}
END_TEST

START_TEST(every_pair_of_biases_comes_back)
{
    for (int biases = 0; biases < 4; biases++) {
        struct err err = ERR_INIT;
        struct model *model = NULL;
        struct arch arch = arch_default(2, 1);
        arch.bias = biases % 2 == 1;
        arch.outer_bias = biases / 2 == 1;
        ck_assert_int_eq(model_new(&arch, 1, &model, &err), ERR_OK);
        memset(model->draws, 0, (size_t)model->net.n_params * sizeof(double));
        ck_assert_int_eq(model_publish(model, &err), ERR_OK);
        struct stored s = store(model);
        struct model *back = load(&s);
        ck_assert(arch_equal(&back->net.arch, &arch));
        mem_free(s.bytes);
        model_unref(model);
        model_unref(back);
    }
}
END_TEST

START_TEST(a_model_has_one_text_of_bytes)
{
    struct err err = ERR_INIT;
    struct model *model = plain_model();
    ck_assert_int_eq(report_warn(&model->report, &err, "a", "b"), ERR_OK);
    struct stored s = store(model);
    struct model *out = NULL;
    ck_assert_int_eq(s.bytes[8], 3);
    /* At its end: one warning, texts of one byte. Without it format 2 says the same. */
    s.size -= 10;
    memset(s.bytes + s.size - 4, 0, 4);
    ck_assert_int_eq(codec_decode(s.bytes, s.size, &out, &err), ERR_CORRUPT);
    mem_free(s.bytes);
    model_unref(model);
}
END_TEST

START_TEST(damaged_bytes_are_refused_or_are_another_model)
{
    struct model *model = full_model();
    struct stored s = store(model);
    model_unref(model);
    long live = mem_live();
    for (size_t cut = 0; cut < s.size; cut += cut < 500 || cut + 1500 > s.size ? 1 : 13) {
        struct err err = ERR_INIT;
        struct model *back = NULL;
        ck_assert_int_ne(codec_decode(s.bytes, cut, &back, &err), ERR_OK);
        ck_assert_ptr_null(back);
    }
    for (size_t at = 0; at < s.size; at += at < 500 || at + 1500 > s.size ? 1 : 13) {
        struct err err = ERR_INIT;
        struct model *back = NULL;
        s.bytes[at] ^= 0x81;
        if (codec_decode(s.bytes, s.size, &back, &err) == ERR_OK) {
            struct stored again = store(back);
            ck_assert(same(&s, &again));
            mem_free(again.bytes);
            model_unref(back);
        }
        s.bytes[at] ^= 0x81;
    }
    ck_assert_int_eq(mem_live(), live);
    mem_free(s.bytes);
}
END_TEST

START_TEST(encoding_and_decoding_survive_each_failed_allocation)
{
    struct model *model = full_model();
    struct stored s = store(model);
    bool done = false;
    long live = mem_live();
    for (long at = 1; !done; at++) {
        struct err err = ERR_INIT;
        struct model *back = NULL;
        struct stored again = {.bytes = NULL};
        mem_fail_after(at, false);
        if (codec_decode(s.bytes, s.size, &back, &err) == ERR_OK) {
            err_kept(codec_encode(back, &again.bytes, &again.size, &err));
        }
        done = mem_attempts() < at;
        mem_fail_after(0, false);
        ck_assert_int_eq(err.code, done ? ERR_OK : ERR_NOMEM);
        mem_free(again.bytes);
        model_unref(back);
        ck_assert_int_eq(mem_live(), live);
    }
    mem_free(s.bytes);
    model_unref(model);
}
END_TEST

/* ---- what is refused when a model is published ---- */

static enum err_code published(struct model *model)
{
    struct err err = ERR_INIT;
    enum err_code code = model_publish(model, &err);
    model_unref(model);
    return code;
}

static struct model *empty_model(int outputs, int m)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(1, outputs);
    ck_assert_int_eq(model_new(&arch, m, &model, &err), ERR_OK);
    memset(model->draws, 0, (size_t)m * (size_t)model->net.n_params * sizeof(double));
    return model;
}

START_TEST(models_that_contradict_themselves_are_refused)
{
    struct err err = ERR_INIT;
    struct model *model = empty_model(3, 1);
    model_predict_noise(model);
    ck_assert_int_eq(published(model), ERR_INVALID);

    model = empty_model(2, 1);
    model_predict_noise(model);
    model->out[0] = (struct scaler){SCALER_LOG, 0.0, 1.0};
    ck_assert_int_eq(published(model), ERR_UNSUPPORTED);

    model = empty_model(2, 1);
    model_predict_noise(model);
    model->noise_sigma = mem_zalloc_array(1, sizeof(double));
    ck_assert_int_eq(published(model), ERR_INVALID);

    for (int k = 0; k < 4; k++) { /* noise of logarithms needs both */
        model = empty_model(1, 1);
        model->noise_of_logs = true;
        if ((k & 1) != 0) {
            model->noise_sigma = mem_zalloc_array(1, sizeof(double));
        }
        if ((k & 2) != 0) {
            model->out[0] = (struct scaler){SCALER_LOG, 0.0, 1.0};
        }
        ck_assert_int_eq(published(model), k == 3 ? ERR_OK : ERR_INVALID);
    }

    model = empty_model(1, 3);
    const struct gauss_shape shape = {.n_params = model->net.n_params, .n = 1, .with_std = true};
    ck_assert_int_eq(gauss_mixture_new(&model->gaussian, 2, &shape, &err), ERR_OK);
    ck_assert_int_eq(published(model), ERR_INVALID);

    /* Three draws for two folds; a fold that is not there; scores below 0. */
    for (int k = 0; k < 4; k++) {
        model = empty_model(1, k == 0 ? 3 : 4);
        struct conformal *c = &model->conformal;
        c->method = CONFORMAL_CV_PLUS;
        c->n_folds = 2;
        c->n = 2;
        c->fold = mem_zalloc_array(2, sizeof *c->fold);
        c->scores = mem_zalloc_array(2, sizeof *c->scores);
        c->fold[1] = k == 1 ? 2 : 1;
        c->scores[1] = k == 2 ? -1.0 : 1.0;
        ck_assert_int_eq(published(model), k == 3 ? ERR_OK : ERR_INVALID);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, everything_comes_back_from_its_bytes);
    tcase_add_test(tc, what_an_older_program_wrote_keeps_its_bytes);
    tcase_add_test(tc, every_pair_of_biases_comes_back);
    tcase_add_test(tc, a_model_has_one_text_of_bytes);
    tcase_add_test(tc, damaged_bytes_are_refused_or_are_another_model);
    tcase_add_test(tc, encoding_and_decoding_survive_each_failed_allocation);
    tcase_add_test(tc, models_that_contradict_themselves_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
