/* SPDX-License-Identifier: Apache-2.0 */
/* Requests put aside for the writing threads: each is resumed once, with what its handler left. */
#include "run.h"

#include <pthread.h>
#include <string.h>

#include "api/offload.h"
#include "base/mem.h"

#define N 8

struct exchange {
    int suspended; /* by the thread that asks */
    int resumed;   /* under the lock */
    struct request req;
    struct response res;
    struct arena arena;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int n_resumed; /* under the lock */
static bool held;     /* under the lock: handlers wait */
static bool at_work;  /* under the lock: one does */
static pthread_t asker;
static struct exchange exchanges[N];
static struct log silent = {.fd = -1, .level = LOG_ERROR};

static void suspend(struct exchange *exchange)
{
    exchange->suspended++;
}

static void resume(struct exchange *exchange)
{
    pthread_mutex_lock(&lock);
    exchange->resumed++;
    n_resumed++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static bool gone(const struct exchange *exchange)
{
    (void)exchange;
    return false;
}

static const struct exchange_ops ops = {.suspend = suspend, .resume = resume, .gone = gone};

/* What a handler would do: every second request fails. */
static enum err_code handle(void *ctx, struct request *req, struct response *res, struct err *err)
{
    const struct exchange *exchange = req->exchange;
    pthread_mutex_lock(&lock);
    at_work = true;
    pthread_cond_broadcast(&changed);
    while (held) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    ck_assert_ptr_eq(ctx, exchanges);
    ck_assert(!pthread_equal(pthread_self(), asker));
    if ((exchange - exchanges) % 2 == 1) {
        return err_set(err, ERR_CONFLICT, "the handler's own");
    }
    res->status = 200;
    return ERR_OK;
}

static void wait_until(const bool *flag, int count)
{
    pthread_mutex_lock(&lock);
    while (n_resumed < count || (flag != NULL && !*flag)) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void release(void)
{
    pthread_mutex_lock(&lock);
    held = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void setup(void)
{
    asker = pthread_self();
    n_resumed = 0;
    held = at_work = false;
    for (int i = 0; i < N; i++) {
        struct exchange *e = &exchanges[i];
        *e = (struct exchange){.arena = ARENA_INIT};
        e->req = (struct request){.ops = &ops, .exchange = e, .arena = &e->arena};
    }
}

static void teardown(void)
{
    for (int i = 0; i < N; i++) {
        arena_release(&exchanges[i].arena);
    }
}

static struct offload *start(int n_threads)
{
    struct offload *offload = NULL;
    struct err err = ERR_INIT;
    struct offload_settings settings = {.n_threads = n_threads, .log = &silent};
    ck_assert_int_eq(offload_start(&settings, &offload, &err), ERR_OK);
    return offload;
}

static void take(struct offload *offload, int i)
{
    struct exchange *e = &exchanges[i];
    ck_assert(offload_submit(offload, handle, exchanges, &e->req, &e->res));
    ck_assert_int_eq(e->suspended, 1);
    ck_assert_int_eq(e->res.status, 0);
}

static enum err_code hand_back(int i, struct err *err)
{
    struct exchange *e = &exchanges[i];
    struct later later = e->res.later;
    ck_assert_int_eq(e->resumed, 1);
    return later.run(later.ctx, &e->res, err);
}

START_TEST(each_request_is_answered_once_as_its_handler_would)
{
    struct offload *offload = start(3);
    for (int i = 0; i < N; i++) {
        take(offload, i);
    }
    wait_until(NULL, N);
    offload_stop(offload);
    for (int i = 0; i < N; i++) {
        struct err err = ERR_INIT;
        ck_assert_int_eq(hand_back(i, &err), i % 2 == 1 ? ERR_CONFLICT : ERR_OK);
        ck_assert_int_eq(exchanges[i].res.status, i % 2 == 1 ? 0 : 200);
    }
    offload_free(offload);
}
END_TEST

static void *stop(void *offload)
{
    offload_stop(offload);
    return NULL;
}

START_TEST(a_stop_ends_what_is_at_work_and_tells_what_waits_or_comes_later)
{
    struct offload *offload = start(1);
    pthread_t thread;
    struct err err = ERR_INIT;
    held = true;
    take(offload, 0);
    wait_until(&at_work, 0);
    take(offload, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, stop, offload), 0);
    release();
    pthread_join(thread, NULL);
    take(offload, 4);
    ck_assert_int_eq(n_resumed, 3);
    ck_assert_int_eq(hand_back(0, &err), ERR_OK);
    /* It was begun if the stop came after the one before it had ended. */
    enum err_code waited = hand_back(2, &err);
    ck_assert(waited == ERR_OK || waited == ERR_DRAINING);
    ck_assert_int_eq(hand_back(4, &err), ERR_DRAINING);
    offload_free(offload);
}
END_TEST

START_TEST(who_cannot_be_put_aside_is_left_to_the_caller)
{
    struct offload *offload = start(1);
    struct exchange *e = &exchanges[0];
    ck_assert(!offload_submit(NULL, handle, exchanges, &e->req, &e->res));
    mem_fail_after(1, true);
    ck_assert(!offload_submit(offload, handle, exchanges, &e->req, &e->res));
    mem_fail_after(0, false);
    e->req.ops = NULL;
    ck_assert(!offload_submit(offload, handle, exchanges, &e->req, &e->res));
    ck_assert_int_eq(e->suspended, 0);
    offload_stop(offload);
    offload_free(offload);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("offload");
    TCase *tc = tcase_create("offload");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, each_request_is_answered_once_as_its_handler_would);
    tcase_add_test(tc, a_stop_ends_what_is_at_work_and_tells_what_waits_or_comes_later);
    tcase_add_test(tc, who_cannot_be_put_aside_is_left_to_the_caller);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
