/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the server is ready, for every family of routes that is asked. */
#ifndef READINESS_H
#define READINESS_H

#include "api/app.h"

struct readiness_reason {
    int part; /* enum health_part */
    char text[HEALTH_REASON_CHARS];
};

struct readiness {
    struct readiness_reason reasons[HEALTH_N_PARTS];
    int n_reasons; /* 0: it is ready */
};

/* What keeps one part from being ready, of HEALTH_REASON_CHARS; false: nothing. The answer must
 * hold now, so whatever is cheap to check is checked again. */
bool readiness_find_reason(struct app *app, int part, char *out);

/* ERR_DRAINING: the server is stopping; ERR_BUSY: models are being loaded. */
enum err_code readiness_check(struct app *app, struct readiness *out, struct err *err) MUST_CHECK;

#endif
