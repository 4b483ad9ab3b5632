/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a request goes, phase by phase, for the metrics. Dispatch makes one for each
 * request; whoever knows when a phase ends says so. Without memory for it there is none.
 */
#ifndef REQUEST_TIMES_H
#define REQUEST_TIMES_H

#include "base/clock.h"
#include "http/exchange.h"

struct request_times {
    int64_t parse_ns;     /* negative: it is in compute_ns */
    int64_t queue_ns;     /* waiting for a writing or computing thread */
    int64_t compute_ns;   /* negative: not known, the rest of the whole */
    int64_t answering_ns; /* when the writing of the answer began, by clock_ns; 0: at its end */
    int status;           /* of the answer; 0: none, or one without end */
};

/* The body has been read, now or at a time by clock_ns. */
static inline void request_times_parsed_at(const struct request *req, int64_t ns)
{
    if (req->times != NULL) {
        req->times->parse_ns = ns - req->arrived_ns - req->times->queue_ns;
    }
}

static inline void request_times_parsed(const struct request *req)
{
    request_times_parsed_at(req, clock_ns());
}

/* It has waited for a thread. */
static inline void request_times_waited(const struct request *req, int64_t ns)
{
    if (req->times != NULL) {
        req->times->queue_ns += ns;
    }
}

/* It was computed from begun_ns to ended_ns, and now its answer is written. */
static inline void request_times_computed(const struct request *req, int64_t begun_ns,
                                          int64_t ended_ns)
{
    if (req->times != NULL) {
        req->times->compute_ns = ended_ns - begun_ns;
        req->times->answering_ns = ended_ns;
    }
}

#endif
