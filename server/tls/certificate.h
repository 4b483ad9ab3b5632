/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate and its key from PEM files: reading them, and finding out whether they will do. */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include "base/err.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include <stdint.h>
#include <time.h>

#define CERTIFICATE_MAX_CHAIN 16 /* certificates from the server's to its root */
#define CERTIFICATE_PIN_CHARS 64

/* TLS 1.2 with forward secrecy and authenticated encryption alone, and TLS 1.3. */
#define TLS_PRIORITIES                                                                             \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-MAC-ALL:+AEAD:-RSA:%SERVER_PRECEDENCE"

struct certificate {
    char *chain; /* PEM; mem, with a NUL */
    char *key;
};

void certificate_release(struct certificate *self);

/*
 * Reads both files and tries a handshake with them, in memory. ERR_INVALID, naming the setting
 * tls_cert or tls_key: a file that cannot be read or used, a key of another certificate, more than
 * CERTIFICATE_MAX_CHAIN certificates. ERR_NOMEM.
 */
enum err_code certificate_read(const char *chain_path, const char *key_path,
                               struct certificate *out, struct err *err) MUST_CHECK;

/*
 * As a handshake wants them; the caller releases each with GnuTLS. `chain` has room for
 * CERTIFICATE_MAX_CHAIN. A code of GnuTLS, negative on failure.
 */
int certificate_import(const struct certificate *self, gnutls_pcert_st *chain, unsigned *n,
                       gnutls_privkey_t *key);

struct certificate_times {
    time_t begin, end; /* outside them clients refuse the certificate */
};

enum err_code certificate_read_times(const struct certificate *self, struct certificate_times *out,
                                     struct err *err) MUST_CHECK;

/* The certificates of authorities in a file, as PEM. ERR_INVALID, naming tls_client_ca: the file
 * cannot be read or holds none. ERR_NOMEM. */
enum err_code certificate_read_authorities(const char *path, char **out,
                                           struct err *err) MUST_CHECK;

/* The public key of the certificate in a file as libcurl pins it: "sha256//" and base64.
 * ERR_INVALID, naming tls_cert; ERR_NOMEM. */
enum err_code certificate_read_pin(const char *path, char out[CERTIFICATE_PIN_CHARS],
                                   struct err *err) MUST_CHECK;

#endif
