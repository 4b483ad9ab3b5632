/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a prediction that came as text, in a query or as parameters that are no arrays. */
#ifndef OPTION_TEXT_H
#define OPTION_TEXT_H

#include "api/native/prediction_options.h"
#include "formats/json_write.h"
#include "http/exchange.h"

/*
 * Writes the option as the member of a JSON object that prediction_options_read reads. Commas
 * separate the elements of a list. What is no number is written as a string, which that function
 * refuses.
 */
void option_text_write(struct json_write *json, const struct header *option, enum option_form form,
                       struct arena *arena);

#endif
