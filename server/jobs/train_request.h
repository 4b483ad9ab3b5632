/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a training request against the stored rows and the served version, and writes it as the
 * text that the job keeps, with every setting spelled out. jobs/attempt.c reads that text again.
 */
#ifndef TRAIN_REQUEST_H
#define TRAIN_REQUEST_H

#include "base/textbuf.h"
#include "documents/job_spec.h"
#include "jobs/launch/launch_place.h"
#include "live/models.h"
#include "store/jobs/job_store.h"

struct train_request {
    struct db *db;
    struct models *models;
    const char *model;
    const struct job_spec *spec; /* NULL: as the default version was trained; a solver is chosen
                                    where that is not known */
    bool cold_if_needed;         /* a warm start that is not possible becomes a cold one, and a
                                    launcher that is not possible the server */
    int n_threads;               /* that will train */
    int64_t max_bytes;           /* that the training may need here; 0: no limit */
    struct launch_policy launch;
};

/*
 * Appends the request as a job keeps it; the priority of *job is set, and from which version seed
 * and split are, if they were not given. Whatever can be refused now is
 * refused now, not by a job that fails later. ERR_INVALID naming the key; ERR_CONFLICT: too few
 * rows, or no version to start from; ERR_NOT_FOUND: no such model; ERR_TOO_LARGE: it would need too
 * much memory; ERR_UNSUPPORTED: it cannot be launched.
 */
enum err_code train_request_write(const struct train_request *request, struct textbuf *out,
                                  struct job_new *job, struct err *err) MUST_CHECK;

#endif
