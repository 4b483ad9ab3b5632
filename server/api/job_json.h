/* SPDX-License-Identifier: Apache-2.0 */
/* A job as JSON: the document that GET answers and that events carry. */
#ifndef JOB_JSON_H
#define JOB_JSON_H

#include "app.h"
#include "textbuf.h"

/* Appends the document; a running job's has its progress of this moment. */
void job_json_write(struct app *app, struct textbuf *text, const struct job_row *row);

/* Appends the document's member "progress". */
void job_json_progress(struct textbuf *text, const struct trainer_progress *progress);

#endif
