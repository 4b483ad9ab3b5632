/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which outputs an answer should have. Key "outputs": a text of parts that commas separate, or an
 * array of such parts and of numbers. A part is the name of an output, its number, or a range
 * first:end or first:end:step without its end, any of which may be left out. Key "within": for each
 * coordinate of the points of a field its lowest and highest value, [[0,0.5],[1,2]] or the text
 * "0:0.5,1:2"; an end that is null or empty has no limit.
 *
 *   {"outputs":"0:100"}   {"outputs":["T_in",17]}   {"within":[[0,0.5],[null,1]]}
 *   ?outputs=0:100        ?outputs=T_in,17          ?within=0:0.5,:1
 */
#ifndef OUTPUT_CHOICE_H
#define OUTPUT_CHOICE_H

#include "predict/predict.h"

#include <jansson.h>

/*
 * Sets outputs and n_outputs of a request, in the arena; absent keys (NULL): all. ERR_INVALID
 * naming a part that no output has, an output that was chosen twice, or a choice without any
 * output. ERR_NOMEM.
 */
enum err_code output_choice_read(const json_t *outputs, const json_t *within,
                                 const struct model *model, struct arena *arena,
                                 struct predict_request *predict, struct err *err) MUST_CHECK;

#endif
