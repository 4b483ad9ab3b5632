/* SPDX-License-Identifier: Apache-2.0 */
/* What may be written where: width and colours of a terminal, text from elsewhere made harmless. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "base/textbuf.h"

#include <stdbool.h>
#include <stdio.h>

enum terminal_style { STYLE_BOLD, STYLE_GOOD, STYLE_BAD, STYLE_BAR };

bool terminal_is(FILE *file);

/* Is `file` a terminal on which a line may be drawn over? Not with TERM=dumb. */
bool terminal_can_redraw(FILE *file);

/* May `file` be sent escape sequences? A terminal, not dumb, and NO_COLOR is not set. */
bool terminal_has_styles(FILE *file);

/* Columns of the terminal behind `file`, at this moment; COLUMNS or 80 when it does not say. */
int terminal_width(FILE *file);

/* The sequences around styled text; empty where `file` takes none. */
const char *terminal_on(FILE *file, enum terminal_style style);
const char *terminal_off(FILE *file);

/*
 * Appends `text` so that it cannot act on a terminal: control characters, bytes that are no UTF-8
 * and marks that turn the direction of writing become \xNN or \u{N}.
 */
void terminal_escape(struct textbuf *out, const char *text);

/* Columns that UTF-8 text takes. */
int terminal_columns(const char *text);

/* Bytes of the longest beginning of `text` that takes at most `columns`. */
size_t terminal_cut(const char *text, int columns);

#endif
