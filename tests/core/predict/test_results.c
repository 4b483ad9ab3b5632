/* SPDX-License-Identifier: Apache-2.0 */
/* Every result of core/predict/results.def is computed by every way of predicting. */
#include "give_feasible.h"
#include "linear_cases.h"
#include "mixed_rows.h"
#include "oracle.h"
#include "run.h"

#include <math.h>
#include <string.h>

#define MANY_ROWS 130 /* two tiles of draws, many in closed form */

enum { FROM_DRAWS, FROM_DRAWS_WITH_TWO_HEADS, IN_CLOSED_FORM, N_WAYS = IN_CLOSED_FORM + 2 };

/* Draws, draws that predict their noise, closed form without and with predicted noise. */
static struct model *model_of(int way)
{
    if (way >= IN_CLOSED_FORM) {
        struct model *gaussian = gaussian_model(&setups[way == IN_CLOSED_FORM ? 2 : 4]);
        give_feasible(gaussian);
        return gaussian;
    }
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct rng rng;
    const struct setup setup = {.out = SCALER_RANGE, .noise_predicted = way != FROM_DRAWS};
    struct arch arch = arch_of(&setup);
    ck_assert_int_eq(model_new(&arch, DRAWS, &model, &err), ERR_OK);
    rng_init(&rng, 32, RNG_TEST, 0);
    for (int k = 0; k < DRAWS * model->net.n_params; k++) {
        model->draws[k] = 0.5 * rng_normal(&rng);
    }
    if (setup.noise_predicted) {
        model_predict_noise(model);
    } else {
        model->noise_sigma = mem_zalloc_array((size_t)model->o, sizeof(double));
    }
    set_scalers(&setup, model);
    give_feasible(model);
    ck_assert_msg(model_publish(model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

static size_t count_of(const struct predict_dims *dims)
{
    size_t count = 1;
    for (int k = 0; k < dims->rank; k++) {
        count *= dims->size[k];
    }
    return count;
}

static void spoil(double *values, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        values[k] = NAN;
    }
}

START_TEST(every_number_of_every_result_is_computed)
{
    static const double levels[] = {0.1, 0.5, 0.9};
    struct model *model = model_of(_i);
    double x[MANY_ROWS * D];
    mixed_rows(x, MANY_ROWS);
    for (int index = 0; index < PREDICT_N_RESULTS; index++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_call call;
        struct predict_result r;
        struct predict_request req = {.n = MANY_ROWS,
                                      .x = x,
                                      .want = 1U << index,
                                      .n_levels = 3,
                                      .levels = levels,
                                      .n_intervals = 3,
                                      .intervals = levels,
                                      .n_samples = 4,
                                      .n_threads = 1};
        ck_assert_int_eq(predict_begin(&call, model, &req, &arena, &r, &err), ERR_OK);
        struct predict_dims dims = predict_result_dims((enum predict_index)index, model, &req);
        ck_assert_ptr_nonnull(r.at[index]);
        ck_assert_uint_eq(dims.size[dims.rows], MANY_ROWS);
        spoil(r.at[index], count_of(&dims));
        for (int tile = 0; tile < call.n_tiles; tile++) {
            ck_assert_int_eq(predict_tile(&call, tile, &arena, &err), ERR_OK);
        }
        ck_assert_int_eq(predict_end(&call, &arena, &err), ERR_OK);
        for (size_t k = 0; k < count_of(&dims); k++) {
            ck_assert_msg(isfinite(r.at[index][k]), "%s[%zu] is not computed",
                          predict_kinds[index].name, k);
        }
        arena_release(&arena);
    }
    model_unref(model);
}
END_TEST

START_TEST(only_what_is_asked_for_has_memory)
{
    const double level = 0.5;
    struct model *model = model_of(FROM_DRAWS);
    double x[D] = {5.0, 1.0, 0.0};
    for (int index = 0; index < PREDICT_N_RESULTS; index++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        struct predict_request req = {.n = 1,
                                      .x = x,
                                      .want = 1U << index,
                                      .n_levels = 1,
                                      .levels = &level,
                                      .n_intervals = 1,
                                      .intervals = &level,
                                      .n_samples = 1,
                                      .n_threads = 1};
        unsigned expected = req.want | PREDICT_MEAN | PREDICT_VARIANCE;
        if (req.want & PREDICT_INTERVALS) {
            expected |= PREDICT_TOTAL_VARIANCE;
        }
        ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
        for (int i = 0; i < PREDICT_N_RESULTS; i++) {
            ck_assert_int_eq(r.at[i] != NULL, (expected & (1U << i)) != 0);
        }
        arena_release(&arena);
    }
    model_unref(model);
}
END_TEST

/* A name is that of one result; the other form of a result stands behind it and has no name. */
START_TEST(results_are_found_by_their_names)
{
    enum predict_index index = PREDICT_INDEX_MEAN;
    char listed[256] = "";
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        const struct predict_kind *kind = &predict_kinds[i];
        ck_assert(predict_result_find(kind->name, &index));
        if (kind->option == PREDICT_OPTION_ALTERNATIVE) {
            ck_assert_int_gt(i, 0);
            ck_assert_int_eq(predict_kinds[i - 1].option, PREDICT_OPTION_BETWEEN);
            ck_assert_str_eq(predict_kinds[i - 1].name, kind->name);
            ck_assert_int_eq((int)index, i - 1);
            continue;
        }
        ck_assert_int_eq((int)index, i);
        strcat(listed, listed[0] != '\0' ? ", " : "");
        strcat(listed, kind->name);
    }
    ck_assert_str_eq(predict_result_names(), listed);
    /* With "return[0] .. is not one of", and up to 40 characters of what was asked for. */
    ck_assert_uint_lt(strlen(listed) + 80, sizeof(((struct err *)0)->msg));
    ck_assert(!predict_result_find("avg", &index));
    ck_assert(!predict_result_find("", &index));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("results");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_number_of_every_result_is_computed, 0, N_WAYS);
    tcase_add_test(tc, only_what_is_asked_for_has_memory);
    tcase_add_test(tc, results_are_found_by_their_names);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
