/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of a request fails in turn: the answer is 503 or, where the memory was only
 * wanted for comfort, the right one; nothing is half done, nothing leaks, the next request works.
 */
#include "loopback.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "gemm.h"
#include "mem.h"

#define MODEL                                                                                      \
    "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,0,0.5,0.25],"          \
    "[1,0,2,0,0.5,%d]]},\"names\":{\"inputs\":[\"x\"],\"outputs\":[\"y\"]},"                       \
    "\"training_range\":[[0,1]],\"noise\":{\"sigma\":[0.1]},\"provenance\":{\"a\":[1,2.5]}}"

static struct loopback loop;

static void setup(void)
{
    loopback_init(&loop);
}

static void teardown(void)
{
    loopback_release(&loop);
}

static int call(enum http_method method, const char *path, const char *body)
{
    return loopback_call(&loop, method, path, NULL, body, NULL, 0);
}

static void check_registry(void)
{
    struct err err = ERR_INIT;
    ck_assert_msg(db_check(loop.app.db, &err) == ERR_OK, "%s", err.msg);
}

/* Fails allocation 1, 2, .. of a request until it gets by without; its status then. */
static int shake(enum http_method method, const char *path, const char *body)
{
    for (long at = 1;; at++) {
        long live = mem_live();
        mem_fail_after(at, false);
        int status = call(method, path, body);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        if (attempts < at) {
            return status;
        }
        /* A failure after the commit leaves a success that only this connection does not see. */
        ck_assert_msg(status == 503 || status / 100 == 2 || status == LOOPBACK_CUT,
                      "%s, allocation %ld: %d", path, at, status);
        /* Memory may stay in caches that belong to the server, never in the request. */
        ck_assert_msg(mem_live() <= live + 24, "%s, allocation %ld: %ld blocks stay", path, at,
                      mem_live() - live);
        check_registry();
        ck_assert_int_lt(at, 10000);
    }
}

START_TEST(registration_survives)
{
    char body[1024];
    snprintf(body, sizeof body, MODEL, 1);
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m", body), 200);
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/1", NULL), 200);
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/2", NULL), 404);
}
END_TEST

#define FULL_MODEL                                                                                 \
    "{\"architecture\":{\"inputs\":1,\"outputs\":2,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"gaussian\",\"draws\":2,\"predictive\":"               \
    "\"linearised\",\"members\":[{\"mean\":[1,0,1,0,0.5,0.25,1,2],\"first\":2,\"std\":[1,2,0.5],"  \
    "\"factor\":[[1,2],[3,4],[5,6]]},{\"mean\":[1,0,2,0,0.5,1,3,4]}]},\"noise\":{\"kind\":"        \
    "\"predicted\"},\"calibration\":{\"method\":\"cv+\",\"folds\":2,\"fold\":[0,1],\"scores\":"    \
    "[[1],[2]]},\"report\":{\"loss\":[1,null],\"a.b\":3},\"warnings\":[{\"code\":\"c\",\"text\":"  \
    "\"t\"}],\"scores\":{\"rows\":1,\"relative_error\":1,\"rmse\":[1],\"output_range\":[[0,1]],"   \
    "\"crps\":[null],\"width\":[[1,2,3]]}}"

START_TEST(gaussians_and_diagnostics_survive)
{
    static const char most[] =
        "{\"inputs\":[[0.5],[3]],\"return\":[\"mean\",\"std\",\"noise_variance\",\"quantiles\","
        "\"covariance\",\"samples\"],\"samples\":2}";
    char answer[4096];
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/g", FULL_MODEL), 200);
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/g/predict", most), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/g/versions/1/export", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/g/diagnostics", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/g/versions/1/diagnostics", NULL), 200);
    ck_assert_int_eq(
        loopback_call(&loop, HTTP_GET, "/v1/models/g/diagnostics", NULL, NULL, answer, 4096), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\"loss\":[1,null]"));
}
END_TEST

START_TEST(reading_and_predicting_survive)
{
    static const char everything[] =
        "{\"inputs\":[[0.5],[3]],\"return\":[\"mean\",\"variance\",\"std\",\"noise_variance\","
        "\"total_variance\",\"quantiles\",\"covariance\",\"samples\",\"jacobian\"],\"samples\":2,"
        "\"intervals\":[0.5,0.9]}";
    char body[1024];
    char answer[4096];
    snprintf(body, sizeof body, MODEL, 1);
    ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/m/predict", everything), 200);
    ck_assert_int_eq(
        shake(HTTP_POST, "/v1/models/m/evaluate", "{\"inputs\":[[0.5],[3]],\"outputs\":[[1],[2]]}"),
        200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/versions/1", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/versions/1/export", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/metrics", NULL), 200);
    ck_assert_int_eq(
        loopback_call(&loop, HTTP_POST, "/v1/models/m/predict", NULL, everything, answer, 4096),
        200);
    ck_assert_ptr_nonnull(strstr(answer, "\"extrapolation\",\"row\":1"));
}
END_TEST

START_TEST(uploads_survive)
{
    static const char body[] = "{\"inputs\":[[0.5],[3]],\"outputs\":[[1],[2]]}";
    char answer[512];
    shake(HTTP_POST, "/v1/models/m/data", body);
    ck_assert_int_eq(
        loopback_call(&loop, HTTP_GET, "/v1/models/m/data", NULL, NULL, answer, sizeof answer),
        200);
    /* Each success added exactly two rows. */
    long rows = 0;
    ck_assert_int_eq(sscanf(strstr(answer, "\"rows\":"), "\"rows\":%ld", &rows), 1);
    ck_assert_int_eq(rows % 2, 0);
    ck_assert_int_ge(rows, 2);
    ck_assert_int_eq(shake(HTTP_DELETE, "/v1/models/m/data", NULL), 200);
}
END_TEST

START_TEST(batches_and_exports_survive)
{
    static const char *const formats[] = {"json", "csv", "npy"};
    char body[2048] = "{\"provenance\":{\"run\":1},\"inputs\":[";
    char answer[8192];
    /* 60 rows of 16 bytes fill the chunk of 1000 bytes; here are more. */
    for (int i = 0; i < 90; i++) {
        snprintf(body + strlen(body), sizeof body - strlen(body), "%s[%d]", i > 0 ? "," : "", i);
    }
    snprintf(body + strlen(body), sizeof body - strlen(body), "],\"outputs\":[");
    for (int i = 0; i < 90; i++) {
        snprintf(body + strlen(body), sizeof body - strlen(body), "%s[%d]", i > 0 ? "," : "", -i);
    }
    snprintf(body + strlen(body), sizeof body - strlen(body), "]}");
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/data", body), 201);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/data", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/data/batches", NULL), 200);
    for (int i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/models/m/data/rows?format=%s", formats[i]);
        ck_assert_int_eq(shake(HTTP_GET, path, NULL), 200);
    }
    ck_assert_int_eq(
        loopback_call(&loop, HTTP_GET, "/v1/models/m/data/rows", NULL, NULL, answer, sizeof answer),
        200);
    ck_assert_int_eq(strncmp(answer, "{\"inputs\":[[0],[1],[2]", 22), 0);
    ck_assert_ptr_nonnull(strstr(answer, ",[89]],\"outputs\":[[0],[-1],"));
    ck_assert_str_eq(answer + strlen(answer) - 8, "],[-89]]}" + 1);
    int status = shake(HTTP_DELETE, "/v1/models/m/data/batches/1", NULL);
    ck_assert(status == 200 || status == 404);
}
END_TEST

START_TEST(promotion_and_deletion_survive)
{
    char body[1024];
    for (int k = 1; k <= 3; k++) {
        snprintf(body, sizeof body, MODEL, k);
        ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    }
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m/default", "{\"version\":1}"), 200);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[1]}"), 200);
    int status = shake(HTTP_DELETE, "/v1/models/m/versions/2", NULL);
    ck_assert(status == 204 || status == 404);
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/2", NULL), 404);
    status = shake(HTTP_DELETE, "/v1/models/m", NULL);
    ck_assert(status == 204 || status == 404);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[1]}"), 404);
}
END_TEST

START_TEST(a_model_that_could_not_be_loaded_loads_later)
{
    char body[1024];
    snprintf(body, sizeof body, MODEL, 1);
    ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    for (int k = 0; k < 3; k++) {
        loopback_reopen(&loop);
        ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/predict", "{\"inputs\":[1]}"), 200);
    }
    check_registry();
}
END_TEST

START_TEST(stored_content_spans_chunks)
{
    /* The loop-back registry has chunks of 1000 bytes; 200 draws need more. */
    char *body = calloc(1, 65536);
    char *at = body;
    at += sprintf(at, "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,"
                      "\"basis\":\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[");
    for (int k = 0; k < 200; k++) {
        at += sprintf(at, "%s[1,0,1,%d,0.5,0.25]", k > 0 ? "," : "", k);
    }
    sprintf(at, "]}}");
    ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    char first[4096];
    char second[4096];
    const char *ask = "{\"inputs\":[0.3]}";
    loopback_call(&loop, HTTP_POST, "/v1/models/m/predict", NULL, ask, first, sizeof first);
    loopback_reopen(&loop);
    loopback_call(&loop, HTTP_POST, "/v1/models/m/predict", NULL, ask, second, sizeof second);
    ck_assert_str_eq(first, second);
    ck_assert_ptr_nonnull(strstr(first, "\"draws\":200"));
    free(body);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chaos");
    TCase *tc = tcase_create("chaos");
    gemm_use_one_thread();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, registration_survives);
    tcase_add_test(tc, gaussians_and_diagnostics_survive);
    tcase_add_test(tc, reading_and_predicting_survive);
    tcase_add_test(tc, uploads_survive);
    tcase_add_test(tc, batches_and_exports_survive);
    tcase_add_test(tc, promotion_and_deletion_survive);
    tcase_add_test(tc, a_model_that_could_not_be_loaded_loads_later);
    tcase_add_test(tc, stored_content_spans_chunks);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
