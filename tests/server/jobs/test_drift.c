/* SPDX-License-Identifier: Apache-2.0 */
/* What a version is held against when rows have come: its own scores, or its first fresh rows. */
#include "jobs/drift.h"
#include "loopback.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "math/gemm.h"

static struct loopback loop;

static void setup(void)
{
    loopback_init(&loop);
}

static void teardown(void)
{
    loopback_release(&loop);
}

/* y = 2 x, without uncertainty; extra: further members of the document. */
static void put_model(const char *extra)
{
    char body[1024];
    snprintf(body, sizeof body,
             "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":1,\"basis\":"
             "\"constant\","
             "\"layer_pre\":false,\"layer_post\":true,\"final\":\"none\"},"
             "\"posterior\":{\"kind\":\"draws\",\"parameters\":[[2,0,0,0]],\"weights\":null}%s}",
             extra);
    char answer[1024];
    int status = loopback_call(&loop, HTTP_PUT, "/v1/models/m", body,
                               &(struct loopback_answer){.out = answer, .size = sizeof answer});
    ck_assert_msg(status == 201, "%s", answer);
}

/* Rows of x from 0 to 1 whose outputs are off by `error`. */
static void append(int n, double error)
{
    char body[4096] = "";
    char *at = body;
    for (int i = 0; i < n; i++) {
        double x = (double)i / (double)(n - 1);
        at += sprintf(at, "%.17g,%.17g\n", x, 2.0 * x + error);
    }
    const struct loopback_request request = {.method = HTTP_POST,
                                             .path = "/v1/models/m/data?outputs=1",
                                             .content_type = "text/csv",
                                             .body = body,
                                             .n_body = strlen(body)};
    struct loopback_answer answer = {.out = NULL};
    ck_assert_int_eq(loopback_send(&loop, &request, &answer), 201);
}

static enum err_code measure(int64_t after, const struct cancel *cancel, struct drift *out)
{
    struct err err = ERR_INIT;
    const struct drift_request request = {.models = loop.app.models,
                                          .db = loop.app.db,
                                          .model = "m",
                                          .after = after,
                                          .n_rows = 10,
                                          .n_fresh = 20, /* as far as anybody knows */
                                          .n_threads = 1,
                                          .cancel = cancel};
    return drift_measure(&request, out, &err);
}

START_TEST(a_version_without_scores_is_held_against_its_first_fresh_rows)
{
    struct drift drift;
    put_model("");
    append(10, 0.0); /* batch 1: not fresh */
    append(7, 0.02);
    append(7, 0.02);
    ck_assert_int_eq(measure(1, NULL, &drift), ERR_OK);
    ck_assert_int_eq(drift.n, 0); /* 14 are too few */
    ck_assert(isnan(drift.score) && isnan(drift.baseline));
    append(11, 0.5);
    ck_assert_int_eq(measure(1, NULL, &drift), ERR_OK);
    ck_assert_int_eq(drift.n, 10);
    /* The first ten are a batch from 0 to 1 and a part of another: outputs from 0.02 to 2.02. */
    ck_assert_double_eq_tol(drift.baseline, 0.01, 1e-12);
    ck_assert_double_eq_tol(drift.score, 0.25, 1e-12);
    ck_assert_int_eq(measure(4, NULL, &drift), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_version_with_scores_is_held_against_them)
{
    struct drift drift;
    put_model(",\"scores\":{\"rows\":5,\"relative_error\":0.1,\"rmse\":[0.3],"
              "\"output_range\":[[0,4]]}");
    append(5, 0.4);
    ck_assert_int_eq(measure(0, NULL, &drift), ERR_OK);
    ck_assert_int_eq(drift.n, 5);
    ck_assert_double_eq_tol(drift.baseline, 0.075, 1e-12);
    ck_assert_double_eq_tol(drift.score, 0.1, 1e-12);
}
END_TEST

static void append_json(const char *body)
{
    ck_assert_int_eq(loopback_call(&loop, HTTP_POST, "/v1/models/m/data", body, NULL), 201);
}

START_TEST(runs_that_failed_are_no_drift)
{
    struct drift drift;
    put_model(",\"scores\":{\"rows\":5,\"relative_error\":0.1,\"rmse\":[0.3],"
              "\"output_range\":[[0,4]]}");
    append_json("{\"inputs\":[[0],[1]],\"outputs\":[[null],[null]]}");
    ck_assert_int_eq(measure(0, NULL, &drift), ERR_OK);
    ck_assert_int_eq(drift.n, 0); /* nothing can be told of them */
    append(5, 0.4);
    ck_assert_int_eq(measure(0, NULL, &drift), ERR_OK);
    ck_assert_int_eq(drift.n, 7);
    ck_assert_double_eq_tol(drift.baseline, 0.075, 1e-12);
    ck_assert_double_eq_tol(drift.score, 0.1, 1e-12);
}
END_TEST

/* Two outputs, 2 x and 3 x, of which the scores or the fresh rows lack the second. */
static const struct {
    const char *scores, *rows;
} one_sided[] = {
    {"\"rows\":5,\"relative_error\":0.1,\"rmse\":[0.3,0.6]",
     "{\"inputs\":[[0],[1],[2]],\"outputs\":[[0.4,null],[2.4,null],[4.4,null]]}"},
    {"\"rows\":5,\"counts\":[5,0],\"relative_error\":0.1,\"rmse\":[0.3,null]",
     "{\"inputs\":[[0],[1],[2]],\"outputs\":[[0.4,70],[2.4,3],[4.4,null]]}"},
};

START_TEST(outputs_that_one_side_lacks_are_left_out)
{
    struct drift drift;
    char body[1024];
    snprintf(body, sizeof body,
             "{\"architecture\":{\"inputs\":1,\"outputs\":2,\"width\":1,\"layers\":1,\"basis\":"
             "\"constant\",\"layer_pre\":false},\"posterior\":{\"kind\":\"draws\",\"parameters\":"
             "[[2,3,0,0,0,0]]},\"scores\":{%s,\"output_range\":[[0,4],[0,6]]}}",
             one_sided[_i].scores);
    ck_assert_int_eq(loopback_call(&loop, HTTP_PUT, "/v1/models/m", body, NULL), 201);
    append_json(one_sided[_i].rows);
    ck_assert_int_eq(measure(0, NULL, &drift), ERR_OK);
    ck_assert_int_eq(drift.n, 3);
    ck_assert_double_eq_tol(drift.baseline, 0.075, 1e-12);
    ck_assert_double_eq_tol(drift.score, 0.1, 1e-12);
}
END_TEST

START_TEST(fresh_rows_that_failed_are_held_against_nothing)
{
    struct drift drift;
    put_model("");
    append(10, 0.02);
    append_json("{\"inputs\":[[0],[1],[2],[3],[4],[5],[6],[7],[8],[9]],\"outputs\":[[null],[null],"
                "[null],[null],[null],[null],[null],[null],[null],[null]]}");
    ck_assert_int_eq(measure(0, NULL, &drift), ERR_OK);
    ck_assert_int_eq(drift.n, 0);
    append(5, 0.5);
    ck_assert_int_eq(measure(0, NULL, &drift), ERR_OK);
    ck_assert_int_eq(drift.n, 10);
    ck_assert_double_eq_tol(drift.baseline, 0.01, 1e-12);
    ck_assert_double_eq_tol(drift.score, 0.25, 1e-12);
}
END_TEST

START_TEST(a_measurement_can_be_stopped)
{
    struct drift drift;
    struct cancel cancel;
    atomic_init(&cancel.stop, true);
    put_model("");
    append(20, 0.0);
    ck_assert_int_eq(measure(0, &cancel, &drift), ERR_CANCELLED);
    ck_assert_int_eq(measure(0, NULL, &drift), ERR_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("drift");
    TCase *tc = tcase_create("drift");
    gemm_use_one_thread();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_version_without_scores_is_held_against_its_first_fresh_rows);
    tcase_add_test(tc, a_version_with_scores_is_held_against_them);
    tcase_add_test(tc, runs_that_failed_are_no_drift);
    tcase_add_loop_test(tc, outputs_that_one_side_lacks_are_left_out, 0, 2);
    tcase_add_test(tc, fresh_rows_that_failed_are_held_against_nothing);
    tcase_add_test(tc, a_measurement_can_be_stopped);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
