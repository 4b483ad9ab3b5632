/* SPDX-License-Identifier: Apache-2.0 */
/* The events of jobs, one thread at a time: order, numbers, what is kept, what is shown, who waits.
 */
#include "moved_jobs.h"
#include "run.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "math/gemm.h"
#include "store/jobs/job_read.h"

#define SECOND INT64_C(1000000000)

static struct moved_jobs m;

static void setup(void)
{
    moved_jobs_init(&m);
}

static void teardown(void)
{
    moved_jobs_release(&m);
}

static void expect_state(int64_t job, uint64_t *after, enum job_state state)
{
    struct event event;
    uint64_t before = *after;
    ck_assert_int_eq(events_next(m.events, job, after, &event), EVENTS_ONE);
    ck_assert_int_eq(event.kind, EVENT_STATE);
    ck_assert_int_eq(event.row.id, job);
    ck_assert_int_eq(event.row.state, state);
    ck_assert_uint_gt(*after, before);
    ck_assert_uint_eq(*after, event.number);
}

static void expect_progress(int64_t job, uint64_t *after, double fraction)
{
    struct event event;
    ck_assert_int_eq(events_next(m.events, job, after, &event), EVENTS_ONE);
    ck_assert_int_eq(event.kind, EVENT_PROGRESS);
    ck_assert_double_eq(event.progress.fraction, fraction);
    ck_assert_double_eq(event.eta_s, 1.5);
}

static void expect_nothing(int64_t job, uint64_t *after)
{
    struct event event;
    ck_assert_int_eq(events_next(m.events, job, after, &event), EVENTS_NONE);
}

/* ---- states ---- */

START_TEST(every_state_is_told_once_in_order_with_its_row)
{
    uint64_t start = events_newest(m.events);
    uint64_t late = start;
    int64_t job = moved_jobs_add(&m, 0);
    int64_t other = moved_jobs_add(&m, 1);
    events_publish_state(m.events, job);
    events_publish_state(m.events, other);
    events_publish_state(m.events, job); /* nothing has changed */
    ck_assert_int_eq(moved_jobs_claim(&m), job);
    events_publish_state(m.events, job);
    moved_jobs_cancel(&m, job);
    events_publish_state(m.events, job);
    moved_jobs_fail(&m, job);
    events_publish_state(m.events, job);
    events_publish_state(m.events, job);
    uint64_t after = start;
    expect_state(job, &after, JOB_QUEUED);
    expect_state(job, &after, JOB_RUNNING);
    uint64_t middle = after;
    expect_state(job, &after, JOB_RUNNING);
    expect_state(job, &after, JOB_FAILED);
    uint64_t end = after;
    expect_nothing(job, &after);
    expect_nothing(job, &after);
    ck_assert_uint_eq(after, events_newest(m.events));
    expect_state(other, &late, JOB_QUEUED);
    expect_nothing(other, &late);
    /* A client that comes back gets what is still kept, and the end if it has not seen it. */
    struct job_row row = moved_jobs_get(&m, job);
    ck_assert(events_resumes(m.events, &row, middle));
    expect_state(job, &middle, JOB_RUNNING);
    expect_state(job, &middle, JOB_FAILED);
    ck_assert_uint_eq(middle, end);
    ck_assert(!events_resumes(m.events, &row, end));
    ck_assert(!events_resumes(m.events, &row, start - 1));
    ck_assert(!events_resumes(m.events, &row, events_newest(m.events) + 1));
}
END_TEST

/* The store knows the end a moment before it is published. */
START_TEST(who_comes_back_before_the_end_is_published_misses_nothing)
{
    int64_t job = moved_jobs_add(&m, 0);
    events_publish_state(m.events, job);
    uint64_t after = events_newest(m.events);
    ck_assert_int_eq(moved_jobs_claim(&m), job);
    events_publish_state(m.events, job);
    moved_jobs_fail(&m, job);
    struct job_row row = moved_jobs_get(&m, job);
    ck_assert(events_resumes(m.events, &row, after));
    events_publish_state(m.events, job);
    ck_assert(events_resumes(m.events, &row, after));
    expect_state(job, &after, JOB_RUNNING);
    expect_state(job, &after, JOB_FAILED);
    expect_nothing(job, &after);
}
END_TEST

START_TEST(numbers_grow_over_restarts_and_old_ones_do_not_resume)
{
    int64_t job = moved_jobs_add(&m, 0);
    struct job_row row = moved_jobs_get(&m, job);
    events_publish_state(m.events, job);
    uint64_t before = events_newest(m.events);
    ck_assert(events_resumes(m.events, &row, before));
    for (int64_t begin_ms = db_now_ms(); db_now_ms() == begin_ms;) {
        continue; /* numbers begin with the time of the start in ms */
    }
    moved_jobs_restart_events(&m);
    ck_assert_uint_gt(events_newest(m.events), before);
    ck_assert(!events_resumes(m.events, &row, before));
    ck_assert(events_resumes(m.events, &row, events_newest(m.events)));
    struct event event;
    ck_assert_int_eq(events_next(m.events, job, &before, &event), EVENTS_LOST);
}
END_TEST

START_TEST(a_full_ring_loses_the_oldest_and_says_so)
{
    uint64_t start = events_newest(m.events);
    int64_t job = moved_jobs_add(&m, 0);
    struct job_row row = moved_jobs_get(&m, job);
    events_publish_state(m.events, job);
    uint64_t first = events_newest(m.events);
    for (int i = 0; i < EVENTS_STATES / 2; i++) {
        ck_assert_int_eq(moved_jobs_claim(&m), job);
        events_publish_state(m.events, job);
        moved_jobs_requeue(&m, job);
        events_publish_state(m.events, job);
    }
    /* One more than fits: the very first has gone. */
    struct event event;
    uint64_t after = start;
    ck_assert_int_eq(events_next(m.events, job, &after, &event), EVENTS_LOST);
    ck_assert(!events_resumes(m.events, &row, start));
    ck_assert(events_resumes(m.events, &row, first));
    after = first;
    for (int i = 0; i < EVENTS_STATES; i++) {
        expect_state(job, &after, i % 2 == 0 ? JOB_RUNNING : JOB_QUEUED);
    }
    expect_nothing(job, &after);
    ck_assert_int_eq(moved_jobs_claim(&m), job);
    events_publish_state(m.events, job);
    ck_assert(!events_resumes(m.events, &row, first));
    ck_assert_int_eq(events_next(m.events, job, &first, &event), EVENTS_LOST);
    expect_state(job, &after, JOB_RUNNING);
    /* An end that has left the ring cannot be waited for. */
    int64_t ended = moved_jobs_add(&m, 1);
    moved_jobs_cancel(&m, ended);
    events_publish_state(m.events, ended);
    row = moved_jobs_get(&m, ended);
    ck_assert(events_resumes(m.events, &row, after));
    ck_assert(!events_resumes(m.events, &row, events_newest(m.events)));
}
END_TEST

START_TEST(a_state_whose_row_cannot_be_read_is_told_all_the_same)
{
    struct event event;
    uint64_t after = events_newest(m.events);
    int64_t job = moved_jobs_add(&m, 0);
    mem_fail_after(1, true);
    events_publish_state(m.events, job);
    bool tried = mem_attempts() > 0;
    mem_fail_after(0, false);
    events_publish_state(m.events, 12345); /* no such job */
    if (tried) {
        ck_assert_int_eq(events_next(m.events, job, &after, &event), EVENTS_ONE);
    }
    after = events_newest(m.events) - 1;
    ck_assert_int_eq(events_next(m.events, 12345, &after, &event), EVENTS_ONE);
    ck_assert_int_eq(event.kind, EVENT_STATE);
    ck_assert_int_eq(event.row.id, 0);
}
END_TEST

START_TEST(a_start_without_memory_fails_and_leaves_nothing)
{
    struct err err = ERR_INIT;
    struct events *none = NULL;
    struct events_settings settings = {.db = m.db, .log = &m.log};
    long live = mem_live();
    mem_fail_after(1, false);
    ck_assert_int_eq(events_start(&settings, &none, &err), ERR_NOMEM);
    mem_fail_after(0, false);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(mem_live(), live);
    events_close(NULL);
    events_free(NULL);
    events_publish_state(NULL, 1);
}
END_TEST

/* ---- progress ---- */

START_TEST(progress_is_shown_five_times_a_second_first_and_last_always)
{
    int64_t job = moved_jobs_add(&m, 0);
    uint64_t after = events_newest(m.events);
    uint64_t start = after;
    ck_assert_int_eq(moved_jobs_claim(&m), job);
    int64_t begin_ns = clock_ns();
    const int n = 20000;
    for (int i = 1; i <= n; i++) {
        moved_jobs_report(&m, job, (double)i / (n + 1));
        if (i == 1) {
            expect_progress(job, &after, 1.0 / (n + 1));
        }
    }
    uint64_t shown = events_newest(m.events) - start;
    int64_t spent_ns = clock_ns() - begin_ns;
    ck_assert_uint_ge(shown, 1);
    ck_assert_uint_le(shown, (uint64_t)(spent_ns / (SECOND / 5)) + 2);
    /* The latest comes when it is due, whoever looks at the clock. */
    events_tick(m.events, clock_ns() + SECOND);
    expect_progress(job, &after, (double)n / (n + 1));
    expect_nothing(job, &after);
    events_tick(m.events, clock_ns() + 2 * SECOND);
    expect_nothing(job, &after);
    /* And before a change of state, after which the next is a first one again. */
    moved_jobs_report(&m, job, 1.0);
    moved_jobs_requeue(&m, job);
    events_publish_state(m.events, job);
    expect_progress(job, &after, 1.0);
    expect_state(job, &after, JOB_QUEUED);
    moved_jobs_report(&m, job, 0.25);
    expect_progress(job, &after, 0.25);
    expect_nothing(job, &after);
}
END_TEST

START_TEST(a_late_report_of_another_thread_does_not_turn_progress_back)
{
    int64_t job = moved_jobs_add(&m, 0);
    uint64_t after = events_newest(m.events);
    moved_jobs_report(&m, job, 0.5);
    moved_jobs_report(&m, job, 0.4);
    expect_progress(job, &after, 0.5);
    moved_jobs_report(&m, job, 0.7);
    moved_jobs_report(&m, job, 0.6);
    events_tick(m.events, clock_ns() + SECOND);
    expect_progress(job, &after, 0.7);
    moved_jobs_report(&m, job, 0.1);
    events_tick(m.events, clock_ns() + 2 * SECOND);
    expect_nothing(job, &after);
}
END_TEST

START_TEST(more_running_jobs_than_places_forget_the_oldest_progress)
{
    uint64_t start = events_newest(m.events);
    for (int64_t job = 1; job <= 100; job++) {
        moved_jobs_report(&m, job, 0.01 * (double)job);
    }
    uint64_t after = start;
    expect_nothing(1, &after);
    after = start;
    expect_progress(100, &after, 1.0);
    after = start;
    expect_progress(90, &after, 0.9);
}
END_TEST

/* ---- waiters ---- */

START_TEST(a_waiter_is_called_once_and_for_its_own_job)
{
    struct follower f;
    int64_t job = moved_jobs_add(&m, 0);
    int64_t other = moved_jobs_add(&m, 1);
    follower_init(&f, m.events, job);
    ck_assert(events_wait(m.events, &f.waiter));
    events_publish_state(m.events, other);
    moved_jobs_report(&m, other, 0.5);
    ck_assert_int_eq(follower_calls(&f), 0);
    events_publish_state(m.events, job);
    follower_wait(&f, 1); /* by the thread, if it was just looking after it */
    ck_assert_int_eq(f.waiter.call, EVENTS_NEWS);
    moved_jobs_report(&m, job, 0.5);
    ck_assert_int_eq(follower_calls(&f), 1);
    /* There is news: waiting is refused, and nobody calls. */
    ck_assert(!events_wait(m.events, &f.waiter));
    events_close(m.events);
    ck_assert_int_eq(follower_calls(&f), 1);
    follower_release(&f);
}
END_TEST

START_TEST(silence_a_client_that_went_and_the_end_are_told_apart)
{
    struct follower silent, left, last;
    follower_init(&silent, m.events, 1);
    follower_init(&left, m.events, 1);
    follower_init(&last, m.events, 1);
    silent.waiter.silent_ns = clock_ns() + 1000 * SECOND;
    left.is_gone = true;
    ck_assert(events_wait(m.events, &silent.waiter));
    ck_assert(events_wait(m.events, &last.waiter));
    events_tick(m.events, silent.waiter.silent_ns - 1);
    ck_assert_int_eq(follower_calls(&silent), 0);
    do {
        /* Not the first time if the thread is just looking after it. */
        events_tick(m.events, silent.waiter.silent_ns + 2 * SECOND);
    } while (follower_calls(&silent) == 0);
    ck_assert_int_eq(follower_calls(&silent), 1);
    ck_assert_int_eq(silent.waiter.call, EVENTS_SILENCE);
    ck_assert(events_wait(m.events, &left.waiter));
    follower_wait(&left, 1); /* by the thread, within a second or so */
    ck_assert_int_eq(left.waiter.call, EVENTS_GONE);
    ck_assert_int_eq(follower_calls(&last), 0);
    events_close(m.events);
    ck_assert_int_eq(follower_calls(&last), 1);
    struct event event;
    ck_assert_int_eq(events_next(m.events, 1, &last.waiter.after, &event), EVENTS_CLOSED);
    ck_assert(!events_wait(m.events, &last.waiter));
    moved_jobs_report(&m, 1, 0.5);
    events_publish_state(m.events, 1);
    events_tick(m.events, clock_ns() + 200 * SECOND);
    follower_release(&silent);
    follower_release(&left);
    follower_release(&last);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("events");
    TCase *tc = tcase_create("events");
    gemm_use_one_thread();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, every_state_is_told_once_in_order_with_its_row);
    tcase_add_test(tc, who_comes_back_before_the_end_is_published_misses_nothing);
    tcase_add_test(tc, numbers_grow_over_restarts_and_old_ones_do_not_resume);
    tcase_add_test(tc, a_full_ring_loses_the_oldest_and_says_so);
    tcase_add_test(tc, a_state_whose_row_cannot_be_read_is_told_all_the_same);
    tcase_add_test(tc, a_start_without_memory_fails_and_leaves_nothing);
    tcase_add_test(tc, progress_is_shown_five_times_a_second_first_and_last_always);
    tcase_add_test(tc, a_late_report_of_another_thread_does_not_turn_progress_back);
    tcase_add_test(tc, more_running_jobs_than_places_forget_the_oldest_progress);
    tcase_add_test(tc, a_waiter_is_called_once_and_for_its_own_job);
    tcase_add_test(tc, silence_a_client_that_went_and_the_end_are_told_apart);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
