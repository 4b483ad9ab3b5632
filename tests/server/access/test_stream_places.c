/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets the places of streams, and who has to give way. */
#include "run.h"

#include <pthread.h>

#include "access/stream_places.h"

#define MAX 8

static struct stream_places places;
static struct stream_place place[4 * MAX];
static const struct peer own = {{0}};
static const struct peer far[2] = {{{[12] = 10, [15] = 1}}, {{[12] = 10, [15] = 2}}};

static void setup(void)
{
    stream_places_init(&places);
}

static void teardown(void)
{
    stream_places_release(&places);
}

static void open_some(int first, int n, const struct peer *peer, const char *who)
{
    for (int i = first; i < first + n; i++) {
        ck_assert_int_eq(stream_open(&places, &place[i], peer, who, MAX), STREAM_OPEN);
    }
}

/* The only one that gives way now; it then closes. */
static int close_victim(void)
{
    int victim = -1;
    for (int i = 0; i < 4 * MAX; i++) {
        if (stream_gives_way(&place[i])) {
            ck_assert_int_eq(victim, -1);
            victim = i;
        }
    }
    ck_assert_int_ge(victim, 0);
    stream_close(&places, &place[victim]);
    atomic_store(&place[victim].gives_way, false);
    return victim;
}

START_TEST(the_oldest_of_one_holder_gives_way_to_its_newest)
{
    open_some(0, MAX, &own, "loopback");
    for (int i = 0; i < 2 * MAX; i++) {
        ck_assert_int_eq(stream_open(&places, &place[MAX + i], &own, "loopback", MAX),
                         STREAM_REPLACES);
        ck_assert_int_eq(close_victim(), i);
        ck_assert_int_eq(places.n, MAX);
    }
}
END_TEST

START_TEST(who_has_most_gives_way_to_another)
{
    open_some(0, 1, &far[0], "loopback");
    open_some(1, MAX - 2, &own, "token");
    open_some(MAX - 1, 1, &own, "loopback");
    ck_assert_int_eq(stream_open(&places, &place[MAX], &far[1], "loopback", MAX), STREAM_REPLACES);
    ck_assert_int_eq(close_victim(), 1);
    /* However often the first one comes, it takes only places of its own. */
    for (int i = 0; i < MAX; i++) {
        ck_assert_int_eq(stream_open(&places, &place[MAX + 1 + i], &own, "token", MAX),
                         STREAM_REPLACES);
        int victim = close_victim();
        ck_assert(victim != 0 && victim != MAX - 1 && victim != MAX);
    }
}
END_TEST

/* At the limit, and one beyond, of those that are about to close. */
START_TEST(no_more_than_as_many_again_are_about_to_close)
{
    open_some(0, MAX, &own, "loopback");
    for (int i = 0; i < MAX; i++) {
        ck_assert_int_eq(stream_open(&places, &place[MAX + i], &own, "loopback", MAX),
                         STREAM_REPLACES);
    }
    ck_assert_int_eq(stream_open(&places, &place[2 * MAX], &own, "loopback", MAX), STREAM_REFUSED);
    stream_close(&places, &place[2 * MAX]);
    ck_assert_int_eq(places.n, 2 * MAX);
    for (int i = 0; i < 2 * MAX; i++) {
        ck_assert(stream_gives_way(&place[i]) == (i < MAX));
        stream_close(&places, &place[i]);
        stream_close(&places, &place[i]); /* twice is fine */
    }
    ck_assert_int_eq(places.n, 0);
    ck_assert_int_eq(places.n_leaving, 0);
    open_some(0, MAX, &own, "loopback");
}
END_TEST

START_TEST(there_may_be_no_places_and_fewer_than_before)
{
    ck_assert_int_eq(stream_open(&places, &place[0], NULL, "loopback", 0), STREAM_REFUSED);
    open_some(0, MAX, NULL, "loopback");
    ck_assert_int_eq(stream_open(&places, &place[MAX], NULL, "loopback", 1), STREAM_REPLACES);
    ck_assert(stream_gives_way(&place[0]));
    ck_assert_int_eq(stream_open(&places, &place[MAX + 1], NULL, "loopback", 1), STREAM_REFUSED);
}
END_TEST

static void *come_and_go(void *arg)
{
    struct stream_place *mine = arg;
    for (int i = 0; i < 20000; i++) {
        int k = i % MAX;
        stream_close(&places, &mine[k]);
        if (stream_open(&places, &mine[k], &own, "loopback", MAX) == STREAM_REFUSED) {
            mine[k] = (struct stream_place){.holder = 0};
        }
    }
    for (int k = 0; k < MAX; k++) {
        stream_close(&places, &mine[k]);
    }
    return NULL;
}

START_TEST(threads_share_them)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, &place[i * MAX]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(places.n, 0);
    ck_assert_int_eq(places.n_leaving, 0);
    ck_assert_ptr_null(places.oldest);
    ck_assert_ptr_null(places.newest);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_places");
    TCase *tc = tcase_create("stream_places");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_oldest_of_one_holder_gives_way_to_its_newest);
    tcase_add_test(tc, who_has_most_gives_way_to_another);
    tcase_add_test(tc, no_more_than_as_many_again_are_about_to_close);
    tcase_add_test(tc, there_may_be_no_places_and_fewer_than_before);
    tcase_add_test(tc, threads_share_them);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
