/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training over ranks costs, as rank 0 sees it: how much of its work is spread, and what the
 * ranks send each other. From one run it can be told how long others would take (deploy/README.md).
 */
#ifndef RANK_COSTS_H
#define RANK_COSTS_H

#include "base/ranks.h"

#include <stdint.h>

struct rank_costs {
    struct ranks core;         /* for the training */
    const struct ranks *inner; /* borrowed */
    enum ranks_phase phase;
    int64_t since_ns;                         /* when it began, in processor time */
    int64_t cpu_ns[RANKS_REPLAY + 1];         /* of each phase, of all threads */
    int64_t swaps, swapped_bytes, swapped_ns; /* of sums of shards; bytes: that this rank sent */
    int64_t exchanges, bytes,
        waited_ns; /* bytes: of all ranks together; waited: for the others too */
};

/* Passes everything on to `inner`. Must not move. */
void rank_costs_init(struct rank_costs *self, const struct ranks *inner);

/* Brings cpu_ns up to now. */
void rank_costs_close(struct rank_costs *self);

#endif
