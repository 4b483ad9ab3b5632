/* SPDX-License-Identifier: Apache-2.0 */
/* What every log line about a job says: which one it is, and which request asked for it. */
#ifndef JOB_LOG_H
#define JOB_LOG_H

#include "base/log.h"
#include "store/jobs/job_read.h"

/* The first pairs of a line; row: const struct job_row *. */
#define JOB_LOG(row)                                                                               \
    "job", LOG_INT((row)->id), "model", (row)->model, "request_id", (row)->request_id,             \
        "traceparent", (row)->traceparent

#endif
