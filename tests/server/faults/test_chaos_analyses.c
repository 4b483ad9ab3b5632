/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of the request for an analysis or a calibration fails in turn, and every one of
 * its job, the project's own and those of SQLite. A job that met a failure is tried again and ends
 * with the same result; points to simulate next are noted exactly once, with the result.
 */
#include "fault_scenario.h"
#include "foreign_mem.h"
#include "loopback.h"
#include "registry_check.h"
#include "run.h"
#include "stride.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "jobs/trainer.h"
#include "math/gemm.h"
#include "store/data/pending_store.h"
#include "store/jobs/job_result_store.h"
#include "store/jobs/job_store.h"
#include "store/store.h"

#define MODEL                                                                                      \
    "{\"architecture\":{\"inputs\":1,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"            \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[1,0,1,0,0.5,0.25],"          \
    "[1,0,2,0,0.5,1]]},\"names\":{\"inputs\":[\"x\"],\"outputs\":[\"y\"]},"                        \
    "\"training_range\":[[0,1]],\"noise\":{\"sigma\":[0.%d]}}"
#define SPACE "{\"inputs\":[{\"name\":\"x\",\"bounds\":[0,1]}],\"outputs\":[\"y\"]}"

static const struct work {
    enum job_kind kind;
    const char *path, *body;
    int n_next;
} works[] = {
    {JOB_ANALYSIS, "/v1/models/m/analyses",
     "{\"kind\":\"morris\",\"points\":1,\"replicates\":4,\"space\":" SPACE "}", 0},
    {JOB_CALIBRATION, "/v1/models/m/calibrations",
     "{\"experiments\":[{\"outputs\":[[0.5]]}],\"sigma\":{\"y\":0.3},\"chains\":2,\"warmup\":20,"
     "\"samples\":20,\"next\":2,\"space\":" SPACE "}",
     2},
    {JOB_CALIBRATION, "/v1/models/m/calibrations",
     "{\"kind\":\"history\",\"experiments\":[{\"outputs\":[[0.5]]}],\"sigma\":{\"y\":0.3},"
     "\"points\":4,\"replicates\":4,\"grid\":2,\"next\":2,\"earlier\":[1],\"version\":2,"
     "\"space\":" SPACE "}",
     2},
};
#define N_WORKS ((int)(sizeof works / sizeof *works))

static const struct memory {
    void (*fail_after)(long n, bool for_ever);
    long (*attempts)(void);
    bool for_ever;
    long step;
} memories[] = {
    {mem_fail_after, mem_attempts, false, 7},
    {mem_fail_after, mem_attempts, true, 11},
    {foreign_mem_fail_after, foreign_mem_attempts, false, 29},
    {foreign_mem_fail_after, foreign_mem_attempts, true, 31},
};
#define N_MEMORIES ((int)(sizeof memories / sizeof *memories))

static struct loopback loop;
static long live_before;

static void setup(void)
{
    live_before = mem_live();
    loopback_init(&loop);
    loop.config.checkpoint_ms = 1;
    loopback_reopen(&loop);
    for (int version = 1; version <= 2; version++) {
        char model[sizeof MODEL];
        snprintf(model, sizeof model, MODEL, version);
        ck_assert_int_eq(loopback_call(&loop, HTTP_PUT, "/v1/models/m", model, NULL), 201);
    }
}

static void teardown(void)
{
    loopback_release(&loop);
    ck_assert_int_eq(mem_live(), live_before);
}

static int n_pending(void)
{
    struct err err = ERR_INIT;
    struct pending_list list = {.d = 1, .limit = PENDING_MAX_POINTS};
    ck_assert_int_eq(pending_store_list(loop.app.db, "m", &list, &err), ERR_OK);
    mem_free(list.x);
    return list.n;
}

static void check_registry(void)
{
    struct err err = ERR_INIT;
    ck_assert_msg(registry_check(loop.app.db, &err) == ERR_OK, "%s", err.msg);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* The end of a job is stored before the worker is done with it. */
static enum job_state await(int64_t job)
{
    enum job_state state = scenario_await(&loop, job);
    while (atomic_load(&loop.metrics.job_running) != 0) {
        nap();
    }
    return state;
}

static int64_t newest_job(void)
{
    struct err err = ERR_INIT;
    struct job_row *rows = NULL;
    size_t n = 0;
    const struct job_filter filter = {.state = -1, .limit = 1};
    ck_assert_int_eq(job_store_list(loop.app.db, &filter, &rows, &n, &err), ERR_OK);
    ck_assert_uint_eq(n, 1);
    int64_t id = rows[0].id;
    mem_free(rows);
    return id;
}

/* The document but for the ids, which differ; the caller frees it. */
static char *result_of(int64_t job)
{
    struct err err = ERR_INIT;
    char *document = NULL;
    size_t n_bytes = 0;
    ck_assert_msg(job_store_result(loop.app.db, job, &document, &n_bytes, &err) == ERR_OK, "%s",
                  err.msg);
    char *ids = strstr(document, ",\"ids\":");
    if (ids != NULL) {
        *ids = '\0';
    }
    return document;
}

START_TEST(requests_survive)
{
    const struct work *work = &works[_i % N_WORKS];
    const struct memory *memory = &memories[_i / N_WORKS];
    const struct loopback_request request = {
        .method = HTTP_POST, .path = work->path, .body = work->body, .n_body = strlen(work->body)};
    struct loopback_answer answer = {.out = NULL};
    int status = 0;
    for (long at = 1; status != 202; at = stride_next(at, memory->step)) {
        long live = mem_live();
        memory->fail_after(at, memory->for_ever);
        status = loopback_send(&loop, &request, &answer);
        memory->fail_after(0, false);
        ck_assert_msg(status == 503 || status == 202, "allocation %ld: %d", at, status);
        ck_assert_msg(status == 202 || mem_live() <= live + 40, "allocation %ld: %ld blocks stay",
                      at, mem_live() - live);
        check_registry();
    }
    ck_assert_int_eq(await(newest_job()), JOB_SUCCEEDED);
    ck_assert_int_eq(n_pending(), work->n_next);
}
END_TEST

/* ---- jobs ---- */

/* Queues a job without waking the worker. */
static int64_t queue(const struct work *work)
{
    struct err err = ERR_INIT;
    int64_t id = 0;
    struct job_new job = {.kind = work->kind,
                          .model = "m",
                          .base_version = 2,
                          .request = work->body,
                          .n_request = strlen(work->body),
                          .origin = "request"};
    ck_assert_int_eq(job_store_add(loop.app.db, &job, &id, &err), ERR_OK);
    return id;
}

static long long n_attempts(void)
{
    const struct metrics *m = &loop.metrics;
    return atomic_load(&m->jobs_succeeded) + atomic_load(&m->jobs_failed) +
           atomic_load(&m->jobs_retried);
}

/* Fails an allocation of the job, from its claim to its end. False: it has not so many. */
static bool run_without(const struct work *work, const struct memory *memory, long at,
                        const char *wanted)
{
    long long before = n_attempts();
    int pending = n_pending();
    int64_t id = queue(work);
    time_t until = time(NULL) + 60;
    memory->fail_after(at, memory->for_ever);
    trainer_notify(loop.app.trainer);
    while (memory->attempts() < at && n_attempts() == before) {
        ck_assert_msg(time(NULL) < until, "the job does not end");
        nap();
    }
    bool met = memory->attempts() >= at;
    memory->fail_after(0, false);
    enum job_state state = await(id);
    ck_assert_msg(state == JOB_SUCCEEDED, "allocation %ld: %s", at, job_state_name(state));
    ck_assert_int_eq(n_pending(), pending + work->n_next);
    char *found = result_of(id);
    ck_assert_msg(wanted == NULL || strcmp(found, wanted) == 0, "allocation %ld: another result",
                  at);
    mem_free(found);
    return met;
}

START_TEST(jobs_survive)
{
    const struct work *work = &works[_i % N_WORKS];
    const struct memory *memory = &memories[_i / N_WORKS];
    int64_t first = queue(work);
    trainer_notify(loop.app.trainer);
    ck_assert_int_eq(await(first), JOB_SUCCEEDED);
    char *wanted = result_of(first);
    for (long at = 1; run_without(work, memory, at, wanted); at = stride_next(at, memory->step)) {
        ck_assert_int_lt(at, 100000);
    }
    mem_free(wanted);
    check_registry();
    ck_assert_int_eq(atomic_load(&loop.metrics.jobs_failed), 0);
}
END_TEST

START_TEST(a_result_is_worth_more_than_room_for_its_points)
{
    struct err err = ERR_INIT;
    static double x[PENDING_MAX_POINTS - 1];
    static int64_t ids[PENDING_MAX_POINTS - 1];
    const struct pending_points points = {.origin = "design",
                                          .n = PENDING_MAX_POINTS - 1,
                                          .d = 1,
                                          .x = x,
                                          .expires_ms = db_now_ms() + 600000};
    ck_assert_int_eq(pending_store_add(loop.app.db, "m", &points, ids, &err), ERR_OK);
    int64_t id = queue(&works[2]);
    trainer_notify(loop.app.trainer);
    ck_assert_int_eq(await(id), JOB_SUCCEEDED);
    ck_assert_int_eq(n_pending(), PENDING_MAX_POINTS - 1);
    char *document = NULL;
    size_t n_bytes = 0;
    ck_assert_int_eq(job_store_result(loop.app.db, id, &document, &n_bytes, &err), ERR_OK);
    ck_assert_ptr_nonnull(strstr(document, ",\"ids\":null}"));
    mem_free(document);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chaos_analyses");
    TCase *tc = tcase_create("chaos_analyses");
    gemm_use_one_thread();
    foreign_mem_install();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, requests_survive, 0, N_WORKS * N_MEMORIES);
    tcase_add_loop_test(tc, jobs_survive, 0, N_WORKS * N_MEMORIES);
    tcase_add_test(tc, a_result_is_worth_more_than_room_for_its_points);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
