/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of a request's token and of its address (access/limits.h): looked at when its head has
 * come, and charged once it is known what it has cost. Addresses of this machine have none.
 */
#ifndef QUOTA_H
#define QUOTA_H

#include "api/app.h"

/* ERR_RATE with retry_s. The address: before it is known who asks; the token: afterwards. */
enum err_code quota_admit_address(struct app *app, struct request *req, struct err *err) MUST_CHECK;
enum err_code quota_admit_token(struct app *app, struct request *req, struct err *err) MUST_CHECK;

/* The request had so many rows. */
void quota_charge_rows(struct app *app, const struct request *req, int64_t n);

/* Charges what has come of the body since the last call. */
void quota_charge_body(struct app *app, struct request *req);

/* The request is over, however it ended: the rest of its body is charged, and it is under way no
 * more. */
void quota_end(struct app *app, struct request *req);

/* How many queued jobs of a model the token or an address may have; 0: no limit of its own. */
int64_t quota_jobs_of_token(const struct app *app, const struct request *req);
int64_t quota_jobs_of_address(const struct app *app);

/* A job was refused because of that. */
void quota_count_job(struct app *app, bool of_token);

/* A stream of events was refused because its address follows as many as it may. */
void quota_count_stream(struct app *app);

/* A request was refused because the queue of predictions, or of a model's jobs, is full. */
void quota_count_full_queue(struct app *app, bool of_jobs);

#endif
