/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of a request about versions and their names fails in turn: the answer is 503 or
 * the right one, nothing is half done, nothing leaks, and memory serves what the store says.
 */
#include "loopback.h"
#include "registry_check.h"
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "store/sqlite/db.h"

#define MODEL                                                                                      \
    "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,0,0.5,0.25],"          \
    "[1,0,2,0,0.5,%d]]},\"noise\":{\"sigma\":[0.1]}}"
#define ROW "{\"inputs\":[[0.5]],\"return\":[\"mean\"]}"

static struct loopback loop;

static int call(enum http_method method, const char *path, const char *body)
{
    return loopback_call(&loop, method, path, body, NULL);
}

static void setup(void)
{
    char body[1024];
    loopback_init(&loop);
    for (int i = 1; i <= 3; i++) {
        snprintf(body, sizeof body, MODEL, i);
        ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    }
}

static void teardown(void)
{
    loopback_release(&loop);
}

/* The number in an answer behind a key. */
static int number_of(enum http_method method, const char *path, const char *body, const char *key)
{
    char answer[4096];
    ck_assert_int_eq(loopback_call(&loop, method, path, body,
                                   &(struct loopback_answer){.out = answer, .size = sizeof answer}),
                     200);
    const char *at = strstr(answer, key);
    ck_assert_ptr_nonnull(at);
    return atoi(at + strlen(key));
}

/* What is served by default is what the store has as the default. */
static void check_served(void)
{
    struct err err = ERR_INIT;
    ck_assert_msg(registry_check(loop.app.db, &err) == ERR_OK, "%s", err.msg);
    int stored = number_of(HTTP_GET, "/v1/models/m", NULL, "\"default_version\":");
    int served = number_of(HTTP_POST, "/v1/models/m/predict", ROW, "\"version\":");
    ck_assert_int_eq(served, stored);
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
        ck_assert_msg(status == 503 || status / 100 == 2 || status == LOOPBACK_CUT,
                      "%s, allocation %ld: %d", path, at, status);
        check_served();
        /* Versions of the model may stay in memory, never anything of the request. */
        ck_assert_msg(mem_live() <= live + 120, "%s, allocation %ld: %ld blocks stay", path, at,
                      mem_live() - live);
        ck_assert_int_lt(at, 10000);
    }
}

START_TEST(going_back_and_forth_survives)
{
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m/default", "{\"version\":\"@previous\"}"),
                         200);
        check_served();
    }
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m/default", "{\"version\":1}"), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/promotions", NULL), 200);
    ck_assert_int_eq(number_of(HTTP_GET, "/v1/models/m", NULL, "\"default_version\":"), 1);
}
END_TEST

START_TEST(aliases_survive)
{
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m/aliases/prod", "{\"version\":1}"), 200);
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m/aliases/prod", "{\"version\":2}"), 200);
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/m/versions/@prod/predict", ROW), 200);
    ck_assert_int_eq(
        number_of(HTTP_POST, "/v1/models/m/versions/@prod/predict", ROW, "\"version\":"), 2);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/aliases", NULL), 200);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m", NULL), 200);
    /* An answer that could not be written leaves the alias deleted. */
    int status = shake(HTTP_DELETE, "/v1/models/m/aliases/prod", NULL);
    ck_assert(status == 204 || status == 404);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/versions/@prod/predict", ROW), 404);
}
END_TEST

START_TEST(keeping_survives)
{
    ck_assert_int_eq(shake(HTTP_PUT, "/v1/models/m/keep", "{\"versions\":1}"), 200);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/versions/1/predict", ROW), 404);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/versions/2/predict", ROW), 200);
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/versions/@previous/predict", ROW), 200);
}
END_TEST

START_TEST(comparisons_survive)
{
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/m/compare",
                           "{\"versions\":[1,\"@default\"],\"inputs\":[[0.5],[1]],"
                           "\"outputs\":[[1],[2]]}"),
                     200);
    ck_assert_int_eq(
        call(HTTP_POST, "/v1/models/m/data", "{\"inputs\":[[0.5],[1]],\"outputs\":[[1],[2]]}"),
        201);
    ck_assert_int_eq(shake(HTTP_POST, "/v1/models/m/compare", "{\"versions\":[2,1],\"data\":{}}"),
                     200);
}
END_TEST

static long long wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether rows came before a version is told by the clock. */
static void wait_for_next_millisecond(void)
{
    long long now = wall_ms();
    while (wall_ms() <= now) {
    }
}

static void check_parts(const char *path, const char *rows)
{
    char answer[512];
    ck_assert_int_eq(loopback_call(&loop, HTTP_GET, path, NULL,
                                   &(struct loopback_answer){.out = answer, .size = sizeof answer}),
                     200);
    const char *at = strstr(answer, "\"rows\":");
    ck_assert_ptr_nonnull(at);
    ck_assert_str_eq(at + strlen("\"rows\":"), rows);
}

START_TEST(the_rows_of_a_version_survive)
{
    static const char rows[] = "{\"inputs\":[[0.5],[1]],\"outputs\":[[1],[2]]}";
    char body[1024];
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/1/rows", NULL), 404);
    wait_for_next_millisecond(); /* after the three versions */
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/data", rows), 201);
    snprintf(body, sizeof body, MODEL, 4);
    ck_assert_int_eq(call(HTTP_PUT, "/v1/models/m", body), 201);
    wait_for_next_millisecond();
    ck_assert_int_eq(call(HTTP_POST, "/v1/models/m/data", rows), 201);
    ck_assert_int_eq(shake(HTTP_GET, "/v1/models/m/versions/4/rows", NULL), 200);
    check_parts("/v1/models/m/versions/4/rows", "[2,2,3,3]}");
    check_parts("/v1/models/m/versions/4/rows?batch=1", "[2,2]}");
    check_parts("/v1/models/m/versions/4/rows?batch=2", "[3,3]}");
    check_parts("/v1/models/m/versions/1/rows", "[3,3,3,3]}");
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/9/rows", NULL), 404);
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/4/rows?batch=9", NULL), 404);
    ck_assert_int_eq(call(HTTP_GET, "/v1/models/m/versions/4/rows?batch=no", NULL), 400);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("version_routes");
    TCase *tcase = tcase_create("allocations");
    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, going_back_and_forth_survives);
    tcase_add_test(tcase, aliases_survive);
    tcase_add_test(tcase, keeping_survives);
    tcase_add_test(tcase, comparisons_survive);
    tcase_add_test(tcase, the_rows_of_a_version_survive);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
