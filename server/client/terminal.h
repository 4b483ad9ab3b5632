/* SPDX-License-Identifier: Apache-2.0 */
/* Width and colours of a terminal, and text from elsewhere made harmless for it. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "base/textbuf.h"

#include <stdbool.h>
#include <stdio.h>

enum terminal_style { STYLE_BOLD, STYLE_GOOD, STYLE_BAD, STYLE_BAR };

bool terminal_is(FILE *file);

/* Is `file` a terminal on which a line can be overwritten? Not with TERM=dumb. */
bool terminal_can_redraw(FILE *file);

/* Columns of the terminal at this moment; if it does not say, those of COLUMNS, or 80. */
int terminal_width(FILE *file);

/* The sequences around styled text; empty where `file` takes none. */
const char *terminal_on(FILE *file, enum terminal_style style);
const char *terminal_off(FILE *file);

/*
 * Appends `text` so that it cannot control a terminal: control characters, bytes that are not UTF-8
 * and marks that change the direction of writing become \xNN or \u{N}.
 */
void terminal_escape(struct textbuf *out, const char *text);

/* Columns that UTF-8 text occupies. */
int terminal_columns(const char *text);

/* Bytes of the longest prefix of `text` that fits in `columns`. */
size_t terminal_cut(const char *text, int columns);

#endif
