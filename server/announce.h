/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica tells its primary every announce_s seconds that it is there, and which version of the
 * registry it serves (POST /v1/replicas), so that whoever looks at the primary sees its replicas.
 * Nothing depends on it: a primary that does not answer is logged once.
 */
#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include "api/app.h"

struct announce;

/* port: that of this server. *out NULL: the settings ask for none. ERR_INVALID: the address of the
 * primary, or the files of SURROGATED_TLS_*; ERR_NOMEM. */
enum err_code announce_start(struct app *app, int port, struct announce **out,
                             struct err *err) MUST_CHECK;

/* Waits for a request under way, at most ANNOUNCE_PATIENCE_S. NULL is fine. */
#define ANNOUNCE_PATIENCE_S 3
void announce_stop(struct announce *announce);

#endif
