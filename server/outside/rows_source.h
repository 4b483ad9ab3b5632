/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a training outside the server, as bytes that are not held in memory: a file, or what
 * a server answers to a GET, which is first written to a file without a name.
 */
#ifndef ROWS_SOURCE_H
#define ROWS_SOURCE_H

#include "base/compiler.h"
#include "base/err.h"

#include <stddef.h>

struct rows_source {
    const void *bytes; /* mapped */
    size_t n;
};

/*
 * from: a path, or an address that begins with http:// or https://. SURROGATED_TOKEN in the
 * environment is the token, SURROGATED_TOKEN_IN_CLEAR=true lets it be sent over plain HTTP to
 * another machine, and SURROGATED_TLS_CA, _CLIENT_CERT and _CLIENT_KEY name the files of TLS, as
 * for the client's commands. ERR_NOT_FOUND, ERR_INVALID, ERR_IO, ERR_FULL; ERR_CONFLICT: the server
 * refuses, and the message says why. ERR_NOMEM. A zeroed one may be closed.
 */
enum err_code rows_source_open(struct rows_source *source, const char *from,
                               struct err *err) MUST_CHECK;
void rows_source_close(struct rows_source *source);

#endif
