/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a text table: its columns, and their names if it has any. */
#ifndef TEXT_HEADER_H
#define TEXT_HEADER_H

#include "formats/text/text_field.h"
#include "formats/text/text_table.h"

/*
 * Reads up to the first row: settles the dialect, n_fields, k, first_column, names and left_out of
 * the reader, and leaves the cursor at the first row. n_fields stays 0 when the text holds no
 * record. Errors are those of text_table_read_piece.
 */
enum err_code text_header_read(struct text_table_reader *reader, struct text_cursor *c,
                               struct err *err) MUST_CHECK;

#endif
