/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attempt at an analysis: a version is read, analysed, and what was found is stored with the
 * job. The result depends on the job's request and its version alone.
 */
#ifndef ANALYSIS_H
#define ANALYSIS_H

#include "jobs/attempt.h"

/* The part of attempt_read and attempt_run for jobs that are no trainings. */
enum err_code analysis_read(struct attempt *attempt, struct err *err) MUST_CHECK;
enum err_code analysis_run(struct attempt *attempt, struct err *err) MUST_CHECK;

/*
 * The request for an analysis of a served version, with its defaults, as the text that the job
 * keeps. The space is the request's own, else the model's, else the version's. Errors of
 * analysis_request_read and, for the earlier versions of a history match, of analysis_waves_hold.
 */
struct analysis_body {
    const char *text; /* [len] */
    size_t len;
    bool calibrates; /* it is a calibration */
    struct models *models;
};
enum err_code analysis_complete(struct db *db, const struct served *served,
                                const struct analysis_body *body, struct textbuf *out,
                                struct err *err) MUST_CHECK;

#endif
