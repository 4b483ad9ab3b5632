/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of connections by address, against a plain table, over many random changes. */
#include "run.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/rng.h"
#include "http/peers.h"

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
    struct peer own = v4("127.0.0.1");
    ck_assert_int_eq(peers_new(8, MAX_EACH, &peers, &err), ERR_OK);
    for (int i = 0; i < MAX_EACH; i++) {
        ck_assert(peers_add(peers, &other));
    }
    ck_assert(!peers_add(peers, &other));
    peers_remove(peers, &other);
    ck_assert(peers_add(peers, &other));
    for (int i = 0; i < 100; i++) {
        ck_assert(peers_add(peers, &own));
    }
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
    ck_assert_int_eq(peers_new(N_ADDRESSES, MAX_EACH, &peers, &err), ERR_OK);
    for (int k = 0; k < N_CHANGES; k++) {
        int i = (int)(rng_u64(&rng) % N_ADDRESSES);
        bool add = rng_u64(&rng) % 2 == 0;
        if (add && total < N_ADDRESSES) {
            bool added = peers_add(peers, &addresses[i]);
            ck_assert_int_eq(added, counts[i] < MAX_EACH);
            counts[i] += added;
            total += added;
        } else if (!add && counts[i] > 0) {
            peers_remove(peers, &addresses[i]);
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
    tcase_add_test(tc, counts_equal_those_of_a_plain_table);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
