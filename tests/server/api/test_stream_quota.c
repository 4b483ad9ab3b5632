/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>

#include "api/stream_quota.h"
#include "run.h"

#define MAX_EACH 3

static struct stream_quota quota;

static bool add(struct stream_place *place, const char *address)
{
    *place = (struct stream_place){.counted = false};
    return stream_quota_add(&quota, place, address, MAX_EACH);
}

START_TEST(an_address_has_its_limit_and_no_more)
{
    struct stream_place places[MAX_EACH + 2];
    stream_quota_init(&quota);
    for (int i = 0; i < MAX_EACH; i++) {
        ck_assert(add(&places[i], i == 1 ? "::ffff:10.0.0.7" : "10.0.0.7"));
    }
    ck_assert(!add(&places[MAX_EACH], "10.0.0.7"));
    stream_quota_remove(&quota, &places[MAX_EACH]); /* it was not added */
    ck_assert(add(&places[MAX_EACH], "10.0.0.8"));
    stream_quota_remove(&quota, &places[1]);
    ck_assert(add(&places[1], "10.0.0.7"));
    ck_assert(!add(&places[MAX_EACH + 1], "10.0.0.7"));
    for (int i = 0; i <= MAX_EACH; i++) {
        stream_quota_remove(&quota, &places[i]);
        stream_quota_remove(&quota, &places[i]);
    }
    ck_assert_ptr_null(quota.first);
    stream_quota_release(&quota);
}
END_TEST

START_TEST(a_network_of_version_6_is_one_client)
{
    struct stream_place places[MAX_EACH + 2];
    char address[64];
    stream_quota_init(&quota);
    for (int i = 0; i < MAX_EACH; i++) {
        snprintf(address, sizeof address, "2001:db8:0:1::%d", i + 1);
        ck_assert(add(&places[i], address));
    }
    ck_assert(!add(&places[MAX_EACH], "2001:db8:0:1:ffff::1"));
    ck_assert(add(&places[MAX_EACH + 1], "2001:db8:0:2::1"));
    stream_quota_release(&quota);
}
END_TEST

START_TEST(this_machine_has_no_limit)
{
    struct stream_place place;
    static const char *const own[] = {"127.0.0.1", "127.3.2.1", "::1", "", "::ffff:127.0.0.1"};
    stream_quota_init(&quota);
    for (int i = 0; i < 10 * MAX_EACH; i++) {
        ck_assert(add(&place, own[i % 5]));
    }
    ck_assert_ptr_null(quota.first);
    stream_quota_release(&quota);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_quota");
    TCase *c = tcase_create("stream_quota");
    tcase_add_test(c, an_address_has_its_limit_and_no_more);
    tcase_add_test(c, a_network_of_version_6_is_one_client);
    tcase_add_test(c, this_machine_has_no_limit);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
