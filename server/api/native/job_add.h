/* SPDX-License-Identifier: Apache-2.0 */
/* The part that all requests for a job have in common: queue it, and answer with it. */
#ifndef JOB_ADD_H
#define JOB_ADD_H

#include "api/app.h"
#include "http/exchange.h"
#include "store/jobs/job_store.h"

/*
 * Queues the job, under the name of its request and within the shares of whose it is, and answers
 * 202 with its document. Errors of job_store_add.
 */
enum err_code job_add_and_reply(struct app *app, const struct request *req, struct job_new *job,
                                struct response *res, struct err *err) MUST_CHECK;

#endif
