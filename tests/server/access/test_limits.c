/* SPDX-License-Identifier: Apache-2.0 */
/* What a bucket lets in, at the limit and beyond it, and whether a refusal tells the true wait. */
#include "run.h"

#include <string.h>

#include "base/clock.h"
#include "access/limits.h"
#include "base/rng.h"

#define NOW (INT64_C(1000) * CLOCK_S)

static struct usage used;
static struct limits limits;

static void setup(void)
{
    memset(&used, 0, sizeof used);
    memset(&limits, 0, sizeof limits);
}

/* The wait of the refusal; 0: it was let in. */
static int ask(int64_t now_ns, enum limit *limit)
{
    struct excess excess = {.retry_s = 0};
    bool admitted = usage_admit(&used, &limits, now_ns, &excess);
    ck_assert(admitted == (excess.retry_s == 0));
    *limit = excess.limit;
    return excess.retry_s;
}

static bool is_let_in(int64_t now_ns)
{
    enum limit ignored;
    bool in = ask(now_ns, &ignored) == 0;
    if (in) {
        usage_end(&used);
    }
    return in;
}

START_TEST(nothing_is_limited_without_a_limit)
{
    for (int i = 0; i < 1000; i++) {
        ck_assert(is_let_in(NOW));
        usage_charge(&used, &limits, LIMIT_ROWS, INT64_MAX, NOW);
    }
    ck_assert(!limits_concern_requests(&limits));
}
END_TEST

START_TEST(as_many_requests_as_the_rate_and_no_more)
{
    static const int64_t rates[] = {1, 3, 1000};
    for (size_t k = 0; k < 3; k++) {
        setup();
        limits.max[LIMIT_REQUESTS] = rates[k];
        for (int64_t i = 0; i < rates[k]; i++) {
            ck_assert(is_let_in(NOW));
        }
        ck_assert(!is_let_in(NOW));
        /* One more when a part of a second has passed, not a moment earlier. */
        int64_t part = CLOCK_S / rates[k];
        ck_assert(!is_let_in(NOW + part - 1000));
        ck_assert(is_let_in(NOW + part + 1000));
        ck_assert(!is_let_in(NOW + part + 1000));
    }
}
END_TEST

START_TEST(rows_are_let_in_and_paid_off_afterwards)
{
    enum limit limit;
    limits.max[LIMIT_ROWS] = 100;
    ck_assert(is_let_in(NOW));
    usage_charge(&used, &limits, LIMIT_ROWS, 99, NOW);
    ck_assert(is_let_in(NOW)); /* something is left */
    usage_charge(&used, &limits, LIMIT_ROWS, 1, NOW);
    ck_assert(!is_let_in(NOW));
    ck_assert(is_let_in(NOW + CLOCK_S / 100));
    usage_charge(&used, &limits, LIMIT_ROWS, 1001, NOW + CLOCK_S / 100);
    ck_assert_int_eq(ask(NOW + CLOCK_S / 100, &limit), 11);
    ck_assert_int_eq(limit, LIMIT_ROWS);
    ck_assert(!is_let_in(NOW + 9 * CLOCK_S));
    ck_assert(is_let_in(NOW + CLOCK_S / 100 + 11 * CLOCK_S));
}
END_TEST

START_TEST(debts_have_an_end)
{
    enum limit limit;
    limits.max[LIMIT_BYTES] = 1;
    for (int i = 0; i < 10; i++) {
        usage_charge(&used, &limits, LIMIT_BYTES, INT64_MAX, NOW);
    }
    int wait = ask(NOW, &limit);
    ck_assert_int_gt(wait, 86000);
    ck_assert_int_le(wait, 86400);
    ck_assert(is_let_in(NOW + wait * CLOCK_S));
}
END_TEST

START_TEST(a_refusal_tells_the_true_wait)
{
    struct rng rng;
    int n_refused = 0;
    int64_t now = NOW;
    rng_init(&rng, 7, RNG_TEST, 0);
    limits = (struct limits){.max = {20, 300, 70000, 0, 0}};
    for (int i = 0; i < 20000; i++) {
        struct usage before;
        enum limit limit;
        now += (int64_t)(rng_u64(&rng) % 50000000);
        int wait = ask(now, &limit);
        if (wait == 0) {
            usage_end(&used);
            usage_charge(&used, &limits, LIMIT_ROWS, (int64_t)(rng_u64(&rng) % 30), now);
            usage_charge(&used, &limits, LIMIT_BYTES, (int64_t)(rng_u64(&rng) % 9000), now);
            continue;
        }
        n_refused++;
        before = used; /* what comes next is only tried */
        ck_assert_msg(is_let_in(now + wait * CLOCK_S), "refused again after %d s", wait);
        used = before;
        ck_assert_msg(!is_let_in(now + (wait - 1) * CLOCK_S), "%d s would have been enough",
                      wait - 1);
        used = before;
    }
    ck_assert_int_gt(n_refused, 1000);
    ck_assert_int_lt(n_refused, 19000);
}
END_TEST

START_TEST(requests_under_way_are_counted_until_they_end)
{
    enum limit limit;
    limits.max[LIMIT_CONCURRENT] = 2;
    ck_assert_int_eq(ask(NOW, &limit), 0);
    ck_assert_int_eq(ask(NOW, &limit), 0);
    ck_assert_int_eq(ask(NOW, &limit), 1);
    ck_assert_int_eq(limit, LIMIT_CONCURRENT);
    usage_end(&used);
    ck_assert_int_eq(ask(NOW, &limit), 0);
    for (int i = 0; i < 5; i++) {
        usage_end(&used); /* one too many is no credit */
    }
    ck_assert_int_eq(used.n_requests, 0);
}
END_TEST

START_TEST(numbers_have_bounds)
{
    int64_t n = 0;
    ck_assert(limit_parse(LIMIT_QUEUE, "100", &n) && n == 100);
    ck_assert(limit_parse(LIMIT_ROWS, "2147483647", &n) && n == 2147483647);
    static const char *const bad[] = {
        "", "0", "101", "-1", "1.5", " 1", "1 ", "x", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!limit_parse(LIMIT_QUEUE, bad[i], &n), "%s", bad[i]);
    }
    for (enum limit limit = 0; limit < LIMIT_N; limit++) {
        const char *key = limit_key(limit);
        ck_assert_int_eq(limit_find(key, (int)strlen(key)), limit);
    }
    ck_assert_int_eq(limit_find("rate", 3), LIMIT_N);
    ck_assert_str_eq(limit_known(), "rate, rows_per_s, bytes_per_s, concurrent, queue_share");
    ck_assert_int_eq(limit_find("rates", 5), LIMIT_N);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tc = tcase_create("limits");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, nothing_is_limited_without_a_limit);
    tcase_add_test(tc, as_many_requests_as_the_rate_and_no_more);
    tcase_add_test(tc, rows_are_let_in_and_paid_off_afterwards);
    tcase_add_test(tc, debts_have_an_end);
    tcase_add_test(tc, a_refusal_tells_the_true_wait);
    tcase_add_test(tc, requests_under_way_are_counted_until_they_end);
    tcase_add_test(tc, numbers_have_bounds);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
