/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of an upload's formats share. */
#ifndef UPLOAD_PRIV_H
#define UPLOAD_PRIV_H

#include "api/rows/upload.h"

/*
 * Refuses rows with a value that may not be missing or is not finite, or leaves them out, and
 * settles what is missing in the others. The rows are writable, or else they are copied before they
 * change; those with a status are writable.
 */
enum err_code upload_apply_policy(const struct request *req, struct upload *up, bool writable,
                                  struct err *err) MUST_CHECK;

/* *same: a space is the one that the model has. */
enum err_code upload_compare_space(const struct space *space, const struct model_space *of_model,
                                   bool *same, struct err *err) MUST_CHECK;

enum err_code upload_read_json(const struct request *req, int max_rows, struct upload *up,
                               struct err *err) MUST_CHECK;

#endif
