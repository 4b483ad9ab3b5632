/* SPDX-License-Identifier: Apache-2.0 */
/* How far work has come: a bar that is redrawn on a terminal, a line now and then elsewhere. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "base/arena.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *out;
    bool redraws;       /* a terminal */
    int drawn;          /* columns of the line on the terminal; 0: there is none */
    char state[16];     /* as shown last */
    double fraction;    /* as shown last */
    int64_t printed_ns; /* when that was */
};

void progress_begin(struct progress *p, FILE *out);

/* Shows a job as the server describes it. Texts are put into `scratch`, which the caller may clear
 * afterwards. */
void progress_show(struct progress *p, const json_t *job, struct arena *scratch);

/* On a terminal, a line in place of the bar; elsewhere nothing. The text is not escaped. */
void progress_say(struct progress *p, const char *text);

/* Removes the bar or line, so that ordinary lines may follow. */
void progress_end(struct progress *p);

#endif
