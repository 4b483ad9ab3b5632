/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of a design, a suggestion and an optimisation fails in turn, the project's own
 * and those of SQLite: the answer is 503 or the right one, nothing leaks, no point is half noted.
 */
#include "fault_scenario.h"
#include "foreign_mem.h"
#include "loopback.h"
#include "registry_check.h"
#include "run.h"
#include "stride.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "store/data/pending_store.h"
#include "store/store.h"

#define MODEL                                                                                      \
    "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,0,0.5,0.25],"          \
    "[1,0,2,0,0.5,1]]},\"names\":{\"inputs\":[\"x\"],\"outputs\":[\"y\"]},"                        \
    "\"training_range\":[[0,1]],\"noise\":{\"sigma\":[0.1]}}"

static struct loopback loop;
static long live_before;

static void setup(void)
{
    live_before = mem_live();
    loopback_init(&loop);
    ck_assert_int_eq(loopback_call(&loop, HTTP_PUT, "/v1/models/m", MODEL, NULL), 201);
    ck_assert_int_eq(
        loopback_call(&loop, HTTP_PUT, "/v1/models/m/space",
                      "{\"inputs\":[{\"name\":\"x\",\"bounds\":[0,1]}],\"outputs\":[\"y\"]}", NULL),
        200);
}

static void teardown(void)
{
    loopback_release(&loop);
    ck_assert_int_eq(mem_live(), live_before);
}

/* How many points are pending. */
static int n_pending(void)
{
    struct err err = ERR_INIT;
    struct pending_list list = {.d = 1, .limit = 1000};
    ck_assert_int_eq(pending_store_list(loop.app.db, "m", &list, &err), ERR_OK);
    mem_free(list.x);
    return list.n;
}

struct memory {
    void (*fail_after)(long n, bool for_ever);
    long (*attempts)(void);
    bool for_ever;
    long step;
};

static const struct memory memories[] = {
    {mem_fail_after, mem_attempts, false, 1},
    {mem_fail_after, mem_attempts, true, 1},
    {foreign_mem_fail_after, foreign_mem_attempts, false, 3},
    {foreign_mem_fail_after, foreign_mem_attempts, true, 3},
};

/* each: points that a success notes. */
static void shake(const struct memory *memory, const char *path, const char *body, int each)
{
    const struct loopback_request request = {
        .method = HTTP_POST, .path = path, .body = body, .n_body = strlen(body)};
    struct loopback_answer answer = {.out = NULL};
    for (long at = 1;; at = stride_next(at, memory->step)) {
        struct err err = ERR_INIT;
        long live = mem_live();
        int before = n_pending();
        memory->fail_after(at, memory->for_ever);
        int status = loopback_send(&loop, &request, &answer);
        long attempts = memory->attempts();
        memory->fail_after(0, false);
        int noted = n_pending() - before;
        ck_assert_msg(noted == 0 || noted == each, "%s: %d points", path, noted);
        if (attempts < at) {
            ck_assert_int_eq(status, 200);
            ck_assert_int_eq(noted, each);
            return;
        }
        ck_assert_msg(status == 503 || status == 200 || status == LOOPBACK_CUT,
                      "%s, allocation %ld: %d", path, at, status);
        ck_assert_msg(mem_live() <= live + 40, "%s, allocation %ld: %ld blocks stay", path, at,
                      mem_live() - live);
        ck_assert_msg(registry_check(loop.app.db, &err) == ERR_OK, "%s", err.msg);
        ck_assert_int_eq(loop.app.exploring, 0);
        ck_assert_int_lt(at, 100000);
    }
}

START_TEST(exploration_survives)
{
    const struct memory *memory = &memories[_i];
    shake(memory, "/v1/models/m/design",
          "{\"n\":2,\"extend\":true,\"bounds\":{\"x\":[0,0.5]},\"constraints\":"
          "[{\"coefficients\":{\"x\":1},\"at_most\":1}]}",
          2);
    shake(memory, "/v1/models/m/suggest", "{\"n\":1,\"candidates\":4}", 1);
    shake(memory, "/v1/models/m/optimize",
          "{\"objective\":{},\"limits\":[{\"at_most\":9}],\"candidates\":4,\"starts\":1,"
          "\"draws\":1}",
          0);
    shake(memory, "/v1/models/m/optimize",
          "{\"objectives\":[{},{\"goal\":\"max\"}],\"population\":4,\"generations\":1}", 0);
}
END_TEST

START_TEST(points_expire_and_close)
{
    struct err err = ERR_INIT;
    const double x[2] = {0.25, 0.5};
    int64_t ids[2];
    int before = n_pending();
    struct pending_points points = {
        .origin = "design", .n = 2, .d = 1, .x = x, .expires_ms = db_now_ms() + 60000};
    ck_assert_int_eq(pending_store_add(loop.app.db, "m", &points, ids, &err), ERR_OK);
    ck_assert_int_lt(ids[0], ids[1]);
    ck_assert_int_eq(n_pending(), before + 2);
    points.expires_ms = db_now_ms() - 1;
    ck_assert_int_eq(pending_store_add(loop.app.db, "m", &points, ids, &err), ERR_OK);
    ck_assert_int_eq(n_pending(), before + 2); /* expired ones count no more */
    ck_assert_int_eq(pending_store_add(loop.app.db, "nobody", &points, ids, &err), ERR_NOT_FOUND);
    err_clear(&err);
    points.n = PENDING_MAX_POINTS;
    ck_assert_int_eq(pending_store_add(loop.app.db, "m", &points, ids, &err), ERR_LIMIT);
    ck_assert_int_eq(n_pending(), before + 2);
    ck_assert_int_eq(loopback_call(&loop, HTTP_DELETE, "/v1/models/m", NULL, NULL), 204);
    ck_assert_int_eq(n_pending(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chaos_explore");
    TCase *tc = tcase_create("chaos_explore");
    gemm_use_one_thread();
    foreign_mem_install();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, exploration_survives, 0, (int)(sizeof memories / sizeof *memories));
    tcase_add_test(tc, points_expire_and_close);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
