/* SPDX-License-Identifier: Apache-2.0 */
/* A job as JSON: what GET answers and events carry. */
#ifndef JOB_DOC_H
#define JOB_DOC_H

#include "api/app.h"
#include "formats/json_write.h"
#include "store/jobs/job_read.h"

/* The row of a job. ERR_NOT_FOUND, also when the request may not see the job's model, so that
 * nobody learns of it. */
enum err_code job_doc_find(struct app *app, const struct request *req, int64_t id,
                           struct job_row *row, struct err *err) MUST_CHECK;

/*
 * The whole document of a job: its row, with its present progress if it is running, and request,
 * scores, gate and the warnings of its version from the store. When the store cannot be read
 * nothing is written; ERR_NOT_FOUND when the job has been deleted.
 */
enum err_code job_doc_write(struct app *app, struct json_write *json, const struct job_row *row,
                            struct err *err) MUST_CHECK;

/* The same without request, scores and gate, and of warnings the codes alone: for lists. */
void job_doc_write_row(struct app *app, struct json_write *json, const struct job_row *row);

/* The document's member "progress"; key as in json_write.h. table: NULL: the job chooses nothing.
 */
void job_doc_write_progress(struct json_write *json, const char *key,
                            const struct trainer_progress *progress,
                            const struct choice_table *table);

#endif
