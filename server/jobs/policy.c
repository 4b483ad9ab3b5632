/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/policy.h"

#define DAY_MS    86400000
#define MINUTE_MS 60000

static struct policy_decision wait_until(const char *reason, int64_t next_ms)
{
    return (struct policy_decision){POLICY_WAIT, reason, next_ms};
}

static bool rows_suffice(const struct policy_spec *policy, const struct policy_facts *facts)
{
    return policy->new_rows > 0 && facts->n_new >= policy->new_rows;
}

/* New rows are needed as well: after a job that failed or whose version was not promoted, drift
 * alone would start the next job at once. */
static bool drift_can_be_judged(const struct policy_spec *policy, const struct policy_facts *facts)
{
    return policy->drift_increase >= 0.0 && facts->default_version > 0 &&
           facts->n_fresh >= policy->drift_rows && facts->n_new >= policy->drift_rows;
}

/* When the clock was set back, remembered times may lie in the future; they count as now. */
static int64_t not_later(int64_t ms, int64_t now_ms)
{
    return ms > now_ms ? now_ms : ms;
}

/* What the schedule counts from: the last job or the change of the policy, the later one. */
static int64_t counted_from_ms(const struct policy_facts *facts, int64_t changed_ms, int64_t now_ms,
                               struct policy_memory *memory)
{
    int64_t job = facts->last_job_ms;
    int64_t change = changed_ms;
    if (job <= now_ms && change <= now_ms) {
        memory->set_back_ms = 0;
        return job > change ? job : change;
    }
    memory->set_back_ms =
        memory->set_back_ms == 0 ? now_ms : not_later(memory->set_back_ms, now_ms);
    job = job <= now_ms ? job : memory->set_back_ms;
    change = change <= now_ms ? change : memory->set_back_ms;
    return job > change ? job : change;
}

static int64_t schedule_ms(const struct policy_spec *policy, int64_t from)
{
    int64_t due = 0;
    if (policy->every_s > 0) {
        due = from + 1000 * policy->every_s;
    }
    if (policy->daily_at >= 0) {
        int64_t at = from / DAY_MS * DAY_MS + (int64_t)policy->daily_at * MINUTE_MS;
        at += at > from ? 0 : DAY_MS;
        due = due == 0 || at < due ? at : due;
    }
    return due;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Until when to wait for rows to stop coming, at most as long as POLICY_PATIENCE allows. */
static int64_t quiet_ms(const struct policy_spec *policy, const struct policy_facts *facts,
                        const struct policy_memory *memory)
{
    int64_t debounce = 1000 * policy->debounce_s;
    int64_t quiet = facts->last_row_ms + debounce;
    int64_t latest = memory->held_since_ms + POLICY_PATIENCE * debounce;
    return quiet < latest ? quiet : latest;
}

struct policy_decision policy_decide(const struct policy_spec *policy,
                                     const struct policy_facts *facts, int64_t changed_ms,
                                     int64_t now_ms, struct policy_memory *memory)
{
    bool enough = rows_suffice(policy, facts);
    bool judgeable = drift_can_be_judged(policy, facts);
    int64_t due = schedule_ms(policy, counted_from_ms(facts, changed_ms, now_ms, memory));
    bool is_due = due != 0 && now_ms >= due && facts->changed;
    if (!enough && !judgeable && !is_due) {
        memory->held_since_ms = 0;
    } else {
        memory->held_since_ms =
            memory->held_since_ms == 0 ? now_ms : not_later(memory->held_since_ms, now_ms);
    }
    if (facts->n_active > 0) {
        return wait_until("a job of the model is queued or running", now_ms + 1000);
    }
    if (facts->n_rows < 2) {
        return wait_until("the model has fewer than two rows", 0);
    }
    /* A schedule that is due without a change of rows: training starts with the next change. */
    due = due > now_ms ? due : 0;
    if (is_due || enough || judgeable) {
        int64_t quiet = quiet_ms(policy, facts, memory);
        if (now_ms < quiet) {
            return wait_until("rows are still coming in", sooner(due, quiet));
        }
        if (is_due || enough) {
            return (struct policy_decision){POLICY_TRAIN, is_due ? "schedule" : "new_rows", 0};
        }
        if (memory->judged_batch != facts->last_batch ||
            memory->judged_version != facts->default_version) {
            return (struct policy_decision){POLICY_MEASURE, "drift", 0};
        }
        if (memory->drifted) {
            return (struct policy_decision){POLICY_TRAIN, "drift", 0};
        }
        return wait_until(memory->undecided
                              ? "fresh rows are too few for a version without scores of its own"
                              : "the served version does well on fresh rows",
                          due);
    }
    return wait_until("there is no reason yet", due);
}
