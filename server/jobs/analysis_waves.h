/* SPDX-License-Identifier: Apache-2.0 */
/* The earlier versions of a history match, held as long as it is read. */
#ifndef ANALYSIS_WAVES_H
#define ANALYSIS_WAVES_H

#include "documents/analyses/analysis_request.h"
#include "live/models.h"

struct analysis_waves {
    int n;
    struct served **held; /* [n] */
};

/* Sets the waves of a request of a model. A zeroed one may be released. ERR_NOT_FOUND: there is no
 * such version; errors of models_get and analysis_request_add_wave. */
enum err_code analysis_waves_hold(struct analysis_waves *waves, struct models *models,
                                  const char *model, struct analysis_request *request,
                                  struct err *err) MUST_CHECK;
void analysis_waves_release(struct analysis_waves *waves);

#endif
