/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an analysis found:
 *
 *   {"kind":"sobol","model":"heat","version":3,"draws":100,"replicates":16,"evaluations":1e7,
 *    "tables":[{"name":"first","axes":[{"name":"output","labels":["T"]},
 *                                      {"name":"input","labels":["k","h"]}],
 *               "estimate":[[0.31,0.44]],"sampling_error":[[..]],"surrogate_error":[[..]],
 *               "lower":[[..]],"upper":[[..]]}, ..],
 *    "request":{..}}
 *
 * Arrays are nested in the order of the axes; a table without axes has numbers. A number that is
 * not defined is null.
 */
#ifndef ANALYSIS_RESULT_H
#define ANALYSIS_RESULT_H

#include "documents/analyses/analysis_request.h"

/* What the result is of. */
struct analysis_origin {
    const char *model;
    int64_t version;
    const char *version_digest;
    const char *request; /* JSON */
};

void analysis_result_write(struct textbuf *text, const struct analysis_request *request,
                           const struct analysis_origin *origin,
                           const struct analyse_result *result);

#endif
