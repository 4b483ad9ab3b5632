/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is preloaded is warm: one row has been predicted as a small request does it, and then as
 * many as all threads take. The test has the file of preloading in it, to see its predictions.
 */
#include "run.h"
#include "tmpdb.h"

#include <string.h>
#include <unistd.h>

#include "live/models.h"
#include "math/gemm.h"
#include "predict/predict.h"
#include "store/models/model_admin.h"
#include "store/models/model_store.h"

static enum err_code see_prediction(const struct model *model, const struct predict_request *req,
                                    struct arena *arena, struct predict_result *out,
                                    struct err *err);

#define predict_run see_prediction
#include "live/preload.c"
#undef predict_run

#define N_THREADS 3
#define MAX_SEEN  8

static struct tmpdb place;
static struct db *db;
static struct models *models;
static struct log silent = {.fd = STDERR_FILENO, .level = LOG_ERROR + 1, .format = LOG_TEXT};
static bool fails;
static int n_seen;
static struct seen {
    int n, n_threads;
    double first, last; /* numbers of the rows */
} seen[MAX_SEEN];

static enum err_code see_prediction(const struct model *model, const struct predict_request *req,
                                    struct arena *arena, struct predict_result *out,
                                    struct err *err)
{
    ck_assert_int_lt(n_seen, MAX_SEEN);
    ck_assert_uint_eq(req->want, PREDICT_MEAN | PREDICT_VARIANCE);
    seen[n_seen++] =
        (struct seen){req->n, req->n_threads, req->x[0], req->x[(size_t)req->n * 2 - 1]};
    return fails ? err_set(err, ERR_NOMEM, "no memory") : predict_run(model, req, arena, out, err);
}

/* ranged: it knows the range of the rows that trained it, 1 to 3 and 10 to 30. */
static void put(const char *name, bool ranged)
{
    static const double range[] = {1, 3, 10, 30};
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct put_result result;
    struct arch arch = arch_default(2, 1);
    arch.width = 2;
    ck_assert_int_eq(model_new(&arch, 1, &model, &err), ERR_OK);
    for (int k = 0; k < model->net.n_params; k++) {
        model->draws[k] = 0.5;
    }
    if (ranged) {
        model->training_range = mem_dup(range, sizeof range);
        ck_assert_ptr_nonnull(model->training_range);
    }
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    struct put_request request = {.model = name, .promote = true, .origin = PROMOTION_REGISTER};
    ck_assert_msg(models_put(models, model, &request, &result, &err) == ERR_OK, "%s",
                  err_msg(&err));
    model_unref(model);
}

static void open_models(void)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(models_new(db, &silent, &models, &err), ERR_OK);
    ck_assert_int_eq(models_load(models, &err), ERR_OK);
}

static void setup(void)
{
    gemm_use_one_thread();
    tmpdb_init(&place);
    db = tmpdb_open(&place, 0);
    open_models();
    put("a-ranged", true);
    put("b-free", false);
    put("other", true);
    models_free(models);
    open_models();
    n_seen = 0;
    fails = false;
}

static void teardown(void)
{
    models_free(models);
    db_close(db);
    tmpdb_release(&place);
}

static void preload(const char *patterns)
{
    struct err err = ERR_INIT;
    const struct preload_settings settings = {
        .db = db, .models = models, .log = &silent, .patterns = patterns, .n_threads = N_THREADS};
    ck_assert_int_eq(models_totals(models).n_models, 0);
    ck_assert_int_eq(preload_run(&settings, &err), ERR_OK);
}

static void expect_seen(int at, int n, int n_threads, double first, double last)
{
    ck_assert_int_eq(seen[at].n, n);
    ck_assert_int_eq(seen[at].n_threads, n_threads);
    ck_assert_double_eq(seen[at].first, first);
    ck_assert_double_eq(seen[at].last, last);
}

START_TEST(each_model_predicts_a_row_and_then_those_of_all_threads)
{
    preload("a-*,b-*");
    ck_assert_int_eq(models_totals(models).n_models, 2);
    ck_assert_int_eq(n_seen, 4);
    expect_seen(0, 1, 1, 2.0, 20.0);
    expect_seen(1, WARM_ROWS * N_THREADS, N_THREADS, 2.0, 20.0);
    expect_seen(2, 1, 1, 1.0, 1.0);
    expect_seen(3, WARM_ROWS * N_THREADS, N_THREADS, 1.0, 1.0);
}
END_TEST

START_TEST(a_prediction_that_fails_does_no_harm)
{
    fails = true;
    preload("*");
    ck_assert_int_eq(models_totals(models).n_models, 3);
    ck_assert_int_eq(n_seen, 3); /* after a row that fails no more are tried */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preload");
    TCase *tc = tcase_create("preload");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_model_predicts_a_row_and_then_those_of_all_threads);
    tcase_add_test(tc, a_prediction_that_fails_does_no_harm);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
