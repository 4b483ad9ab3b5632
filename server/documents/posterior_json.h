/* SPDX-License-Identifier: Apache-2.0 */
/* The posterior of a model as JSON, whole or described in one line. */
#ifndef POSTERIOR_JSON_H
#define POSTERIOR_JSON_H

#include "formats/json_write.h"
#include "model/model.h"

void posterior_json_write(struct json_write *json, const char *key, const struct model *model);

/* {"kind":"draws"}, or {"kind":"gaussian",..} with the number of its members. */
void posterior_json_write_kind(struct json_write *json, const char *key, const struct model *model);

#endif
