/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training request: the body of POST /v1/models/{m}/train, the text that a job keeps, and the
 * `settings` of the version it makes. It has the keys of documents/train_json, and
 *
 *    "gate": {"metric":"rmse","max_increase":0.1,"rows":"known"}   null: no gate
 *    "promote": true          false: the version is stored, not served
 *    "limits": {"seconds":3600,"memory_mb":4000}                   0 or absent: the server's
 *    "priority": 0            -100 to 100; not kept with the job's text
 *    "where": "here"          or launcher; a job's text ends with it where that is launcher, and a
 *                             version's settings have none
 */
#ifndef JOB_JSON_H
#define JOB_JSON_H

#include "base/textbuf.h"
#include "documents/job_spec.h"

#include <jansson.h>

/* ERR_INVALID naming the key. On success the spec is valid (train_validate) and the caller's to
 * release. */
enum err_code job_json_parse(const char *text, size_t len, struct job_spec *spec,
                             struct err *err) MUST_CHECK;

/* The same from a document. */
enum err_code job_json_read(const json_t *request, struct job_spec *spec,
                            struct err *err) MUST_CHECK;

/*
 * Makes of the text of a job for the launcher, as job_json_write wrote it, the settings of its
 * version, which are those of a job that runs here. False, and nothing changed: it is no such text.
 */
bool job_json_cut_place(char *text, size_t *len);

/* Writes every setting, so that the text means the same when defaults change. */
void job_json_write(struct textbuf *text, const struct job_spec *spec);

#endif
