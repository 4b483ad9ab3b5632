/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of predictions. A compute thread is held back by a plug: a request whose `gone` does
 * not return until the test lets it, so that what waits behind it is known.
 */
#include "run.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "live/batcher.h"
#include "math/gemm.h"

#define D        2
#define MAX_ROWS 9600
#define MAX      64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool plug_reached;
static bool plug_pulled;
static int n_done; /* all under the lock */

struct client {
    struct batch_item item;
    struct predict_request request;
    struct predict_result result;
    struct arena arena;
    int place; /* in the order of their ends, from 1; 0: not yet */
    int ends;
    int asked; /* how often gone was asked */
    int gone_after;
};

static struct metrics metrics;
static struct client clients[MAX];
static struct model *model;
static struct model *other;
static double x[MAX_ROWS * D];

static void on_done(void *ctx)
{
    struct client *client = ctx;
    pthread_mutex_lock(&lock);
    client->place = ++n_done;
    client->ends++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static bool is_plugged(const void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&lock);
    plug_reached = true;
    pthread_cond_broadcast(&changed);
    while (!plug_pulled) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    return false;
}

static bool is_gone(const void *ctx)
{
    struct client *client = (struct client *)(uintptr_t)ctx;
    return ++client->asked > client->gone_after;
}

static void wait_done(int n)
{
    pthread_mutex_lock(&lock);
    while (n_done < n) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static struct model *make_model(uint64_t seed, int m)
{
    struct err err = ERR_INIT;
    struct model *made = NULL;
    struct arch arch = arch_default(D, 1);
    struct rng rng;
    arch.width = 8;
    ck_assert_int_eq(model_new(&arch, m, &made, &err), ERR_OK);
    rng_init(&rng, seed, RNG_TEST, 0);
    for (int k = 0; k < m * made->net.n_params; k++) {
        made->draws[k] = 0.4 * rng_normal(&rng);
    }
    made->in[0] = (struct scaler){SCALER_LOG, 0.0, 1.0};
    ck_assert_int_eq(model_publish(made, &err), ERR_OK);
    return made;
}

static void setup(void)
{
    gemm_use_one_thread();
    metrics_init(&metrics, NULL, 0, 0);
    model = make_model(1, 40);
    other = make_model(2, 40);
    struct rng rng;
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < MAX_ROWS * D; i++) {
        x[i] = 0.1 + rng_uniform(&rng);
    }
}

static void teardown(void)
{
    for (int i = 0; i < MAX; i++) {
        arena_release(&clients[i].arena);
    }
    model_unref(model);
    model_unref(other);
}

static struct batcher *start(int n_threads, int batch_rows, int max_rows)
{
    struct err err = ERR_INIT;
    struct batcher *batcher = NULL;
    struct batcher_settings settings = {.n_threads = n_threads,
                                        .max_items = MAX,
                                        .max_rows = max_rows,
                                        .batch_rows = batch_rows,
                                        .metrics = &metrics};
    ck_assert_int_eq(batcher_start(&settings, &batcher, &err), ERR_OK);
    return batcher;
}

static struct client *client_for(int i, const struct model *whose, int n, unsigned want)
{
    struct client *client = &clients[i];
    arena_release(&client->arena);
    *client = (struct client){.gone_after = 1 << 30};
    client->request =
        (struct predict_request){.n = n, .x = x + D * i, .want = want, .n_threads = 1};
    client->item = (struct batch_item){.model = whose,
                                       .request = &client->request,
                                       .result = &client->result,
                                       .arena = &client->arena,
                                       .done = on_done,
                                       .ctx = client,
                                       .err = ERR_INIT};
    return client;
}

/* Holds one compute thread until pull_plug. */
static void put_plug(struct batcher *batcher)
{
    struct client *client = client_for(0, other, 1, PREDICT_MEAN);
    client->item.gone = is_plugged;
    batcher_submit(batcher, &client->item);
    pthread_mutex_lock(&lock);
    while (!plug_reached) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void pull_plug(void)
{
    pthread_mutex_lock(&lock);
    plug_pulled = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static struct client *submit(struct batcher *batcher, int i, const struct model *whose, int n)
{
    struct client *client = client_for(i, whose, n, PREDICT_MEAN | PREDICT_VARIANCE);
    batcher_submit(batcher, &client->item);
    return client;
}

static void check_answer(const struct client *client)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    ck_assert_int_eq(client->ends, 1);
    ck_assert_msg(client->item.err.code == ERR_OK, "%s", client->item.err.msg);
    ck_assert_int_eq(predict_run(client->item.model, &client->request, &arena, &r, &err), ERR_OK);
    size_t bytes = (size_t)client->request.n * sizeof(double);
    ck_assert_int_eq(memcmp(r.mean, client->result.mean, bytes), 0);
    ck_assert_int_eq(memcmp(r.variance, client->result.variance, bytes), 0);
    arena_release(&arena);
}

START_TEST(what_waits_for_a_model_becomes_one_call)
{
    struct batcher *batcher = start(1, 96, 1000);
    put_plug(batcher);
    for (int i = 1; i <= 20; i++) {
        submit(batcher, i, i % 2 == 0 ? model : other, 1 + i % 3);
    }
    pull_plug();
    wait_done(21);
    for (int i = 1; i <= 20; i++) {
        check_answer(&clients[i]);
    }
    ck_assert_int_eq(atomic_load(&metrics.batches), 3);
    ck_assert_int_eq(atomic_load(&metrics.batched_requests), 21);
    ck_assert_int_eq(atomic_load(&metrics.queue_requests), 0);
    ck_assert_int_eq(atomic_load(&metrics.queue_rows), 0);
    batcher_free(batcher);
}
END_TEST

START_TEST(a_call_has_no_more_rows_than_the_limit)
{
    struct batcher *batcher = start(1, 10, 1000);
    put_plug(batcher);
    for (int i = 1; i <= 9; i++) {
        submit(batcher, i, model, i == 5 ? 30 : 4);
    }
    pull_plug();
    wait_done(10);
    for (int i = 1; i <= 9; i++) {
        check_answer(&clients[i]);
    }
    /* The plug, four pairs, the large one. */
    ck_assert_int_eq(atomic_load(&metrics.batches), 6);
    batcher_free(batcher);
}
END_TEST

START_TEST(requests_are_not_joined_when_that_is_off)
{
    struct batcher *batcher = start(1, 1, 1000);
    put_plug(batcher);
    for (int i = 1; i <= 5; i++) {
        submit(batcher, i, model, 1);
    }
    pull_plug();
    wait_done(6);
    ck_assert_int_eq(atomic_load(&metrics.batches), 6);
    batcher_free(batcher);
}
END_TEST

START_TEST(a_full_queue_refuses_and_says_for_how_long)
{
    struct batcher *batcher = start(1, 96, 10);
    struct err err = ERR_INIT;
    put_plug(batcher);
    /* Alone a request may be larger than the queue. */
    ck_assert_int_eq(batcher_admit(batcher, &client_for(1, model, 50, PREDICT_MEAN)->item, &err),
                     ERR_OK);
    submit(batcher, 1, model, 8);
    submit(batcher, 2, model, 2);
    struct client *late = client_for(3, model, 1, PREDICT_MEAN);
    ck_assert_int_eq(batcher_admit(batcher, &late->item, &err), ERR_QUEUE_FULL);
    ck_assert_int_ge(err.retry_s, 1);
    ck_assert_ptr_nonnull(strstr(err.msg, "2 requests with 10 rows"));
    batcher_submit(batcher, &late->item);
    ck_assert_int_eq(late->ends, 1);
    ck_assert_int_eq(late->item.err.code, ERR_QUEUE_FULL);
    /* What has begun is not thrown away half-way. */
    struct client *next = client_for(4, model, 5, PREDICT_MEAN);
    next->item.goes_on = true;
    batcher_submit(batcher, &next->item);
    ck_assert_int_eq(next->ends, 0);
    pull_plug();
    wait_done(5);
    check_answer(&clients[1]);
    check_answer(&clients[2]);
    check_answer(next);
    ck_assert_int_eq(atomic_load(&metrics.requests_rejected), 1);
    batcher_free(batcher);
}
END_TEST

START_TEST(nothing_is_computed_for_who_is_gone_or_late)
{
    struct batcher *batcher = start(1, 96, 10000);
    put_plug(batcher);
    struct client *fine = submit(batcher, 1, model, 2);
    struct client *late = client_for(2, model, 2, PREDICT_MEAN);
    late->item.deadline_ns = clock_ns();
    batcher_submit(batcher, &late->item);
    struct client *left = client_for(3, model, 2, PREDICT_MEAN);
    left->item.gone = is_gone;
    left->gone_after = 0;
    batcher_submit(batcher, &left->item);
    struct client *leaving = client_for(4, other, 50 * 96, PREDICT_MEAN);
    leaving->item.gone = is_gone;
    leaving->gone_after = 5;
    batcher_submit(batcher, &leaving->item);
    pull_plug();
    wait_done(5);
    check_answer(fine);
    ck_assert_int_eq(late->item.err.code, ERR_DEADLINE);
    ck_assert_int_eq(left->item.err.code, ERR_ABANDONED);
    ck_assert_int_eq(leaving->item.err.code, ERR_ABANDONED);
    ck_assert_int_eq(leaving->asked, 6);
    ck_assert_int_eq(atomic_load(&metrics.requests_expired), 1);
    ck_assert_int_eq(atomic_load(&metrics.requests_abandoned), 2);
    batcher_free(batcher);
}
END_TEST

START_TEST(small_requests_do_not_wait_for_large_ones)
{
    struct batcher *batcher = start(1, 96, 100000);
    put_plug(batcher);
    submit(batcher, 1, model, 90 * 96);
    submit(batcher, 2, model, 80 * 96);
    submit(batcher, 3, model, 1);
    submit(batcher, 4, other, 1);
    submit(batcher, 5, model, 2);
    pull_plug();
    wait_done(6);
    for (int i = 1; i <= 5; i++) {
        check_answer(&clients[i]);
    }
    for (int small = 3; small <= 5; small++) {
        ck_assert_int_lt(clients[small].place, clients[1].place);
        ck_assert_int_lt(clients[small].place, clients[2].place);
    }
    batcher_free(batcher);
}
END_TEST

START_TEST(an_error_is_only_its_owner_s)
{
    static double bad[2 * D] = {0.5, 0.5, -1.0, 0.5};
    struct batcher *batcher = start(1, 96, 1000);
    put_plug(batcher);
    submit(batcher, 1, model, 3);
    struct client *wrong = client_for(2, model, 2, PREDICT_MEAN);
    wrong->request.x = bad;
    batcher_submit(batcher, &wrong->item);
    submit(batcher, 3, model, 3);
    pull_plug();
    wait_done(4);
    check_answer(&clients[1]);
    check_answer(&clients[3]);
    ck_assert_int_eq(wrong->item.err.code, ERR_INVALID);
    ck_assert_int_eq(wrong->item.err.row, 1);
    ck_assert_int_eq(wrong->item.err.column, 0);
    batcher_free(batcher);
}
END_TEST

static void *stop(void *batcher)
{
    batcher_stop(batcher);
    return NULL;
}

START_TEST(a_stop_ends_what_waits)
{
    struct batcher *batcher = start(1, 96, 100000);
    put_plug(batcher);
    struct client *waiting = submit(batcher, 1, model, 90 * 96);
    /* The plug's thread is joined, so it must be pulled while the stop is under way. */
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, stop, batcher), 0);
    struct client *late = client_for(2, model, 1, PREDICT_MEAN);
    while (batcher_run(batcher, &late->item)) {
        sched_yield();
    }
    pull_plug();
    pthread_join(thread, NULL);
    ck_assert_int_eq(waiting->ends, 1);
    ck_assert_int_eq(waiting->item.err.code, ERR_DRAINING);
    batcher_submit(batcher, &late->item);
    ck_assert_int_eq(late->ends, 1);
    ck_assert_int_eq(late->item.err.code, ERR_DRAINING);
    batcher_free(batcher);
}
END_TEST

START_TEST(small_requests_run_in_their_own_thread)
{
    struct batcher *batcher = start(1, 96, 1000);
    struct client *small = client_for(1, model, 1, PREDICT_MEAN | PREDICT_VARIANCE);
    struct client *large = client_for(2, model, 9000, PREDICT_MEAN);
    ck_assert(batcher_run(batcher, &small->item));
    small->ends = 1;
    check_answer(small);
    ck_assert(!batcher_run(batcher, &large->item));
    batcher_free(batcher);
}
END_TEST

struct crowd {
    struct batcher *batcher;
    int first;
};

static void *submit_some(void *arg)
{
    const struct crowd *crowd = arg;
    for (int i = crowd->first; i < MAX; i += 4) {
        submit(crowd->batcher, i, i % 3 == 0 ? other : model, 1 + i * 7 % 130);
    }
    return NULL;
}

START_TEST(answers_under_load_are_those_of_each_alone)
{
    struct batcher *batcher = start(3, 96, 100000);
    for (int round = 0; round < 5; round++) {
        pthread_t threads[4];
        struct crowd crowds[4];
        n_done = 0;
        for (int t = 0; t < 4; t++) {
            crowds[t] = (struct crowd){batcher, t};
            ck_assert_int_eq(pthread_create(&threads[t], NULL, submit_some, &crowds[t]), 0);
        }
        for (int t = 0; t < 4; t++) {
            pthread_join(threads[t], NULL);
        }
        wait_done(MAX);
        for (int i = 0; i < MAX; i++) {
            check_answer(&clients[i]);
        }
    }
    batcher_free(batcher);
}
END_TEST

START_TEST(short_memory_is_each_request_s_own_error)
{
    int failures = 0;
    for (long at = 1; at <= 40; at++) {
        struct batcher *batcher = start(1, 96, 100000);
        long live = mem_live();
        n_done = 0;
        plug_reached = false;
        plug_pulled = false;
        put_plug(batcher);
        mem_fail_after(at, at % 2 == 0);
        for (int i = 1; i <= 6; i++) {
            submit(batcher, i, model, i == 3 ? 500 : i);
        }
        pull_plug();
        wait_done(7);
        mem_fail_after(0, false);
        for (int i = 1; i <= 6; i++) {
            if (clients[i].item.err.code == ERR_OK) {
                check_answer(&clients[i]);
            } else {
                ck_assert_int_eq(clients[i].item.err.code, ERR_NOMEM);
                failures++;
            }
            arena_release(&clients[i].arena);
        }
        arena_release(&clients[0].arena);
        /* A call object with its page and a scratch page stay for the next call. */
        ck_assert_int_le(mem_live(), live + 8);
        batcher_free(batcher);
    }
    ck_assert_int_gt(failures, 3);
}
END_TEST

/* The call object cannot be had: its items end, and their work is no longer ahead of others. */
START_TEST(work_that_ends_in_short_memory_is_not_ahead_of_others)
{
    struct batcher *batcher = start(1, 96, 100000);
    put_plug(batcher);
    mem_fail_after(1, true);
    pull_plug();
    wait_done(1);
    mem_fail_after(0, false);
    ck_assert_int_eq(clients[0].item.err.code, ERR_NOMEM);
    ck_assert_double_eq(batcher_work(batcher), 0.0);
    /* Afterwards the same request is answered, and counts only until then. */
    submit(batcher, 1, other, 90);
    wait_done(2);
    check_answer(&clients[1]);
    ck_assert_double_eq(batcher_work(batcher), 0.0);
    batcher_free(batcher);
}
END_TEST

static atomic_bool stopped;

static void *ask_until_stopped(void *arg)
{
    struct batcher *batcher = arg;
    struct client *client = client_for(1, model, 1, PREDICT_MEAN);
    while (!atomic_load(&stopped)) {
        struct err err = ERR_INIT;
        if (batcher_run(batcher, &client->item)) {
            arena_clear(&client->arena);
        }
        err_kept(batcher_admit(batcher, &client->item, &err));
        sched_yield();
    }
    return NULL;
}

START_TEST(requests_may_come_during_a_stop)
{
    struct batcher *batcher = start(3, 96, 1000);
    pthread_t thread;
    atomic_store(&stopped, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_until_stopped, batcher), 0);
    submit(batcher, 2, model, 500);
    wait_done(1);
    batcher_stop(batcher);
    atomic_store(&stopped, true);
    pthread_join(thread, NULL);
    batcher_free(batcher);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batcher");
    TCase *tc = tcase_create("batcher");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, what_waits_for_a_model_becomes_one_call);
    tcase_add_test(tc, a_call_has_no_more_rows_than_the_limit);
    tcase_add_test(tc, requests_are_not_joined_when_that_is_off);
    tcase_add_test(tc, a_full_queue_refuses_and_says_for_how_long);
    tcase_add_test(tc, nothing_is_computed_for_who_is_gone_or_late);
    tcase_add_test(tc, small_requests_do_not_wait_for_large_ones);
    tcase_add_test(tc, an_error_is_only_its_owner_s);
    tcase_add_test(tc, a_stop_ends_what_waits);
    tcase_add_test(tc, small_requests_run_in_their_own_thread);
    tcase_add_test(tc, answers_under_load_are_those_of_each_alone);
    tcase_add_test(tc, short_memory_is_each_request_s_own_error);
    tcase_add_test(tc, work_that_ends_in_short_memory_is_not_ahead_of_others);
    tcase_add_test(tc, requests_may_come_during_a_stop);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
