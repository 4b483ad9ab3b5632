/* SPDX-License-Identifier: Apache-2.0 */
/* What inference requests of the Open Inference Protocol did with a version, since it was read into
 * memory. Other predictions are not counted here. */
#ifndef SERVED_STATS_H
#define SERVED_STATS_H

#include <stdatomic.h>

struct served_stats {
    atomic_llong n_success, success_ns;
    atomic_llong n_fail, fail_ns;
    atomic_llong n_rows;  /* of requests that succeeded */
    atomic_llong n_calls; /* joint computations in which there was such a request */
    atomic_llong queue_ns, input_ns, compute_ns, output_ns;
    atomic_llong last_ms; /* UTC; 0: none */
};

#endif
