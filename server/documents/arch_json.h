/* SPDX-License-Identifier: Apache-2.0 */
/* The `architecture` object of model documents and training requests. */
#ifndef ARCH_JSON_H
#define ARCH_JSON_H

#include "formats/json_write.h"
#include "documents/json_fields.h"
#include "network/arch.h"

#include <jansson.h>

/* Its keys, which belong to a training request as well. */
extern const struct json_fields arch_json_fields;

/*
 * Reads an object over the defaults that *arch holds. `complete`, for a model document: inputs,
 * outputs, width and layers must be there; otherwise they stay as they are. Unknown keys are
 * refused.
 */
enum err_code arch_json_read(const json_t *object, bool complete, struct arch *arch,
                             struct err *err) MUST_CHECK;

/* Every member; inputs and outputs only when above 0. */
void arch_json_write(struct json_write *json, const char *key, const struct arch *arch);

/* The same without width, layers or basis where they are not known yet. */
struct arch_json_part {
    bool width, layers, basis;
};
void arch_json_write_part(struct json_write *json, const char *key, const struct arch *a,
                          struct arch_json_part part);

#endif
