/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training request that does not say it takes from the served version: seed and split. With
 * both the same, the rows that were kept out of the served version's training are kept out of the
 * new one's as well, and the gate can compare the two on them.
 */
#ifndef INHERIT_H
#define INHERIT_H

#include "documents/job_spec.h"
#include "live/models.h"
#include "store/jobs/job_store.h"

/*
 * Completes the spec, and notes in the job which version gave seed and split. A split that keeps
 * nothing out is not taken over: nothing could be compared then. Nor is anything of a version whose
 * settings are not known here. ERR_NOMEM; errors of reading the store.
 */
enum err_code inherit_split(struct models *models, const char *model, struct job_spec *spec,
                            struct job_new *job, struct err *err) MUST_CHECK;

#endif
