/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures on terminals that can show them, by the graphics protocol of kitty, which WezTerm,
 * Ghostty and Konsole know too. */
#ifndef PICTURE_H
#define PICTURE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

/* Does the environment name a terminal of which that is known? */
bool picture_can_show(void);

/* Writes a PNG of n bytes to the terminal. ERR_NOMEM. */
enum err_code picture_show(struct arena *arena, const char *bytes, size_t n, FILE *out,
                           struct err *err) MUST_CHECK;

#endif
