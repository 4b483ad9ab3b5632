/* SPDX-License-Identifier: Apache-2.0 */
/* A job as JSON: what GET answers and events carry. */
#ifndef JOB_DOC_H
#define JOB_DOC_H

#include "api/app.h"
#include "base/textbuf.h"
#include "store/jobs/job_read.h"

/* The document of a job: its row, and from the store request, scores and gate. A running job's has
 * its progress of this moment. Errors of reading; ERR_NOT_FOUND when the job is gone. */
enum err_code job_doc_write(struct app *app, struct textbuf *text, const struct job_row *row,
                            struct err *err) MUST_CHECK;

/* The same without request, scores and gate: for lists. */
void job_doc_write_row(struct app *app, struct textbuf *text, const struct job_row *row);

/* The document's member "progress". */
void job_doc_write_progress(struct textbuf *text, const struct trainer_progress *progress);

#endif
