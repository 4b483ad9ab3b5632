/* SPDX-License-Identifier: Apache-2.0 */
/* How far a job is: a bar that is drawn over on a terminal, a line now and then elsewhere. */
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
    int drawn;          /* columns of the line that stands there; 0: none */
    char state[16];     /* as shown last */
    double fraction;    /* as shown last */
    int64_t printed_ns; /* when */
};

void progress_begin(struct progress *p, FILE *out);

/* Shows a job as the server describes it. `scratch` is for texts and may be cleared afterwards. */
void progress_show(struct progress *p, const json_t *job, struct arena *scratch);

/* On a terminal, a line in the bar's place; elsewhere nothing. Text of the program's own. */
void progress_say(struct progress *p, const char *text);

/* Takes the bar away, so that ordinary lines may follow. */
void progress_end(struct progress *p);

#endif
