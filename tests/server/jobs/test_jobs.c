/* SPDX-License-Identifier: Apache-2.0 */
/* Curves, time limits, checkpoints and the queue's order, without the trainer. */
#include "jobs/checkpoints.h"
#include "jobs/curves.h"
#include "store/data/data_append.h"
#include "store/jobs/job_checkpoint_store.h"
#include "store/jobs/job_store.h"
#include "store/jobs/policy_store.h"
#include "store/store.h"
#include "registry_check.h"
#include "run.h"
#include "tmpdb.h"
#include "jobs/running.h"

#include <math.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- curves ---- */

static void tell(struct curves *curves, int member, int step)
{
    struct progress p = {.member = member,
                         .step = step,
                         .loss = 1.0 / step,
                         .validation_loss = member == 0 ? NAN : 2.0 / step};
    curves_add(curves, &p);
}

static void check_curve(const struct curves *curves, int member, int last)
{
    struct curve_point point;
    int n = 0;
    int before = 0;
    while (curves_point(curves, member, n, &point)) {
        ck_assert_int_gt(point.step, before);
        ck_assert_double_eq(point.loss, 1.0 / point.step);
        before = point.step;
        n++;
    }
    ck_assert_int_eq(before, last);
    ck_assert_int_le(n, CURVES_POINTS + 1);
    ck_assert_int_ge(n, last < CURVES_POINTS / 2 ? last : CURVES_POINTS / 2);
}

START_TEST(a_curve_of_any_length_keeps_its_shape_and_its_end)
{
    static const int lengths[] = {1, 2, 127, 128, 129, 255, 1000, 77777};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct curves *curves = mem_zalloc(sizeof *curves);
        for (int step = 1; step <= lengths[i]; step++) {
            tell(curves, 3, step);
        }
        ck_assert_int_eq(curves->n, 4);
        check_curve(curves, 3, lengths[i]);
        check_curve(curves, 0, 0);
        mem_free(curves);
    }
}
END_TEST

START_TEST(a_resumed_curve_is_that_of_an_unbroken_run)
{
    struct curves *whole = mem_zalloc(sizeof *whole);
    struct curves *broken = mem_zalloc(sizeof *broken);
    struct bytes_writer w = {.data = NULL};
    for (int step = 1; step <= 900; step++) {
        tell(whole, 0, step);
        tell(whole, 1, step);
    }
    for (int step = 1; step <= 700; step++) {
        tell(broken, 0, step);
        tell(broken, 1, step);
    }
    curves_encode(broken, &w);
    memset(broken, 255, sizeof *broken);
    struct bytes_reader r = {.data = w.data, .left = w.size};
    curves_decode(broken, &r);
    ck_assert(!r.failed && r.left == 0);
    mem_free(w.data);
    for (int step = 650; step <= 900; step++) {
        tell(broken, 0, step);
        tell(broken, 1, step);
    }
    for (int member = 0; member < 2; member++) {
        check_curve(broken, member, 900);
        ck_assert_int_eq(broken->members[member].stride, whole->members[member].stride);
    }
    mem_free(whole);
    mem_free(broken);
}
END_TEST

START_TEST(damaged_curves_are_empty_ones)
{
    struct curves *curves = mem_zalloc(sizeof *curves);
    struct bytes_writer w = {.data = NULL};
    for (int step = 1; step <= 20; step++) {
        tell(curves, 0, step);
    }
    curves_encode(curves, &w);
    for (size_t size = 0; size < w.size; size++) {
        struct bytes_reader r = {.data = w.data, .left = size};
        curves_decode(curves, &r);
        ck_assert(r.failed);
        ck_assert_int_eq(curves->n, 0);
    }
    mem_free(w.data);
    mem_free(curves);
}
END_TEST

/* ---- the job at work ---- */

static struct running running;

START_TEST(the_time_limit_of_a_job_is_kept_without_anybody_looking)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(running_init(&running, &err), ERR_OK);
    for (int64_t job = 1; job <= 2; job++) {
        running_begin(&running, job, 1, NULL);
        while (!cancel_is_requested(&running.cancel)) {
            usleep(1000); /* what is waited for is the clock itself */
        }
        ck_assert(running_timed_out(&running));
        ck_assert(running_seconds(&running) >= 1.0);
        running_end(&running);
    }
    /* The limit of one job is not that of the next. */
    running_begin(&running, 3, 1, NULL);
    running_end(&running);
    running_begin(&running, 4, 0, NULL);
    usleep(1500000);
    ck_assert(!cancel_is_requested(&running.cancel));
    ck_assert(!running_timed_out(&running));
    running_cancel(&running, 4);
    ck_assert(cancel_is_requested(&running.cancel));
    ck_assert(!running_timed_out(&running));
    running_end(&running);
    running_release(&running);
}
END_TEST

/* What the reports so far let expect, in units of the time that has passed. */
static void check_eta(struct progress progress, double min, double max)
{
    int64_t job = 0;
    double eta_s = 0.0;
    double before = running_seconds(&running);
    running_note(&running, &progress, &job, &eta_s);
    double after = running_seconds(&running);
    ck_assert_int_eq(job, 7);
    ck_assert(eta_s >= min * before && eta_s <= max * after);
}

START_TEST(the_time_left_counts_what_this_attempt_has_done)
{
    struct err err = ERR_INIT;
    struct bytes_writer w = {.data = NULL};
    struct progress p = {.n_members = 4, .n_steps = 100, .step = 1, .fraction = 0.0025};
    ck_assert_int_eq(running_init(&running, &err), ERR_OK);
    running_begin(&running, 7, 0, NULL);
    check_eta(p, 398.9, 399.1);
    p.step = 100;
    p.fraction = 0.25;
    check_eta(p, 2.99, 3.01);
    running_write_curves(&running, &w);
    running_end(&running);
    /* Three members came back from checkpoints, and the fourth begins. */
    struct bytes_reader left = {.data = w.data, .left = w.size};
    running_begin(&running, 7, 0, &left);
    p.member = 3;
    p.step = 1;
    p.fraction = 0.7525;
    check_eta(p, 98.9, 99.1);
    p.step = 50;
    p.fraction = 0.875;
    check_eta(p, 0.99, 1.01);
    running_end(&running);
    /* Two had ended and two come back side by side, half done and three quarters. */
    left = (struct bytes_reader){.data = w.data, .left = w.size};
    running_begin(&running, 7, 0, &left);
    p = (struct progress){
        .member = 2, .n_members = 4, .step = 51, .n_steps = 100, .fraction = 0.6275};
    check_eta(p, 148.9, 149.1);
    p.member = 3;
    p.step = 76;
    p.fraction = 0.8175;
    check_eta(p, 0.1825 / 0.005 * 0.99, 0.1825 / 0.005 * 1.01);
    running_end(&running);
    running_release(&running);
    mem_free(w.data);
}
END_TEST

/* ---- the queue ---- */

static struct tmpdb place;
static struct db *db;

static void setup(void)
{
    struct err err = ERR_INIT;
    tmpdb_init(&place);
    db = tmpdb_open(&place, 100);
    struct data_upload upload = {
        .n = 1, .d = 1, .o = 1, .rows = (const double[]){1, 2}, .format = "json"};
    struct data_append_result result;
    ck_assert_int_eq(data_store_append(db, "a", &upload, &result, &err), ERR_OK);
    ck_assert_int_eq(data_store_append(db, "b", &upload, &result, &err), ERR_OK);
}

static void teardown(void)
{
    db_close(db);
    tmpdb_release(&place);
}

static int64_t add(const char *model, int priority)
{
    struct err err = ERR_INIT;
    int64_t id = 0;
    struct job_new job = {
        .model = model, .request = "{}", .n_request = 2, .priority = priority, .origin = "request"};
    ck_assert_msg(job_store_add(db, &job, &id, &err) == ERR_OK, "%s", err.msg);
    return id;
}

/* 0: none. */
static int64_t claim(void)
{
    struct err err = ERR_INIT;
    struct job_row row = {.id = 0};
    void *request = NULL;
    size_t n = 0;
    enum err_code code = job_store_claim(db, JOB_LANE_TRAIN, &row, &request, &n, &err);
    ck_assert(code == ERR_OK || code == ERR_NOT_FOUND);
    mem_free(request);
    return code == ERR_OK ? row.id : 0;
}

static struct job_row get(int64_t id)
{
    struct err err = ERR_INIT;
    struct job_row row;
    ck_assert_int_eq(job_store_get(db, id, &row, &err), ERR_OK);
    return row;
}

static void finish(int64_t id)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(job_store_finish(db, id, JOB_FAILED, "test", &err), ERR_OK);
}

START_TEST(urgent_jobs_come_first_and_one_of_a_model_runs)
{
    int64_t first = add("a", 0);
    int64_t second = add("a", 0);
    int64_t urgent = add("b", 5);
    int64_t idle = add("b", -5);
    ck_assert_int_eq(claim(), urgent);
    ck_assert_int_eq(claim(), first);
    ck_assert_int_eq(claim(), 0); /* both models are at work */
    finish(first);
    ck_assert_int_eq(claim(), second);
    finish(urgent);
    ck_assert_int_eq(claim(), idle);
}
END_TEST

START_TEST(a_job_put_off_waits_for_its_time)
{
    struct err err = ERR_INIT;
    int64_t next = 0;
    int64_t id = add("a", 0);
    ck_assert_int_eq(claim(), id);
    int64_t later = db_now_ms() + 60000;
    ck_assert_int_eq(job_store_retry(db, id, later, "disk full", &err), ERR_OK);
    ck_assert_int_eq(claim(), 0);
    ck_assert_int_eq(job_store_next(db, JOB_LANE_TRAIN, &next, &err), ERR_OK);
    ck_assert_int_eq(next, later);
    struct job_row row = get(id);
    ck_assert_int_eq(row.state, JOB_QUEUED);
    ck_assert_int_eq(row.faults, 1);
    ck_assert_str_eq(row.message, "disk full");
    ck_assert_int_eq(job_store_retry(db, id, later, "", &err), ERR_CONFLICT);
}
END_TEST

START_TEST(a_clock_that_was_set_back_does_not_keep_a_job_waiting)
{
    struct err err = ERR_INIT;
    int64_t id = add("a", 0);
    ck_assert_int_eq(claim(), id);
    int64_t tomorrow = db_now_ms() + 86400000;
    ck_assert_int_eq(job_store_retry(db, id, tomorrow, "disk full", &err), ERR_OK);
    ck_assert_int_eq(claim(), id);
}
END_TEST

static enum err_code add_by_policy(int64_t policy_ms)
{
    struct err err = ERR_INIT;
    int64_t id = 0;
    struct job_new job = {
        .model = "a", .request = "{}", .n_request = 2, .origin = "drift", .policy_ms = policy_ms};
    return job_store_add(db, &job, &id, &err);
}

START_TEST(a_policy_adds_no_job_beside_another_or_after_its_end)
{
    struct err err = ERR_INIT;
    char *document = NULL;
    int64_t changed_ms = 0;
    ck_assert_int_eq(add_by_policy(1), ERR_CONFLICT);
    ck_assert_int_eq(policy_store_put(db, "a", "{}", &err), ERR_OK);
    ck_assert_int_eq(policy_store_get(db, "a", &document, &changed_ms, &err), ERR_OK);
    mem_free(document);
    ck_assert_int_eq(add_by_policy(changed_ms - 1), ERR_CONFLICT);
    int64_t other = add("b", 0);
    ck_assert_int_eq(add_by_policy(changed_ms), ERR_OK);
    ck_assert_int_eq(add_by_policy(changed_ms), ERR_CONFLICT);
    ck_assert_int_eq(claim(), other);
    int64_t id = claim();
    ck_assert_int_eq(add_by_policy(changed_ms), ERR_CONFLICT);
    finish(id);
    ck_assert_int_eq(policy_store_delete(db, "a", &err), ERR_OK);
    ck_assert_int_eq(add_by_policy(changed_ms), ERR_CONFLICT);
}
END_TEST

static struct checkpoints points;
static int n_curves;

static void some_curves(void *ctx, struct bytes_writer *writer)
{
    (void)ctx;
    n_curves++;
    bytes_put_u32(writer, 0);
}

static struct checkpoints_inputs inputs = {
    .request = "{}", .n_request = 2, .fingerprint = "f", .base_version = 3};

static void open_points(int64_t job, int64_t every_ms, struct metrics *metrics)
{
    struct err err = ERR_INIT;
    static struct log silent = {.fd = STDERR_FILENO, .level = LOG_ERROR + 1, .format = LOG_TEXT};
    static struct job_row row;
    row.id = job;
    points = (struct checkpoints){
        .db = db, .job = &row, .log = &silent, .metrics = metrics, .curves = some_curves};
    ck_assert_int_eq(checkpoints_init(&points, every_ms, &inputs, &err), ERR_OK);
}

START_TEST(a_state_is_found_again_until_the_job_ends)
{
    struct err err = ERR_INIT;
    static struct metrics metrics;
    unsigned char state[1234]; /* many chunks */
    void *found = NULL;
    size_t n = 0;
    int64_t id = add("a", 0);
    ck_assert_int_eq(claim(), id);
    open_points(id, 1, &metrics);
    const struct checkpoint *c = &points.core;
    ck_assert_int_eq(c->load(c->ctx, 7, &found, &n, &err), ERR_NOT_FOUND);
    ck_assert_str_eq(err.msg, "");
    err_clear(&err);
    for (int round = 0; round < 3; round++) {
        memset(state, round + 1, sizeof state);
        ck_assert_int_eq(c->save(c->ctx, 7, state, sizeof state - (size_t)round * 500, &err),
                         ERR_OK);
    }
    ck_assert_int_eq(c->load(c->ctx, 7, &found, &n, &err), ERR_OK);
    ck_assert_uint_eq(n, 234);
    ck_assert_int_eq(memcmp(found, state, n), 0);
    mem_free(found);
    ck_assert_int_eq(atomic_load(&metrics.checkpoints), 3);
    ck_assert_int_eq(n_curves, 3);
    finish(id);
    ck_assert_int_eq(c->load(c->ctx, 7, &found, &n, &err), ERR_NOT_FOUND);
    err_clear(&err);
    ck_assert_int_eq(registry_check(db, &err), ERR_OK);
}
END_TEST

/* Of another request, other rows, another base; and one that has lost its end. */
START_TEST(a_state_that_is_not_of_this_computation_is_refused)
{
    static const struct checkpoints_inputs others[] = {
        {.request = "[]", .n_request = 2, .fingerprint = "f", .base_version = 3},
        {.request = "{}", .n_request = 2, .fingerprint = "g", .base_version = 3},
        {.request = "{}", .n_request = 2, .fingerprint = "f", .base_version = 0}};
    const struct checkpoints_inputs own = inputs;
    static struct metrics metrics;
    unsigned char state[700];
    void *found = NULL;
    size_t n = 0;
    int64_t id = add("a", 0);
    memset(state, 7, sizeof state);
    ck_assert_int_eq(claim(), id);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct err err = ERR_INIT;
        inputs = others[i];
        open_points(id, 1, &metrics);
        ck_assert_int_eq(points.core.save(&points, 2, state, sizeof state, &err), ERR_OK);
        inputs = own;
        open_points(id, 1, &metrics);
        ck_assert_int_eq(points.core.load(&points, 2, &found, &n, &err), ERR_CORRUPT);
        ck_assert_str_ne(err.msg, "");
        ck_assert(atomic_load(&points.loaded));
    }
    struct err err = ERR_INIT;
    struct job_state_bytes cut = {
        .task = 2, .head = state, .n_head = CHECKPOINTS_HEAD, .bytes = state, .n_bytes = 500};
    ck_assert_int_eq(points.core.save(&points, 2, state, sizeof state, &err), ERR_OK);
    void *whole = NULL;
    ck_assert_int_eq(job_store_load_checkpoint(db, id, 2, &whole, &n, &err), ERR_OK);
    cut.head = whole;
    ck_assert_int_eq(job_store_save_checkpoint(db, id, &cut, &err), ERR_OK);
    mem_free(whole);
    ck_assert_int_eq(points.core.load(&points, 2, &found, &n, &err), ERR_CORRUPT);
    ck_assert_ptr_null(found);
}
END_TEST

START_TEST(a_task_is_due_after_its_time_and_not_before)
{
    static struct metrics metrics;
    open_points(1, 3600000, &metrics);
    const struct checkpoint *c = &points.core;
    ck_assert(!c->due(c->ctx, 0) && !c->due(c->ctx, 0) && !c->due(c->ctx, 9999));
    open_points(1, 20, &metrics);
    ck_assert(!c->due(c->ctx, 5));
    usleep(60000); /* what is waited for is the clock itself */
    ck_assert(c->due(c->ctx, 5));
    ck_assert(!c->due(c->ctx, 6));
}
END_TEST

/* As after a process that died: stored states count as progress, so the job is not given up. */
static void die_and_recover(int *n_requeued, int *n_failed)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(job_store_recover(db, n_requeued, n_failed, &err), ERR_OK);
}

START_TEST(a_job_that_gets_nowhere_is_given_up_and_one_that_gets_on_is_not)
{
    struct err err = ERR_INIT;
    static struct metrics metrics;
    int requeued = 0;
    int failed = 0;
    int64_t id = add("a", 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(claim(), id);
        open_points(id, 1, &metrics);
        ck_assert_int_eq(points.core.save(points.core.ctx, 0, "x", 1, &err), ERR_OK);
        die_and_recover(&requeued, &failed);
        ck_assert_int_eq(requeued, 1);
        ck_assert_int_eq(failed, 0);
    }
    for (int i = 0; i < JOB_MAX_STALLED; i++) {
        ck_assert_int_eq(claim(), id);
        die_and_recover(&requeued, &failed);
    }
    ck_assert_int_eq(failed, 1);
    struct job_row row = get(id);
    ck_assert_int_eq(row.state, JOB_FAILED);
    ck_assert_int_eq(row.attempts, 5 + JOB_MAX_STALLED);
    ck_assert_str_ne(row.message, "");
}
END_TEST

START_TEST(a_job_that_has_ended_cannot_be_cancelled)
{
    struct err err = ERR_INIT;
    struct job_row row;
    int64_t failed = add("a", 0);
    ck_assert_int_eq(claim(), failed);
    finish(failed);
    ck_assert_int_eq(job_store_cancel(db, failed, &row, &err), ERR_CONFLICT);
    ck_assert_str_eq(err_msg(&err), "job 1 has failed already");
    err_clear(&err);
    int64_t cancelled = add("a", 0);
    ck_assert_int_eq(job_store_cancel(db, cancelled, &row, &err), ERR_OK);
    ck_assert_int_eq(job_store_cancel(db, cancelled, &row, &err), ERR_CONFLICT);
    ck_assert_str_eq(err_msg(&err), "job 2 was cancelled already");
}
END_TEST

START_TEST(the_history_of_a_model_is_bounded)
{
    struct err err = ERR_INIT;
    struct job_row *rows = NULL;
    size_t n = 0;
    int64_t other = add("b", 0);
    for (int i = 0; i < JOB_HISTORY + 5; i++) {
        struct job_row row;
        int64_t id = add("a", 1);
        ck_assert_int_eq(job_store_cancel(db, id, &row, &err), ERR_OK);
    }
    struct job_filter filter = {.model = "a", .state = -1, .limit = 5000};
    ck_assert_int_eq(job_store_list(db, &filter, &rows, &n, &err), ERR_OK);
    ck_assert_uint_eq(n, JOB_HISTORY);
    mem_free(rows);
    int64_t last = add("a", 1);
    ck_assert_int_eq(claim(), last);
    finish(last);
    ck_assert_int_eq(job_store_list(db, &filter, &rows, &n, &err), ERR_OK);
    ck_assert_uint_eq(n, JOB_HISTORY);
    ck_assert_int_eq(rows[0].id, last);
    mem_free(rows);
    ck_assert_int_eq(get(other).state, JOB_QUEUED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jobs");
    TCase *tc = tcase_create("curves");
    tcase_add_test(tc, a_curve_of_any_length_keeps_its_shape_and_its_end);
    tcase_add_test(tc, a_resumed_curve_is_that_of_an_unbroken_run);
    tcase_add_test(tc, damaged_curves_are_empty_ones);
    suite_add_tcase(suite, tc);
    tc = tcase_create("running");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_time_limit_of_a_job_is_kept_without_anybody_looking);
    tcase_add_test(tc, the_time_left_counts_what_this_attempt_has_done);
    suite_add_tcase(suite, tc);
    tc = tcase_create("queue");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, urgent_jobs_come_first_and_one_of_a_model_runs);
    tcase_add_test(tc, a_job_put_off_waits_for_its_time);
    tcase_add_test(tc, a_clock_that_was_set_back_does_not_keep_a_job_waiting);
    tcase_add_test(tc, a_policy_adds_no_job_beside_another_or_after_its_end);
    tcase_add_test(tc, a_state_is_found_again_until_the_job_ends);
    tcase_add_test(tc, a_state_that_is_not_of_this_computation_is_refused);
    tcase_add_test(tc, a_task_is_due_after_its_time_and_not_before);
    tcase_add_test(tc, a_job_that_gets_nowhere_is_given_up_and_one_that_gets_on_is_not);
    tcase_add_test(tc, a_job_that_has_ended_cannot_be_cancelled);
    tcase_add_test(tc, the_history_of_a_model_is_bounded);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
