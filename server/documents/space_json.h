/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document of a model's input space, and back:
 *
 *   {"inputs":[{"name":"k", "unit":"W/m/K", "type":"real", "bounds":[0.1,2], "default":0.4,
 *               "distribution":{"kind":"uniform","low":0.1,"high":2}},
 *              {"name":"mesh", "type":"category", "values":["coarse","fine"]}, ..],
 *    "outputs":[{"name":"T", "unit":"K", "positive":true}, ..]}
 *
 * A name alone stands for an object with that name, and the kind alone for a distribution without
 * parameters; limits of a distribution are the bounds where they are not given.
 */
#ifndef SPACE_JSON_H
#define SPACE_JSON_H

#include "formats/json_write.h"
#include "model/space.h"

#include <jansson.h>

#define SPACE_JSON_MAX_BYTES ((size_t)4 << 20) /* of a document's text */

/* A checked space with one reference. Errors name the place, as "inputs[2].bounds". */
enum err_code space_json_read(const json_t *document, struct space **out,
                              struct err *err) MUST_CHECK;

/* The same from text. ERR_TOO_LARGE beyond SPACE_JSON_MAX_BYTES. */
enum err_code space_json_parse(const char *text, size_t len, struct space **out,
                               struct err *err) MUST_CHECK;

/* {"inputs":["k","T"],"outputs":["y"]}: a space of names alone. */
enum err_code space_json_read_names(const json_t *names, struct space **out,
                                    struct err *err) MUST_CHECK;

void space_json_write(struct json_write *json, const char *key, const struct space *space);

/* {"inputs":[..],"outputs":[..]}, the names alone. */
void space_json_write_names(struct json_write *json, const char *key, const struct space *space);

#endif
