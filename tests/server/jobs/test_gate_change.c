/* SPDX-License-Identifier: Apache-2.0 */
/* A whole attempt at a job while somebody changes the default between the judgement and the
 * publication. */
#include "constant_model.h"
#include "loopback.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "background.h"
#include "base/mem.h"
#include "formats/json_read.h"
#include "jobs/attempt.h"
#include "store/jobs/job_store.h"
#include "store/models/model_admin.h"

static struct loopback loop;
static void (*meanwhile)(void); /* once, before the publication */
static const struct constant exact = {.d = 1, .value = 0.5, .scale = 1.0};
static const struct constant other = {.d = 1, .value = 0.5, .shift = 1e-9, .scale = 1.0};

static void put(const struct constant *c)
{
    struct err err = ERR_INIT;
    struct model *model = constant_model(c);
    struct put_request request = {.model = "m", .promote = true};
    struct put_result out;
    ck_assert_msg(models_put(loop.app.models, model, &request, &out, &err) == ERR_OK, "%s",
                  err.msg);
    model_unref(model);
}

/* Rows whose output is 0.5: nothing is better than the models above. */
static void setup(void)
{
    char body[4096];
    size_t len = 0;
    loopback_init(&loop);
    len += (size_t)snprintf(body, sizeof body, "{\"inputs\":[");
    for (int i = 0; i < 60; i++) {
        len += (size_t)snprintf(body + len, sizeof body - len, "%s[%d]", i > 0 ? "," : "", i);
    }
    len += (size_t)snprintf(body + len, sizeof body - len, "],\"outputs\":[");
    for (int i = 0; i < 60; i++) {
        /* Not constant: then a training would be exact too. */
        len += (size_t)snprintf(body + len, sizeof body - len, "%s[0.%s]", i > 0 ? "," : "",
                                i % 2 == 0 ? "500001" : "499999");
    }
    snprintf(body + len, sizeof body - len, "]}");
    ck_assert_int_eq(loopback_call(&loop, HTTP_POST, "/v1/models/m/data", body, NULL), 201);
    background_stop(&loop.app); /* jobs are run here */
}

static void teardown(void)
{
    loopback_release(&loop);
}

static void no_progress(void *ctx, const struct progress *progress)
{
}

/* Asked for with each checkpoint, and between judgement and publication. */
static void curves(void *ctx, struct bytes_writer *writer)
{
    const struct attempt *attempt = ctx;
    void (*act)(void) = meanwhile;
    if (act != NULL && attempt->model != NULL) {
        meanwhile = NULL;
        act();
    }
}

/* Trains with few epochs; the job as it has ended. */
static struct job_row train(void)
{
    static const char request[] = "{\"solver\":\"ensemble\",\"settings\":{\"members\":1,"
                                  "\"epochs\":1},\"architecture\":{\"width\":2,\"layers\":1}}";
    const struct attempt_settings settings = {.db = loop.app.db,
                                              .models = loop.app.models,
                                              .log = &loop.log,
                                              .metrics = &loop.metrics,
                                              .n_threads = 1};
    struct job_new job = {
        .model = "m", .request = request, .n_request = strlen(request), .origin = "request"};
    struct attempt attempt = {.settings = &settings, .progress = no_progress, .curves = curves};
    struct err err = ERR_INIT;
    attempt.progress_ctx = &attempt;
    struct job_row row;
    void *text = NULL;
    int64_t id;
    ck_assert_int_eq(job_store_add(loop.app.db, &job, &id, &err), ERR_OK);
    ck_assert_int_eq(
        job_store_claim(loop.app.db, JOB_LANE_TRAIN, &attempt.row, &text, &attempt.n_request, &err),
        ERR_OK);
    attempt.request = text;
    ck_assert_msg(attempt_read(&attempt, &err) == ERR_OK, "%s", err.msg);
    ck_assert_msg(attempt_run(&attempt, &err) == ERR_OK, "%s", err.msg);
    ck_assert_int_eq(job_store_get(loop.app.db, id, &row, &err), ERR_OK);
    ck_assert_int_eq(row.state, JOB_SUCCEEDED);
    attempt_release(&attempt);
    return row;
}

static int64_t served(void)
{
    struct err err = ERR_INIT;
    struct served *now = NULL;
    ck_assert_msg(models_get(loop.app.models, "m", 0, &now, &err) == ERR_OK, "%s", err.msg);
    int64_t version = now->version;
    served_unref(now);
    return version;
}

static void put_exact(void)
{
    put(&exact);
}

static void delete_it(void)
{
    struct err err = ERR_INIT;
    struct version_ref which = version_ref_number(1);
    ck_assert_int_eq(models_delete_version(loop.app.models, "m", &which, &err), ERR_OK);
}

/* In the store alone, as for a moment in every change. */
static void go_back(void)
{
    struct err err = ERR_INIT;
    struct version_ref to = {.kind = VERSION_PREVIOUS};
    int64_t version;
    ck_assert_int_eq(model_store_set_default(loop.app.db, "m", &to, &version, &err), ERR_OK);
}

START_TEST(a_version_is_judged_against_one_that_came_after_its_judgement)
{
    meanwhile = put_exact;
    struct job_row row = train();
    ck_assert_int_eq(row.version, 2);
    ck_assert(!row.promoted);
    ck_assert_ptr_nonnull(strstr(row.message, "that of version 1"));
    ck_assert_int_eq(served(), 1);
}
END_TEST

START_TEST(a_version_is_served_when_the_one_it_was_judged_against_is_deleted)
{
    put(&exact);
    meanwhile = delete_it;
    struct job_row row = train();
    ck_assert_int_eq(row.version, 2);
    ck_assert(row.promoted);
    ck_assert_str_eq(row.message, "");
    ck_assert_int_eq(served(), 2);
}
END_TEST

START_TEST(a_change_that_memory_has_not_seen_yet_does_not_fail_a_job)
{
    put(&exact);
    put(&other);
    meanwhile = go_back;
    struct job_row row = train();
    ck_assert_int_eq(row.version, 3);
    ck_assert(!row.promoted);
    ck_assert_ptr_nonnull(strstr(row.message, "that of version 1"));
    ck_assert_int_eq(served(), 1);
}
END_TEST

START_TEST(any_version_takes_the_place_of_a_damaged_one)
{
    struct err err = ERR_INIT;
    put(&exact);
    ck_assert_int_eq(model_store_mark_damaged(loop.app.db, "m", 1, "a test", &err), ERR_OK);
    ck_assert_int_eq(models_refresh(loop.app.models, "m", NULL, 0, &err), ERR_OK);
    struct job_row row = train();
    ck_assert(row.promoted);
    ck_assert_int_eq(served(), 2);
}
END_TEST

int main(void)
{
    json_read_init();
    Suite *suite = suite_create("gate change");
    TCase *attempts = tcase_create("attempts");
    tcase_add_checked_fixture(attempts, setup, teardown);
    tcase_set_timeout(attempts, 60);
    tcase_add_test(attempts, a_version_is_judged_against_one_that_came_after_its_judgement);
    tcase_add_test(attempts, a_version_is_served_when_the_one_it_was_judged_against_is_deleted);
    tcase_add_test(attempts, a_change_that_memory_has_not_seen_yet_does_not_fail_a_job);
    tcase_add_test(attempts, any_version_takes_the_place_of_a_damaged_one);
    suite_add_tcase(suite, attempts);
    return run_suite(suite);
}
