/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests by route, status and outcome, and the times of their phases.
 *
 * Every request is counted, predictions of a few microseconds too. So each processor has counters
 * of its own (a shard), which no other one touches while it counts: an observation costs as much as
 * two additions. A reading adds the shards up.
 */
#ifndef METRICS_REQUESTS_H
#define METRICS_REQUESTS_H

#include "metrics/histogram.h"

#include <stdint.h>

#define METRICS_MAX_ROUTES 128
#define METRICS_N_STATUSES 26 /* told apart, and one for all others */
#define METRICS_SHARDS     8  /* processors with more in common than that share one */

/* How it went, as its status says. */
enum metrics_outcome {
    METRICS_OK,      /* below 400 */
    METRICS_INVALID, /* 4xx: the client's to mend */
    METRICS_REFUSED, /* 429, 503, 504: a limit, or no room; to be sent again */
    METRICS_FAILED,  /* 5xx */
    METRICS_N_OUTCOMES
};

/*
 * parse: the body becomes numbers. queue: waiting for a thread. compute: the work itself, and all
 * that is in no other phase. write: from the end of that work until the answer has been sent.
 */
enum metrics_phase {
    METRICS_PARSE,
    METRICS_QUEUE,
    METRICS_COMPUTE,
    METRICS_WRITE,
    METRICS_N_PHASES
};

struct metrics_shard {
    atomic_llong by_status[METRICS_N_STATUSES];
    struct histogram times[METRICS_N_OUTCOMES];
    struct histogram phases[METRICS_N_OUTCOMES][METRICS_N_PHASES];
} __attribute__((aligned(64)));

struct metrics_requests {
    const char *labels[METRICS_MAX_ROUTES]; /* constants; NULL ends the list */
    struct metrics_shard shards[METRICS_SHARDS][METRICS_MAX_ROUTES];
};

/* A request whose answer has been made. */
struct metrics_answer {
    int route; /* index into the labels; out of range is ignored */
    int status;
    int64_t total_ns;                   /* since its last byte came */
    int64_t phase_ns[METRICS_N_PHASES]; /* of write nothing is known yet; negative: not measured */
};

void metrics_requests_answered(struct metrics_requests *requests,
                               const struct metrics_answer *answer);

/* The answer has been sent. */
void metrics_requests_sent(struct metrics_requests *requests, int route, int status,
                           int64_t write_ns);

/* ---- reading ---- */

const char *metrics_outcome_name(enum metrics_outcome outcome);
const char *metrics_phase_name(enum metrics_phase phase);

/* The status of a place in by_status; 0: all others. */
int metrics_status(int place);
long long metrics_requests_count(const struct metrics_requests *requests, int route, int place);

/* Both add to *sum. */
void metrics_requests_read_times(const struct metrics_requests *requests, int route,
                                 enum metrics_outcome outcome, struct histogram_reading *sum);
void metrics_requests_read_phase(const struct metrics_requests *requests, int route,
                                 enum metrics_outcome outcome, enum metrics_phase phase,
                                 struct histogram_reading *sum);

#endif
