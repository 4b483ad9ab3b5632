/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server that a command asks: its address, and by which certificates each end knows the other.
 * All texts are borrowed or in the arena that endpoint_parse was given.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>

struct endpoint {
    const char *url;       /* "http://host:port/prefix", without a slash at its end */
    const char *shown;     /* the address for messages, without user and password */
    const char *unix_path; /* the socket to connect to instead of the URL's host; NULL: none */
    const char *tls_ca;    /* PEM files; NULL: those of the system, or none */
    const char *tls_cert;
    const char *tls_key;
    const char *tls_pin; /* the server's key as libcurl pins it; then no authority is asked. NULL */
    bool has_password;   /* the URL has */
};

/* "http://host:port", "https://host", "host:port", "unix:/path". ERR_INVALID, ERR_NOMEM. */
enum err_code endpoint_parse(const char *server, struct arena *arena, struct endpoint *out,
                             struct err *err) MUST_CHECK;

/* Does it speak TLS? */
bool endpoint_is_secure(const struct endpoint *endpoint);

/* Can somebody between here and there read what is sent? */
bool endpoint_is_exposed(const struct endpoint *endpoint);

/* What lets others in must not be readable on the way, unless somebody says that it may.
 * ERR_INVALID, with the ways out. */
enum err_code endpoint_check_exposure(const struct endpoint *endpoint, bool has_token,
                                      struct err *err) MUST_CHECK;

struct endpoint_files {
    const char *ca, *cert, *key; /* NULL or "": not given */
};

/*
 * Takes the files over when the server speaks TLS. A key that is not given is in the file of the
 * certificate. ERR_INVALID, naming the option: a file that cannot be read or is no PEM file, a key
 * without a certificate.
 */
enum err_code endpoint_set_files(struct endpoint *endpoint, const struct endpoint_files *files,
                                 struct err *err) MUST_CHECK;

#endif
