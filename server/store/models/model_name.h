/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_NAME_H
#define MODEL_NAME_H

#include <stdbool.h>

#define NAME_MAX_CHARS 64

/* Is this text a legal model name? */
bool model_name_is_valid(const char *name);

#endif
