/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated healthcheck: is a server on this machine ready? */
#ifndef HEALTHCHECK_H
#define HEALTHCHECK_H

#include "base/compiler.h"
#include "base/err.h"

#define HEALTHCHECK_S 2 /* a later answer does not count */

/*
 * Asks the server that listens at "host:port" or "[v6]:port" for /readyz. ERR_OK: it is ready. Any
 * error: it is not, or does not answer in time, or the address is invalid.
 */
enum err_code healthcheck_run(const char *listen, struct err *err) MUST_CHECK;

#endif
