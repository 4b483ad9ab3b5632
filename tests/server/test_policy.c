/* SPDX-License-Identifier: Apache-2.0 */
/* When a policy trains, by facts made up here. Times in seconds from 2026-01-01 00:00 UTC. */
#include "policy.h"
#include "run.h"

#include <string.h>

#define ZERO 1767225600000 /* 2026-01-01 00:00:00 UTC, ms */

static int64_t at(int64_t seconds)
{
    return ZERO + 1000 * seconds;
}

/* A model with a version trained on 100 rows of batch 1, and 50 rows after it in batch 2. */
static struct policy_facts some_facts(void)
{
    return (struct policy_facts){.default_version = 1,
                                 .last_job_ms = ZERO,
                                 .last_end_ms = ZERO,
                                 .n_rows = 150,
                                 .n_new = 50,
                                 .last_batch = 2,
                                 .last_row_ms = at(100),
                                 .trained_to = 1,
                                 .n_fresh = 50,
                                 .changed = true};
}

static void check_waits(struct policy_decision d, int64_t next_ms)
{
    ck_assert_int_eq(d.act, POLICY_WAIT);
    ck_assert_ptr_nonnull(d.reason);
    ck_assert_int_eq(d.next_ms, next_ms);
}

static void check_trains(struct policy_decision d, const char *reason)
{
    ck_assert_int_eq(d.act, POLICY_TRAIN);
    ck_assert_str_eq(d.reason, reason);
}

START_TEST(new_rows_train_when_they_are_enough_and_have_stopped_coming)
{
    struct policy policy = policy_defaults();
    struct policy_memory memory = {0};
    struct policy_facts facts = some_facts();
    policy.new_rows = 51;
    policy.debounce_s = 30;
    check_waits(policy_decide(&policy, &facts, ZERO, at(1000), &memory), 0);
    policy.new_rows = 50;
    check_waits(policy_decide(&policy, &facts, ZERO, at(110), &memory), at(130));
    check_waits(policy_decide(&policy, &facts, ZERO, at(129), &memory), at(130));
    check_trains(policy_decide(&policy, &facts, ZERO, at(130), &memory), "new_rows");
}
END_TEST

START_TEST(rows_that_never_stop_coming_do_not_put_it_off_for_ever)
{
    struct policy policy = policy_defaults();
    struct policy_memory memory = {0};
    struct policy_facts facts = some_facts();
    policy.new_rows = 50;
    policy.debounce_s = 10;
    int64_t t = 100;
    for (; t < 10000; t++) {
        facts.last_row_ms = at(t);
        if (policy_decide(&policy, &facts, ZERO, at(t), &memory).act == POLICY_TRAIN) {
            break;
        }
    }
    ck_assert_int_eq(t, 100 + POLICY_PATIENCE * 10);
    /* Rows that become too few (a batch was deleted) start the wait anew. */
    facts.n_new = 1;
    check_waits(policy_decide(&policy, &facts, ZERO, at(t), &memory), 0);
    facts.n_new = 50;
    ck_assert_int_eq(policy_decide(&policy, &facts, ZERO, at(t), &memory).act, POLICY_WAIT);
}
END_TEST

START_TEST(nothing_starts_while_a_job_is_active_or_rows_are_missing)
{
    struct policy policy = policy_defaults();
    struct policy_memory memory = {0};
    struct policy_facts facts = some_facts();
    policy.new_rows = 1;
    policy.every_s = 1;
    facts.n_active = 1;
    ck_assert_int_eq(policy_decide(&policy, &facts, ZERO, at(9999), &memory).act, POLICY_WAIT);
    facts.n_active = 0;
    facts.n_rows = 1;
    ck_assert_int_eq(policy_decide(&policy, &facts, ZERO, at(9999), &memory).act, POLICY_WAIT);
    facts.n_rows = 2;
    ck_assert_int_eq(policy_decide(&policy, &facts, ZERO, at(9999), &memory).act, POLICY_TRAIN);
}
END_TEST

START_TEST(a_schedule_counts_from_the_last_job_or_the_policy)
{
    struct policy policy = policy_defaults();
    struct policy_memory memory = {0};
    struct policy_facts facts = some_facts();
    policy.every_s = 3600;
    check_waits(policy_decide(&policy, &facts, ZERO, at(3599), &memory), at(3600));
    check_trains(policy_decide(&policy, &facts, ZERO, at(3600), &memory), "schedule");
    check_waits(policy_decide(&policy, &facts, at(1800), at(3600), &memory), at(5400));
    /* Due, but the rows are those of the last job: it would train the same again. */
    facts.changed = false;
    facts.n_new = 0;
    check_waits(policy_decide(&policy, &facts, ZERO, at(3600), &memory), 0);
    facts.changed = true;
    check_trains(policy_decide(&policy, &facts, ZERO, at(99999), &memory), "schedule");
}
END_TEST

START_TEST(a_time_of_day_is_the_next_one_after_the_last_job)
{
    struct policy policy = policy_defaults();
    struct policy_memory memory = {0};
    struct policy_facts facts = some_facts();
    policy.daily_at = 150; /* 02:30 */
    check_waits(policy_decide(&policy, &facts, ZERO, at(10), &memory), at(9000));
    check_trains(policy_decide(&policy, &facts, ZERO, at(9000), &memory), "schedule");
    facts.last_job_ms = at(9000);
    check_waits(policy_decide(&policy, &facts, ZERO, at(9001), &memory), at(9000 + 86400));
    policy.every_s = 100;
    check_waits(policy_decide(&policy, &facts, ZERO, at(9001), &memory), at(9100));
}
END_TEST

START_TEST(drift_is_measured_once_for_each_batch)
{
    struct policy policy = policy_defaults();
    struct policy_memory memory = {0};
    struct policy_facts facts = some_facts();
    policy.drift_increase = 0.5;
    policy.drift_rows = 50;
    policy.debounce_s = 0;
    ck_assert_int_eq(policy_decide(&policy, &facts, ZERO, at(200), &memory).act, POLICY_MEASURE);
    memory.judged_batch = 2;
    memory.judged_version = 1;
    check_waits(policy_decide(&policy, &facts, ZERO, at(200), &memory), 0);
    memory.drifted = true;
    check_trains(policy_decide(&policy, &facts, ZERO, at(200), &memory), "drift");
    /* Another version is served: it was not judged. */
    facts.default_version = 2;
    ck_assert_int_eq(policy_decide(&policy, &facts, ZERO, at(200), &memory).act, POLICY_MEASURE);
    facts.default_version = 1;
    facts.last_batch = 3;
    ck_assert_int_eq(policy_decide(&policy, &facts, ZERO, at(200), &memory).act, POLICY_MEASURE);
    /* After a job that did not help, only as many rows again bring the question back. */
    facts.n_new = 49;
    check_waits(policy_decide(&policy, &facts, ZERO, at(200), &memory), 0);
    facts.n_new = 50;
    facts.trained_to = 0; /* which rows trained it is not known */
    check_waits(policy_decide(&policy, &facts, ZERO, at(200), &memory), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("policy");
    TCase *tc = tcase_create("decide");
    tcase_add_test(tc, new_rows_train_when_they_are_enough_and_have_stopped_coming);
    tcase_add_test(tc, rows_that_never_stop_coming_do_not_put_it_off_for_ever);
    tcase_add_test(tc, nothing_starts_while_a_job_is_active_or_rows_are_missing);
    tcase_add_test(tc, a_schedule_counts_from_the_last_job_or_the_policy);
    tcase_add_test(tc, a_time_of_day_is_the_next_one_after_the_last_job);
    tcase_add_test(tc, drift_is_measured_once_for_each_batch);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
