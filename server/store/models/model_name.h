/* SPDX-License-Identifier: Apache-2.0 */
/* Names of models: [A-Za-z0-9][A-Za-z0-9._-]*, at most NAME_MAX_CHARS characters. */
#ifndef MODEL_NAME_H
#define MODEL_NAME_H

#include <stdbool.h>

#define NAME_MAX_CHARS 64

bool model_name_is_valid(const char *name);

#endif
