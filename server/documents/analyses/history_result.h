/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a history match found:
 *
 *   {"kind":"history","model":"heat","version":3,"version_digest":"..","draws":100,"evaluations":1e7,
 *    "waves":[{"version":1,"share":0.31,"sampling_error":0.001,"lower":..,"upper":..}, ..],
 *    "least":0.02,"best":[0.41,0.7],
 *    "inputs":[{"name":"k","values":[..],"depth":[..],"minimum":[..]}, ..],
 *    "pairs":[{"inputs":["k","h"],"depth":[[..]],"minimum":[[..]]}, ..],
 *    "points":[[0.4,0.6], ..],"implausibility":[0.3, ..],"warnings":[".."],"request":{..}}
 *
 * `share` is what is left of the space after a wave and those before. The rows of a pair's matrices
 * belong to the values of its first input. A cell without points has null.
 */
#ifndef HISTORY_RESULT_H
#define HISTORY_RESULT_H

#include "documents/analyses/analysis_result.h"

void history_result_write(struct textbuf *text, const struct analysis_request *request,
                          const struct analysis_origin *origin,
                          const struct history_result *result);

#endif
