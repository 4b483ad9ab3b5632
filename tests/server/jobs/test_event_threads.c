/* SPDX-License-Identifier: Apache-2.0 */
/* Publishers, followers, tickers and the end, all at the same time. */
#include "moved_jobs.h"
#include "run.h"

#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
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

#define N_JOBS      MOVED_MODELS
#define N_FOLLOWERS 8
#define N_TURNS     25

static int64_t jobs[N_JOBS];
static atomic_bool all_done;
static pthread_mutex_t claims = PTHREAD_MUTEX_INITIALIZER;

/* Claims, reports and gives back, again and again; then the job fails. */
static void *publish(void *arg)
{
    int64_t job = *(int64_t *)arg;
    for (int turn = 0; turn <= N_TURNS; turn++) {
        /* A claim takes any queued job: those of the others are given back at once. */
        pthread_mutex_lock(&claims);
        int64_t taken[N_JOBS];
        int n = 0;
        do {
            taken[n] = moved_jobs_claim(&m);
        } while (taken[n++] != job);
        for (int i = 0; i < n - 1; i++) {
            moved_jobs_requeue(&m, taken[i]);
        }
        pthread_mutex_unlock(&claims);
        events_publish_state(m.events, job);
        for (int i = 0; i < 100; i++) {
            moved_jobs_report(&m, job, 0.01 * i);
        }
        if (turn == N_TURNS) {
            moved_jobs_fail(&m, job);
            events_publish_state(m.events, job);
        } else {
            /* Told before somebody else takes it for a moment. */
            pthread_mutex_lock(&claims);
            moved_jobs_requeue(&m, job);
            events_publish_state(m.events, job);
            pthread_mutex_unlock(&claims);
        }
    }
    return NULL;
}

/* What a follower has seen of its job. */
struct seen {
    int64_t job;
    uint64_t start;
    int n_states;
    int n_progress;
    int n_waits;
    bool wrong;
    bool over;
};

static void take_event(struct seen *seen, const struct event *event)
{
    if (event->kind == EVENT_PROGRESS) {
        seen->n_progress++;
        return;
    }
    enum job_state want = seen->n_states % 2 == 0 ? JOB_RUNNING : JOB_QUEUED;
    seen->over = event->row.state == JOB_FAILED;
    seen->wrong |= event->row.id != seen->job || (!seen->over && event->row.state != want);
    seen->n_states++;
}

static void *follow(void *arg)
{
    struct seen *seen = arg;
    struct follower f;
    follower_init(&f, m.events, seen->job);
    uint64_t after = seen->start;
    while (!seen->over) {
        struct event event;
        uint64_t before = after;
        enum events_answer answer = events_next(m.events, seen->job, &after, &event);
        if (answer == EVENTS_ONE) {
            seen->wrong |= after <= before || after != event.number;
            take_event(seen, &event);
        } else if (answer == EVENTS_NONE) {
            f.waiter.after = after;
            f.waiter.silent_ns = clock_ns() + SECOND;
            if (events_wait(m.events, &f.waiter)) {
                follower_wait(&f, ++seen->n_waits);
            }
        } else {
            seen->wrong = true;
            break;
        }
    }
    seen->wrong |= follower_calls(&f) != seen->n_waits;
    follower_release(&f);
    return NULL;
}

/* A second ticker with a clock of its own: waiters change hands all the time. */
static void *hurry(void *arg)
{
    (void)arg;
    int64_t ahead_ns = 0;
    while (!atomic_load_explicit(&all_done, memory_order_relaxed)) {
        ahead_ns += SECOND / 10;
        events_tick(m.events, clock_ns() + ahead_ns);
    }
    return NULL;
}

START_TEST(no_follower_misses_a_state_or_a_call_whatever_threads_do)
{
    pthread_t publishers[N_JOBS], followers[N_FOLLOWERS], ticker;
    struct seen seen[N_FOLLOWERS] = {{.job = 0}};
    atomic_store(&all_done, false);
    for (int i = 0; i < N_JOBS; i++) {
        jobs[i] = moved_jobs_add(&m, i);
    }
    for (int i = 0; i < N_FOLLOWERS; i++) {
        seen[i].job = jobs[i % N_JOBS];
        seen[i].start = events_newest(m.events);
        ck_assert_int_eq(pthread_create(&followers[i], NULL, follow, &seen[i]), 0);
    }
    ck_assert_int_eq(pthread_create(&ticker, NULL, hurry, NULL), 0);
    for (int i = 0; i < N_JOBS; i++) {
        ck_assert_int_eq(pthread_create(&publishers[i], NULL, publish, &jobs[i]), 0);
    }
    for (int i = 0; i < N_JOBS; i++) {
        pthread_join(publishers[i], NULL);
    }
    for (int i = 0; i < N_FOLLOWERS; i++) {
        pthread_join(followers[i], NULL);
        ck_assert(!seen[i].wrong);
        ck_assert(seen[i].over);
        ck_assert_int_eq(seen[i].n_states, 2 * (N_TURNS + 1));
        ck_assert_int_ge(seen[i].n_progress, 1);
    }
    atomic_store_explicit(&all_done, true, memory_order_relaxed);
    pthread_join(ticker, NULL);
}
END_TEST

static void *wait_for_end(void *arg)
{
    struct seen *seen = arg;
    struct follower f;
    struct event event;
    follower_init(&f, m.events, seen->job);
    uint64_t after = seen->start;
    for (enum events_answer answer = EVENTS_NONE; answer != EVENTS_CLOSED;) {
        answer = events_next(m.events, seen->job, &after, &event);
        f.waiter.after = after;
        if (answer == EVENTS_NONE && events_wait(m.events, &f.waiter)) {
            follower_wait(&f, ++seen->n_waits);
        }
    }
    seen->wrong = follower_calls(&f) != seen->n_waits;
    follower_release(&f);
    return NULL;
}

START_TEST(the_end_reaches_every_follower)
{
    pthread_t followers[N_FOLLOWERS], ticker;
    struct seen seen[N_FOLLOWERS] = {{.job = 0}};
    atomic_store(&all_done, false);
    int64_t job = moved_jobs_add(&m, 0);
    ck_assert_int_eq(pthread_create(&ticker, NULL, hurry, NULL), 0);
    for (int i = 0; i < N_FOLLOWERS; i++) {
        seen[i] = (struct seen){.job = job, .start = events_newest(m.events)};
        ck_assert_int_eq(pthread_create(&followers[i], NULL, wait_for_end, &seen[i]), 0);
        moved_jobs_report(&m, job, 0.1 * i);
    }
    events_close(m.events);
    for (int i = 0; i < N_FOLLOWERS; i++) {
        pthread_join(followers[i], NULL);
        ck_assert(!seen[i].wrong);
    }
    atomic_store_explicit(&all_done, true, memory_order_relaxed);
    pthread_join(ticker, NULL);
}
END_TEST

/* A follower whose call lasts until the test lets it go on. */
struct slow_follower {
    struct event_waiter waiter;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool called, let_go, over; /* under the lock */
};

static void be_called_slowly(void *ctx)
{
    struct slow_follower *slow = ctx;
    pthread_mutex_lock(&slow->lock);
    slow->called = true;
    pthread_cond_broadcast(&slow->changed);
    while (!slow->let_go) {
        pthread_cond_wait(&slow->changed, &slow->lock);
    }
    slow->over = true;
    pthread_mutex_unlock(&slow->lock);
}

static void *report_once(void *arg)
{
    moved_jobs_report(&m, *(int64_t *)arg, 0.5);
    return NULL;
}

/* Whether the call was over when events were closed. */
static void *close_events(void *arg)
{
    struct slow_follower *slow = arg;
    events_close(m.events);
    pthread_mutex_lock(&slow->lock);
    bool was_over = slow->over;
    pthread_mutex_unlock(&slow->lock);
    return was_over ? slow : NULL;
}

START_TEST(the_end_waits_for_who_is_just_calling_a_follower)
{
    struct slow_follower slow = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                 .changed = PTHREAD_COND_INITIALIZER};
    pthread_t publisher, closer;
    void *was_over = NULL;
    struct event event;
    int64_t job = moved_jobs_add(&m, 0);
    slow.waiter = (struct event_waiter){.job = job,
                                        .after = events_newest(m.events),
                                        .silent_ns = INT64_MAX,
                                        .wake = be_called_slowly,
                                        .ctx = &slow};
    ck_assert(events_wait(m.events, &slow.waiter));
    ck_assert_int_eq(pthread_create(&publisher, NULL, report_once, &job), 0);
    pthread_mutex_lock(&slow.lock);
    while (!slow.called) {
        pthread_cond_wait(&slow.changed, &slow.lock);
    }
    pthread_mutex_unlock(&slow.lock);
    ck_assert_int_eq(pthread_create(&closer, NULL, close_events, &slow), 0);
    uint64_t after = events_newest(m.events);
    while (events_next(m.events, job, &after, &event) != EVENTS_CLOSED) {
        sched_yield();
    }
    /* A close that does not wait is back by now, or it is not seen this time. */
    const struct timespec moment = {.tv_nsec = 50 * 1000 * 1000};
    nanosleep(&moment, NULL);
    pthread_mutex_lock(&slow.lock);
    slow.let_go = true;
    pthread_cond_broadcast(&slow.changed);
    pthread_mutex_unlock(&slow.lock);
    pthread_join(closer, &was_over);
    pthread_join(publisher, NULL);
    ck_assert_ptr_nonnull(was_over);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_threads");
    TCase *tc = tcase_create("event_threads");
    gemm_use_one_thread();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, no_follower_misses_a_state_or_a_call_whatever_threads_do);
    tcase_add_test(tc, the_end_reaches_every_follower);
    tcase_add_test(tc, the_end_waits_for_who_is_just_calling_a_follower);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
