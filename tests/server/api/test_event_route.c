/* SPDX-License-Identifier: Apache-2.0 */
/* The route of events without a socket, where a stream ends as soon as it would wait. */
#include "loopback.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
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

static int get(const char *target, char *out, size_t size)
{
    return loopback_call(&loop, HTTP_GET, target, NULL,
                         &(struct loopback_answer){.out = out, .size = size});
}

/* A job that fails at once, for want of memory. */
static void make_ended_job(void)
{
    char answer[4096];
    ck_assert_int_eq(loopback_call(&loop, HTTP_POST, "/v1/models/m/data",
                                   "{\"inputs\":[[1],[2],[3]],\"outputs\":[[-1],[-2],[-3]]}", NULL),
                     201);
    ck_assert_int_eq(loopback_call(&loop, HTTP_POST, "/v1/models/m/train",
                                   "{\"solver\":\"ensemble\",\"settings\":{\"members\":1},"
                                   "\"architecture\":{\"width\":64,\"layers\":8},"
                                   "\"limits\":{\"memory_mb\":1}}",
                                   &(struct loopback_answer){.out = answer, .size = sizeof answer}),
                     202);
    do {
        ck_assert_int_eq(get("/v1/jobs/1", answer, sizeof answer), 200);
    } while (strstr(answer, "\"state\":\"failed\"") == NULL);
}

START_TEST(the_route_answers_without_a_socket)
{
    char answer[4096];
    char job[4096];
    char target[128];
    unsigned long long id = 0;
    make_ended_job();
    ck_assert_int_eq(get("/v1/jobs/1", job, sizeof job), 200);
    ck_assert_int_eq(get("/v1/jobs/1/events", answer, sizeof answer), 200);
    ck_assert_int_eq(strncmp(answer, "retry: 2000\n\nid: ", 17), 0);
    ck_assert_int_eq(sscanf(answer + 17, "%llu", &id), 1);
    ck_assert_uint_eq(id % 2, 1);
    ck_assert_ptr_nonnull(strstr(answer, "\nevent: state\ndata: {\"id\":1,"));
    ck_assert_ptr_nonnull(strstr(answer, job));
    snprintf(target, sizeof target, "/v1/jobs/1/events?last_event_id=%llu", id);
    ck_assert_int_eq(get(target, answer, sizeof answer), 204);
    /* Not what was told at the end: the end is told. */
    ck_assert_int_eq(get("/v1/jobs/1/events?last_event_id=2", answer, sizeof answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, job));
    ck_assert_int_eq(get("/v1/jobs/1/events?last_event_id=", answer, sizeof answer), 200);
    ck_assert_int_eq(get("/v1/jobs/2/events", answer, sizeof answer), 404);
    ck_assert_int_eq(get("/v1/jobs/x/events", answer, sizeof answer), 404);
    static const char *const bad[] = {"-1", "x", "1x", "1.5", "+1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(target, sizeof target, "/v1/jobs/1/events?last_event_id=%s", bad[i]);
        ck_assert_int_eq(get(target, answer, sizeof answer), 400);
    }
    ck_assert_int_eq(loopback_call(&loop, HTTP_POST, "/v1/jobs/1/events", NULL,
                                   &(struct loopback_answer){.out = answer, .size = sizeof answer}),
                     405);
    ck_assert_int_eq(atomic_load(&loop.metrics.event_streams), 0);
    loop.config.event_streams = 0;
    ck_assert_int_eq(get("/v1/jobs/1/events", answer, sizeof answer), 503);
    ck_assert_ptr_nonnull(strstr(answer, "event_streams"));
    ck_assert_int_eq(atomic_load(&loop.metrics.event_streams), 0);
}
END_TEST

START_TEST(streams_survive_every_failed_allocation)
{
    make_ended_job();
    for (long at = 1;; at++) {
        char answer[4096];
        long live = mem_live();
        mem_fail_after(at, false);
        int status = get("/v1/jobs/1/events", answer, sizeof answer);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        ck_assert_msg(status == 503 || status == 200 || status == LOOPBACK_CUT,
                      "allocation %ld: %d", at, status);
        ck_assert_int_eq(atomic_load(&loop.metrics.event_streams), 0);
        ck_assert_int_le(mem_live(), live + 24);
        if (attempts < at) {
            ck_assert_int_eq(status, 200);
            ck_assert_int_ge(at, 3);
            break;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_route");
    TCase *tc = tcase_create("event_route");
    gemm_use_one_thread();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, the_route_answers_without_a_socket);
    tcase_add_test(tc, streams_survive_every_failed_allocation);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
