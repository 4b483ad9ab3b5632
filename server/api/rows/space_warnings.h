/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings about values that are probably not meant. They are stored all the same. */
#ifndef SPACE_WARNINGS_H
#define SPACE_WARNINGS_H

#include "formats/json_write.h"
#include "model/space.h"
#include "store/data/data_append.h"

/*
 * The member "warnings" of an upload's answer, if there are any: one for each input with values
 * outside of its bounds, for each output that has to be positive and is not, and for a first input
 * that only counts the rows. space: NULL, without one.
 */
void space_warnings_write(struct json_write *json, const struct space *space,
                          const struct data_upload *upload);

#endif
