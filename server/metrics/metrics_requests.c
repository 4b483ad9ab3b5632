/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* sched_getcpu */
#include "metrics/metrics_requests.h"

#include <sched.h>
#include <stddef.h>

/* Statuses that are told apart; the others share the last place. */
static const int statuses[METRICS_N_STATUSES - 1] = {200, 201, 202, 204, 206, 304, 400, 401, 403,
                                                     404, 405, 408, 409, 412, 413, 415, 421, 422,
                                                     429, 431, 499, 500, 503, 504, 507};

static const char *const outcome_names[] = {"ok", "invalid", "refused", "failed"};
static const char *const phase_names[] = {"parse", "queue", "compute", "write"};

const char *metrics_outcome_name(enum metrics_outcome outcome)
{
    return outcome_names[outcome];
}

const char *metrics_phase_name(enum metrics_phase phase)
{
    return phase_names[phase];
}

int metrics_status(int place)
{
    return place < METRICS_N_STATUSES - 1 ? statuses[place] : 0;
}

static int find_status(int status)
{
    int i = 0;
    while (i < METRICS_N_STATUSES - 1 && statuses[i] != status) {
        i++;
    }
    return i;
}

static enum metrics_outcome outcome_of(int status)
{
    if (status == 429 || status == 503 || status == 504) {
        return METRICS_REFUSED;
    }
    return status < 400 ? METRICS_OK : status < 500 ? METRICS_INVALID : METRICS_FAILED;
}

/* The counters of a route on this processor; NULL: there is no such route. A thread that moves to
 * another processor meanwhile does no harm: the additions are atomic. */
static struct metrics_shard *find_shard(struct metrics_requests *requests, int route)
{
    if (route < 0 || route >= METRICS_MAX_ROUTES || requests->labels[route] == NULL) {
        return NULL;
    }
    int cpu = sched_getcpu();
    return &requests->shards[cpu > 0 ? cpu % METRICS_SHARDS : 0][route];
}

void metrics_requests_answered(struct metrics_requests *requests,
                               const struct metrics_answer *answer)
{
    struct metrics_shard *shard = find_shard(requests, answer->route);
    enum metrics_outcome outcome = outcome_of(answer->status);
    if (shard == NULL) {
        return;
    }
    atomic_fetch_add_explicit(&shard->by_status[find_status(answer->status)], 1,
                              memory_order_relaxed);
    histogram_observe_ns(&shard->times[outcome], HISTOGRAM_TIMES, answer->total_ns);
    for (int phase = 0; phase < METRICS_WRITE; phase++) {
        if (answer->phase_ns[phase] >= 0) {
            histogram_observe_ns(&shard->phases[outcome][phase], HISTOGRAM_TIMES,
                                 answer->phase_ns[phase]);
        }
    }
}

void metrics_requests_sent(struct metrics_requests *requests, int route, int status,
                           int64_t write_ns)
{
    struct metrics_shard *shard = find_shard(requests, route);
    if (shard != NULL) {
        histogram_observe_ns(&shard->phases[outcome_of(status)][METRICS_WRITE], HISTOGRAM_TIMES,
                             write_ns);
    }
}

long long metrics_requests_count(const struct metrics_requests *requests, int route, int place)
{
    long long n = 0;
    for (int i = 0; i < METRICS_SHARDS; i++) {
        n += atomic_load_explicit(&requests->shards[i][route].by_status[place],
                                  memory_order_relaxed);
    }
    return n;
}

void metrics_requests_read_times(const struct metrics_requests *requests, int route,
                                 enum metrics_outcome outcome, struct histogram_reading *sum)
{
    for (int i = 0; i < METRICS_SHARDS; i++) {
        histogram_read(&requests->shards[i][route].times[outcome], HISTOGRAM_TIMES, sum);
    }
}

void metrics_requests_read_phase(const struct metrics_requests *requests, int route,
                                 enum metrics_outcome outcome, enum metrics_phase phase,
                                 struct histogram_reading *sum)
{
    for (int i = 0; i < METRICS_SHARDS; i++) {
        histogram_read(&requests->shards[i][route].phases[outcome][phase], HISTOGRAM_TIMES, sum);
    }
}
