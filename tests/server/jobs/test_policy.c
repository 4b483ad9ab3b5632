/* SPDX-License-Identifier: Apache-2.0 */
/* When a policy trains, by facts made up here. Times in seconds from 2026-01-01 00:00 UTC. */
#include "jobs/policy.h"

#include "store/jobs/policy_store.h"
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
                                 .known_to = 1,
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
    struct policy_spec policy = policy_spec_defaults();
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
    struct policy_spec policy = policy_spec_defaults();
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
    struct policy_spec policy = policy_spec_defaults();
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
    struct policy_spec policy = policy_spec_defaults();
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
    struct policy_spec policy = policy_spec_defaults();
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
    struct policy_spec policy = policy_spec_defaults();
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
    facts.known_to = 0; /* it was registered before there were rows */
    ck_assert_int_eq(policy_decide(&policy, &facts, ZERO, at(200), &memory).act, POLICY_MEASURE);
    /* With too few rows to judge it says so, until others come. */
    memory = (struct policy_memory){.judged_batch = 3, .judged_version = 1, .undecided = true};
    struct policy_decision d = policy_decide(&policy, &facts, ZERO, at(200), &memory);
    check_waits(d, 0);
    ck_assert_ptr_nonnull(strstr(d.reason, "too few"));
    facts.default_version = 0;
    check_waits(policy_decide(&policy, &facts, ZERO, at(200), &memory), 0);
}
END_TEST

START_TEST(a_schedule_too_waits_for_rows_to_stop_coming)
{
    struct policy_spec policy = policy_spec_defaults();
    struct policy_memory memory = {0};
    struct policy_facts facts = some_facts();
    policy.every_s = 3600;
    policy.debounce_s = 30;
    facts.last_row_ms = at(3590);
    check_waits(policy_decide(&policy, &facts, ZERO, at(3600), &memory), at(3620));
    check_trains(policy_decide(&policy, &facts, ZERO, at(3620), &memory), "schedule");
    /* Due for long, and now the first upload of many comes. */
    memory = (struct policy_memory){0};
    facts.last_row_ms = at(9000);
    check_waits(policy_decide(&policy, &facts, ZERO, at(9000), &memory), at(9030));
    for (int64_t t = 9000; t < 9000 + POLICY_PATIENCE * 30; t++) {
        facts.last_row_ms = at(t);
        ck_assert_int_eq(policy_decide(&policy, &facts, ZERO, at(t), &memory).act, POLICY_WAIT);
    }
    check_trains(policy_decide(&policy, &facts, ZERO, at(9000 + POLICY_PATIENCE * 30), &memory),
                 "schedule");
}
END_TEST

START_TEST(times_that_passed_while_nobody_looked_are_made_up_for_once)
{
    struct policy_spec policy = policy_spec_defaults();
    struct policy_memory memory = {0};
    struct policy_facts facts = some_facts();
    policy.daily_at = 150; /* 02:30 */
    const int64_t days = 86400;
    check_trains(policy_decide(&policy, &facts, ZERO, at(5 * days + 3600), &memory), "schedule");
    facts.last_job_ms = at(5 * days + 3600); /* 01:00 */
    check_waits(policy_decide(&policy, &facts, ZERO, at(5 * days + 3601), &memory),
                at(5 * days + 9000));
}
END_TEST

/* The last job, the policy and the rows are of a day that has not come yet. */
START_TEST(a_clock_that_was_set_back_does_not_put_a_policy_off)
{
    struct policy_spec policy = policy_spec_defaults();
    struct policy_memory memory = {0};
    struct policy_facts facts = some_facts();
    const int64_t year = 365 * 86400;
    policy.every_s = 3600;
    policy.debounce_s = 10;
    facts.last_job_ms = at(year);
    facts.last_row_ms = at(year);
    for (int64_t t = 0; t < 3600; t += 60) {
        check_waits(policy_decide(&policy, &facts, at(year), at(t), &memory), at(3600));
    }
    check_waits(policy_decide(&policy, &facts, at(year), at(3600), &memory), at(3700));
    check_trains(policy_decide(&policy, &facts, at(year), at(3700), &memory), "schedule");
    /* A job of after it counts, though the policy is still of the future. */
    facts.last_job_ms = at(3700);
    check_waits(policy_decide(&policy, &facts, at(year), at(3760), &memory), at(7300));
    facts.last_job_ms = at(year);
    /* And back once more, below what is remembered. */
    policy.every_s = 0;
    policy.new_rows = 1;
    memory = (struct policy_memory){.held_since_ms = at(year)};
    check_waits(policy_decide(&policy, &facts, at(year), at(50), &memory), at(150));
    check_waits(policy_decide(&policy, &facts, at(year), at(20), &memory), at(120));
    check_trains(policy_decide(&policy, &facts, at(year), at(120), &memory), "new_rows");
    /* A job asked for after it counts as ever. */
    policy.every_s = 3600;
    policy.new_rows = 0;
    facts.last_job_ms = at(130);
    facts.last_row_ms = at(130);
    check_waits(policy_decide(&policy, &facts, ZERO, at(140), &memory), at(3730));
    ck_assert_int_eq(memory.set_back_ms, 0);
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
    tcase_add_test(tc, a_schedule_too_waits_for_rows_to_stop_coming);
    tcase_add_test(tc, times_that_passed_while_nobody_looked_are_made_up_for_once);
    tcase_add_test(tc, a_clock_that_was_set_back_does_not_put_a_policy_off);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
