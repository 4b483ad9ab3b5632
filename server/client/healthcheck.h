/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated healthcheck: is a server on this machine ready? */
#ifndef HEALTHCHECK_H
#define HEALTHCHECK_H

#include "base/compiler.h"
#include "base/err.h"
#include "client/endpoint.h"

#define HEALTHCHECK_S 2 /* a later answer does not count */

struct healthcheck {
    const char *listen; /* as the server's setting; a Unix socket among the addresses is asked, else
                         * the first of them */
    bool secure;        /* the server has a certificate, so addresses of a network speak TLS */
    const char *pin;    /* its public key (struct endpoint); counts when files.ca is not given */
    struct endpoint_files files;
};

/*
 * Asks the server for /readyz. ERR_OK: it is ready. Any error: it is not, or does not answer in
 * time, or it is another server, or the address or a file is invalid.
 */
enum err_code healthcheck_run(const struct healthcheck *check, struct err *err) MUST_CHECK;

#endif
