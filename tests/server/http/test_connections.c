/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections are given up when there is no room. */
#include "run.h"

#include <sys/socket.h>
#include <unistd.h>

#include "http/connections.h"

#define N 4

static struct connections all;
static struct connection places[N]; /* the first is the oldest */
static int clients[N];

static void setup(void)
{
    all = (struct connections){.head = NULL};
    for (int i = 0; i < N; i++) {
        int ends[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        clients[i] = ends[0];
        connections_add(&all, &places[i], ends[1], i + 1);
    }
}

static void teardown(void)
{
    for (int i = 0; i < N; i++) {
        close(clients[i]);
        close(places[i].fd);
    }
}

START_TEST(those_that_were_idle_longest_are_shed_first)
{
    connection_enter(&places[0], CONNECTION_IDLE, N + 1); /* it has just had an answer */
    ck_assert_int_eq(connections_shed(&all, 2), 2);
    ck_assert(!places[0].cut && places[1].cut && places[2].cut && !places[3].cut);
    ck_assert_int_eq(connections_shed(&all, N), 2);
    ck_assert_int_eq(connections_shed(&all, N), 0);
}
END_TEST

START_TEST(a_connection_whose_request_waits_to_be_read_is_not_shed)
{
    ck_assert_int_eq(write(clients[0], "G", 1), 1);
    connection_enter(&places[1], CONNECTION_WORK, 2);
    ck_assert_int_eq(connections_shed(&all, N), 2);
    ck_assert(!places[0].cut && !places[1].cut && places[2].cut && places[3].cut);
    ck_assert_int_eq(places[0].state, CONNECTION_HEAD); /* so that it has a deadline */
    ck_assert_int_eq(places[0].since_ns, 1);
}
END_TEST

START_TEST(who_has_never_asked_goes_before_who_keeps_the_rest_back_and_who_is_idle)
{
    for (int i = 0; i < 3; i++) { /* the first two have asked */
        connection_enter(&places[i], i < 2 ? CONNECTION_WORK : CONNECTION_HEAD, 1);
    }
    connection_enter(&places[0], CONNECTION_IDLE, 1);
    connection_enter(&places[1], CONNECTION_HEAD, 3);
    ck_assert_int_eq(connections_shed(&all, 2), 2);
    ck_assert(!places[0].cut && !places[1].cut && places[2].cut && places[3].cut);
    ck_assert_int_eq(connections_shed(&all, 1), 1);
    ck_assert(!places[0].cut && places[1].cut);
    ck_assert_int_eq(connections_shed(&all, 1), 1);
    ck_assert(places[0].cut);
}
END_TEST

/* A chunk's line without an end keeps the library busy. Who has sent something meanwhile does not.
 */
START_TEST(only_a_chunked_body_that_stands_still_is_cut_when_the_library_spins)
{
    struct connection_counts counts;
    all.limits = (struct connection_limits){.head_ns = 1000, .grace_ns = INT64_C(1) << 60};
    for (int i = 0; i < N; i++) {
        connection_enter(&places[i], CONNECTION_BODY, 1);
        places[i].chunked = i != 3; /* that one's length is known */
    }
    all.spins = true;
    connections_sweep(&all, 2, &counts); /* they have just begun */
    ck_assert_int_eq(counts.ended[CONNECTION_END_BODY], 0);
    places[1].moved = true;
    connection_enter(&places[2], CONNECTION_WORK, 3);
    connections_sweep(&all, 3, &counts);
    ck_assert_int_eq(counts.ended[CONNECTION_END_BODY], 1);
    ck_assert(places[0].cut && !places[1].cut && !places[2].cut && !places[3].cut);
    all.spins = false;
    connections_sweep(&all, 4, &counts);
    ck_assert(!places[1].cut);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("connections");
    TCase *tc = tcase_create("shed");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, those_that_were_idle_longest_are_shed_first);
    tcase_add_test(tc, a_connection_whose_request_waits_to_be_read_is_not_shed);
    tcase_add_test(tc, who_has_never_asked_goes_before_who_keeps_the_rest_back_and_who_is_idle);
    tcase_add_test(tc, only_a_chunked_body_that_stands_still_is_cut_when_the_library_spins);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
