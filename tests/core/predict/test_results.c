/* SPDX-License-Identifier: Apache-2.0 */
/* Every result of core/predict/results.def is computed by every way of predicting. */
#include "give_feasible.h"
#include "linear_cases.h"
#include "mixed_rows.h"
#include "oracle.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "predict/predict_block.h"
#include "predict/predict_join.h"

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
                                      .n_total_levels = 3,
                                      .total_levels = levels,
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
                                      .n_total_levels = 1,
                                      .total_levels = &level,
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

static const double three_levels[] = {0.1, 0.5, 0.9};

static struct predict_request request_for_all(const double *x)
{
    return (struct predict_request){.n = MANY_ROWS,
                                    .x = x,
                                    .n_levels = 3,
                                    .levels = three_levels,
                                    .n_total_levels = 3,
                                    .total_levels = three_levels,
                                    .n_intervals = 3,
                                    .intervals = three_levels,
                                    .n_samples = 7,
                                    .seed = 3,
                                    .n_threads = 1};
}

/* Puts a result together from its blocks and compares it with the whole one. Returns their number.
 */
static int compare_blocks(const struct model *model, const struct predict_request *req,
                          enum predict_index index, const double *whole, size_t max_bytes)
{
    int n_blocks = 0;
    size_t at = 0;
    while (at < predict_block_total(model, req, index)) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        struct predict_block block = {.index = index, .first = at};
        predict_block_find(model, req, max_bytes, &block);
        ck_assert_uint_ge(block.count, 1);
        size_t bytes = predict_bytes(model, &block.request);
        ck_assert_uint_le(bytes, predict_block_bytes(model, req, max_bytes));
        ck_assert(bytes <= max_bytes || block.request.n == 1);
        ck_assert_msg(predict_run(model, &block.request, &arena, &r, &err) == ERR_OK, "%s",
                      err.msg);
        ck_assert_msg(memcmp(r.at[index] + block.offset, whole + at, block.count * sizeof *whole) ==
                          0,
                      "%s differs in the block of %zu bytes at %zu", predict_kinds[index].name,
                      max_bytes, at);
        at += block.count;
        n_blocks++;
        arena_release(&arena);
    }
    ck_assert_uint_eq(at, predict_block_total(model, req, index));
    return n_blocks;
}

/* Bit for bit, whatever else is asked for and however small the blocks are. */
START_TEST(results_in_blocks_are_the_whole_results)
{
    static const size_t sizes[] = {1, 200, 1000, 9000, 1 << 20};
    struct model *model = model_of(_i);
    double x[MANY_ROWS * D];
    mixed_rows(x, MANY_ROWS);
    for (int beside = 0; beside < 3; beside++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result all;
        struct predict_request req = request_for_all(x);
        req.of_observations = beside == 2;
        req.want = (1U << PREDICT_N_RESULTS) - 1 - PREDICT_COVARIANCE_ROWS -
                   (beside == 1 ? PREDICT_COVARIANCE_OUTPUTS : 0);
        ck_assert(predict_block_is_possible(&req));
        ck_assert_msg(predict_run(model, &req, &arena, &all, &err) == ERR_OK, "%s", err.msg);
        for (int index = 0; index < PREDICT_N_RESULTS; index++) {
            if (req.want & (1U << index)) {
                const double *whole = all.at[index];
                enum predict_index i = (enum predict_index)index;
                int before = 1 << 30;
                for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
                    int n = compare_blocks(model, &req, i, whole, sizes[k]);
                    ck_assert_int_le(n, before);
                    before = n;
                }
                ck_assert_int_eq(before, 1);
            }
        }
        arena_release(&arena);
    }
    model_unref(model);
}
END_TEST

START_TEST(rows_that_depend_on_others_have_no_blocks)
{
    struct predict_request req = {.want = PREDICT_MEAN | PREDICT_COVARIANCE_ROWS};
    ck_assert(!predict_block_is_possible(&req));
}
END_TEST

/* Samples alone are computed together with others like them only. */
START_TEST(samples_alone_are_joined_with_their_like)
{
    struct model *model = model_of(FROM_DRAWS);
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    double x[MANY_ROWS * D];
    struct predict_result all;
    struct predict_result part;
    struct predict_request joint;
    mixed_rows(x, MANY_ROWS);
    struct predict_request one = request_for_all(x);
    one.want = PREDICT_SAMPLES;
    struct predict_request other = one;
    other.samples_alone = true;
    ck_assert(!predict_can_join(&one, &other));
    one.samples_alone = true;
    ck_assert(predict_can_join(&one, &other));
    other.first_sample = 1;
    ck_assert(!predict_can_join(&one, &other));
    other = one;
    other.n = 5;
    const struct predict_request *parts[] = {&one, &other};
    ck_assert_int_eq(predict_join(parts, 2, D, &arena, &joint, &err), ERR_OK);
    ck_assert_int_eq(predict_run(model, &joint, &arena, &all, &err), ERR_OK);
    struct predict_call call = {.model = model, .req = &joint, .out = &all};
    ck_assert_int_eq(predict_slice(&call, MANY_ROWS, &other, &arena, &part, &err), ERR_OK);
    ck_assert_ptr_null(part.mean);
    size_t o = (size_t)model->o;
    for (size_t s = 0; s < 7; s++) {
        ck_assert_mem_eq(part.samples + s * 5 * o, all.samples + s * (MANY_ROWS + 5) * o,
                         5 * o * sizeof(double));
    }
    one.first_sample = DRAWS - 6;
    ck_assert_int_eq(predict_check(model, &one, &err), ERR_INVALID);
    arena_release(&arena);
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
    tcase_add_loop_test(tc, results_in_blocks_are_the_whole_results, 0, N_WAYS);
    tcase_add_test(tc, rows_that_depend_on_others_have_no_blocks);
    tcase_add_test(tc, samples_alone_are_joined_with_their_like);
    tcase_add_test(tc, only_what_is_asked_for_has_memory);
    tcase_add_test(tc, results_are_found_by_their_names);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
