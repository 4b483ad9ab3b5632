/* SPDX-License-Identifier: Apache-2.0 */
/* Counts by address, against a plain table, over many random changes. */
#include "run.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/rng.h"
#include "access/peers.h"

#define N_ADDRESSES 60
#define MAX_EACH    3
#define N_CHANGES   200000

static struct peer v4(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    ck_assert_int_eq(inet_pton(AF_INET, text, &address.sin_addr), 1);
    return peer_of((const struct sockaddr *)&address);
}

static struct peer v6(const char *text)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    ck_assert_int_eq(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
    return peer_of((const struct sockaddr *)&address);
}

static bool same(struct peer a, struct peer b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

START_TEST(addresses_are_told_apart_as_clients_are)
{
    ck_assert(same(v4("192.0.2.1"), v6("::ffff:192.0.2.1")));
    ck_assert(!same(v4("192.0.2.1"), v4("192.0.2.2")));
    ck_assert(same(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:ffff::9")));
    ck_assert(!same(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1")));
    /* All of this machine's addresses are one without a limit. */
    ck_assert(same(v4("127.0.0.1"), v6("::1")));
    ck_assert(same(v4("127.9.9.9"), v6("::ffff:127.0.0.1")));
    ck_assert(!same(v4("127.0.0.1"), v6("::ffff:192.0.2.1")));
}
END_TEST

START_TEST(an_address_has_its_limit_and_this_machine_has_none)
{
    struct err err = ERR_INIT;
    struct peers *peers = NULL;
    struct peer other = v4("192.0.2.1");
    static const char *const own[] = {"127.0.0.1", "127.9.9.9"};
    ck_assert_int_eq(peers_new(8, &peers, &err), ERR_OK);
    for (int count = 0; count < PEER_N_COUNTS; count++) {
        enum peer_count c = (enum peer_count)count;
        for (int i = 0; i < MAX_EACH; i++) {
            ck_assert(peers_add(peers, &other, c, MAX_EACH));
        }
        ck_assert(!peers_add(peers, &other, c, MAX_EACH));
        peers_remove(peers, &other, c);
        ck_assert(peers_add(peers, &other, c, MAX_EACH));
        for (int i = 0; i < 100; i++) {
            struct peer peer = i % 3 == 2 ? v6("::1") : v4(own[i % 3]);
            ck_assert(peers_add(peers, &peer, c, MAX_EACH));
        }
    }
    /* A network of IPv6 is one client. */
    for (int i = 0; i < MAX_EACH; i++) {
        char text[64];
        snprintf(text, sizeof text, "2001:db8:0:1::%d", i + 1);
        struct peer peer = v6(text);
        ck_assert(peers_add(peers, &peer, PEER_STREAMS, MAX_EACH));
    }
    struct peer same_network = v6("2001:db8:0:1:ffff::1");
    struct peer other_network = v6("2001:db8:0:2::1");
    ck_assert(!peers_add(peers, &same_network, PEER_STREAMS, MAX_EACH));
    ck_assert(peers_add(peers, &other_network, PEER_STREAMS, MAX_EACH));
    peers_free(peers);
}
END_TEST

START_TEST(text_and_bytes_say_the_same_of_an_address)
{
    static const char *const own[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const others[] = {"192.0.2.1", "128.0.0.1", "::2",        "::ffff:192.0.2.1",
                                         "::",        "0.0.0.0",   "2001:db8::1"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct peer peer = strchr(own[i], ':') != NULL ? v6(own[i]) : v4(own[i]);
        ck_assert_msg(!peer_is_limited(&peer) && address_is_loopback(own[i]), "%s", own[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct peer peer = strchr(others[i], ':') != NULL ? v6(others[i]) : v4(others[i]);
        ck_assert_msg(peer_is_limited(&peer) && !address_is_loopback(others[i]), "%s", others[i]);
    }
}
END_TEST

START_TEST(debts_outlast_connections_until_the_place_is_needed)
{
    struct err err = ERR_INIT;
    struct peers *peers = NULL;
    struct peer debtor = v4("192.0.2.1");
    struct limits limits = {.max = {[LIMIT_ROWS] = 1, [LIMIT_CONCURRENT] = 1}};
    struct excess excess;
    ck_assert_int_eq(peers_new(2, &peers, &err), ERR_OK);
    ck_assert(peers_add(peers, &debtor, PEER_CONNECTIONS, MAX_EACH));
    ck_assert(peers_admit(peers, &debtor, &limits, &excess));
    ck_assert(!peers_admit(peers, &debtor, &limits, &excess));
    ck_assert_int_eq(excess.limit, LIMIT_CONCURRENT);
    peers_charge(peers, &debtor, &limits, LIMIT_ROWS, 1000);
    peers_end(peers, &debtor);
    peers_remove(peers, &debtor, PEER_CONNECTIONS);
    ck_assert(!peers_admit(peers, &debtor, &limits, &excess));
    ck_assert_int_eq(excess.limit, LIMIT_ROWS);
    ck_assert_int_gt(excess.retry_s, 900);
    /* Others come and go. Those that hold something are never forgotten. */
    struct peer holder = v4("192.0.2.2");
    ck_assert(peers_add(peers, &holder, PEER_CONNECTIONS, 1));
    for (int i = 0; i < 1000; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(0x0a000000u + (uint32_t)i)};
        struct peer peer = peer_of((const struct sockaddr *)&address);
        ck_assert(peers_add(peers, &peer, PEER_CONNECTIONS, 1));
        peers_remove(peers, &peer, PEER_CONNECTIONS);
    }
    ck_assert(!peers_add(peers, &holder, PEER_CONNECTIONS, 1));
    ck_assert(peers_admit(peers, &debtor, &limits, &excess));
    peers_free(peers);
}
END_TEST

START_TEST(counts_equal_those_of_a_plain_table)
{
    struct err err = ERR_INIT;
    struct peers *peers = NULL;
    struct peer addresses[N_ADDRESSES];
    int counts[N_ADDRESSES] = {0};
    int total = 0;
    struct rng rng;
    rng_init(&rng, 5, RNG_TEST, 0);
    for (int i = 0; i < N_ADDRESSES; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        address.sin_addr.s_addr = htonl(0x0a000000u + (uint32_t)i * (i % 2 == 0 ? 1 : 65536));
        addresses[i] = peer_of((const struct sockaddr *)&address);
    }
    ck_assert_int_eq(peers_new(N_ADDRESSES, &peers, &err), ERR_OK);
    for (int k = 0; k < N_CHANGES; k++) {
        int i = (int)(rng_u64(&rng) % N_ADDRESSES);
        bool add = rng_u64(&rng) % 2 == 0;
        if (add && total < N_ADDRESSES) {
            bool added = peers_add(peers, &addresses[i], PEER_STREAMS, MAX_EACH);
            ck_assert_int_eq(added, counts[i] < MAX_EACH);
            counts[i] += added;
            total += added;
        } else if (!add && counts[i] > 0) {
            peers_remove(peers, &addresses[i], PEER_STREAMS);
            counts[i]--;
            total--;
        }
    }
    peers_free(peers);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("peers");
    TCase *tc = tcase_create("peers");
    tcase_add_test(tc, addresses_are_told_apart_as_clients_are);
    tcase_add_test(tc, an_address_has_its_limit_and_this_machine_has_none);
    tcase_add_test(tc, text_and_bytes_say_the_same_of_an_address);
    tcase_add_test(tc, debts_outlast_connections_until_the_place_is_needed);
    tcase_add_test(tc, counts_equal_those_of_a_plain_table);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
