/* SPDX-License-Identifier: Apache-2.0 */
/* Why a field of a text table is no number, as far as its looks tell. */
#ifndef TEXT_HINT_H
#define TEXT_HINT_H

#include "formats/text/text_table.h"

#include <stddef.h>

#define TEXT_HINT_MAX 132 /* bytes */

/* "; thousands are not separated", or "" where nothing can be told. out [TEXT_HINT_MAX]. */
void text_hint_of_field(const struct text_table_reader *reader, const char *field, size_t len,
                        char *out);

#endif
