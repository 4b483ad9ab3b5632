/* SPDX-License-Identifier: Apache-2.0 */
/* The posterior of a model as JSON, whole or told of in a line. */
#ifndef POSTERIOR_JSON_H
#define POSTERIOR_JSON_H

#include "base/textbuf.h"
#include "model/model.h"

void posterior_json_write(struct textbuf *text, const struct model *model);

/* {"kind":"draws"}, or {"kind":"gaussian",..} without its members. */
void posterior_json_write_kind(struct textbuf *text, const struct model *model);

#endif
