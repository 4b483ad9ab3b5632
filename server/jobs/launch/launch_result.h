/* SPDX-License-Identifier: Apache-2.0 */
/* What a training elsewhere has left in its folder, which may be anything, as a model. */
#ifndef LAUNCH_RESULT_H
#define LAUNCH_RESULT_H

#include "jobs/launch/launch_folder.h"
#include "train/train_cross.h"

struct launch_expected {
    const char *request; /* [n_request] the settings that the version must have */
    size_t n_request;
    bool chooses;     /* the settings are those of the chosen solver instead */
    int n, d, o;      /* of the rows */
    size_t max_bytes; /* of the version's file */
};

/* Is there a result yet? */
bool launch_result_is_there(const struct launch_folder *folder);

/*
 * Takes the version if its file is the one that the result tells, and the training read the request
 * and the rows of this folder. *out: one reference; *cross: what the choice of the solver left, to
 * be released. ERR_NUMERIC: there is no result, or the
 * training failed, and why; ERR_CORRUPT: what does not fit; ERR_NOMEM, ERR_IO.
 */
enum err_code launch_result_take(const struct launch_folder *folder,
                                 const struct launch_expected *expected, struct model **out,
                                 struct train_cross *cross, struct err *err) MUST_CHECK;

#endif
