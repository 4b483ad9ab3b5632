/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's certificate and key, as they are in their files now: a renewed certificate is taken
 * over without a restart, and connections that are open keep theirs. TLS 1.2 and 1.3 by GnuTLS.
 */
#ifndef TLS_H
#define TLS_H

#include "base/err.h"
#include "base/log.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include <stdbool.h>
#include <stddef.h>

struct tls_settings {
    const char *cert;      /* PEM file: the certificate, then those that signed it */
    const char *key;       /* PEM file of its private key, not encrypted */
    const char *client_ca; /* PEM file; clients need a certificate signed by one of these; or "" */
    struct log *log;
};

struct tls;

/* Is one of the files named? Then all that TLS needs must be: a key without a certificate must not
 * mean plain HTTP. */
bool tls_is_asked_for(const struct tls_settings *settings);

/* ERR_INVALID, naming the setting: a file that cannot be read or used, a key of another
 * certificate. ERR_NOMEM. */
enum err_code tls_open(const struct tls_settings *settings, struct tls **out,
                       struct err *err) MUST_CHECK;
void tls_close(struct tls *tls); /* NULL is fine; no handshake may be under way */

/* Reads the files again if they have changed, or in any case with `force`. Files that cannot be
 * used are logged, and what was there before stays. For one thread. */
void tls_refresh(struct tls *tls, bool force);

/* The certificates that clients must be signed by, as PEM; NULL: clients need none. */
const char *tls_client_ca(const struct tls *tls);

/* Certificate and key for a handshake; the arguments are those of a gnutls_certificate_retrieve_
 * function3, without the session. Any thread. 0, or -1: there is no memory. */
int tls_retrieve(struct tls *tls, gnutls_pcert_st **certs, unsigned *n_certs,
                 gnutls_privkey_t *key);

/* Has the client of this session shown a certificate that is good? */
bool tls_knows_client(gnutls_session_t session);

/* Sends the last words of a session, as far as the system takes them at once, and that it ends.
 * Only the thread that serves the session may do so, while nothing else of an answer is on its way.
 */
void tls_send_last(gnutls_session_t session, const char *text, size_t n);

#endif
