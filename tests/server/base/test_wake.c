/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeps without end, which only what is tested can end: a fault shows as a test that times out. */
#include "base/wake.h"
#include "run.h"

#include "base/clock.h"
#include "base/threads.h"

static struct wake wake;

static void setup(void)
{
    wake_init(&wake);
}

static void teardown(void)
{
    wake_release(&wake);
}

START_TEST(a_notice_before_the_sleep_ends_it)
{
    wake_notify(&wake);
    ck_assert(wake_wait(&wake, WAKE_NEVER));
}
END_TEST

START_TEST(several_notices_before_the_sleep_count_as_one)
{
    wake_notify(&wake);
    wake_notify(&wake);
    ck_assert(wake_wait(&wake, WAKE_NEVER));
    ck_assert(!wake.notified);
}
END_TEST

START_TEST(a_sleep_ends_when_its_time_has_come)
{
    int64_t until_ns = clock_ns() + 1000000;
    ck_assert(wake_wait(&wake, until_ns));
    ck_assert_int_ge(clock_ns(), until_ns);
    ck_assert(wake_wait(&wake, until_ns)); /* which is over */
    ck_assert(wake_wait(&wake, 0));
}
END_TEST

START_TEST(after_the_stop_there_is_no_sleep)
{
    ck_assert(!wake_is_stopping(&wake));
    wake_stop(&wake);
    wake_notify(&wake);
    ck_assert(wake_is_stopping(&wake));
    ck_assert(!wake_wait(&wake, WAKE_NEVER));
    ck_assert(!wake_wait(&wake, WAKE_NEVER));
}
END_TEST

/* ---- with a thread that sleeps ---- */

static int n_sleeps; /* guarded by the lock of wake */
static pthread_cond_t slept = PTHREAD_COND_INITIALIZER;

static void *sleep_until_the_stop(void *arg)
{
    wake_lock(&wake);
    while (wake_wait_locked(&wake, WAKE_NEVER)) {
        n_sleeps++;
        pthread_cond_signal(&slept);
    }
    wake_unlock(&wake);
    return NULL;
}

START_TEST(each_notice_and_then_the_stop_end_the_sleep_of_a_thread)
{
    pthread_t thread;
    struct err err = ERR_INIT;
    n_sleeps = 0;
    ck_assert_int_eq(threads_start(&thread, "sleeper", sleep_until_the_stop, NULL, &err), ERR_OK);
    for (int i = 1; i <= 100; i++) {
        wake_lock(&wake);
        wake_notify_locked(&wake);
        while (n_sleeps < i) {
            pthread_cond_wait(&slept, &wake.lock);
        }
        ck_assert_int_eq(n_sleeps, i);
        wake_unlock(&wake);
    }
    wake_stop(&wake);
    pthread_join(thread, NULL);
    ck_assert_int_eq(n_sleeps, 100);
}
END_TEST

START_TEST(the_stop_ends_the_sleep_of_every_thread)
{
    pthread_t threads[4];
    struct err err = ERR_INIT;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(threads_start(&threads[i], "sleeper", sleep_until_the_stop, NULL, &err),
                         ERR_OK);
    }
    wake_stop(&wake);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wake");
    TCase *tcase = tcase_create("wake");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_notice_before_the_sleep_ends_it);
    tcase_add_test(tcase, several_notices_before_the_sleep_count_as_one);
    tcase_add_test(tcase, a_sleep_ends_when_its_time_has_come);
    tcase_add_test(tcase, after_the_stop_there_is_no_sleep);
    tcase_add_test(tcase, each_notice_and_then_the_stop_end_the_sleep_of_a_thread);
    tcase_add_test(tcase, the_stop_ends_the_sleep_of_every_thread);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
