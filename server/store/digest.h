/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 through GnuTLS: identities of versions, checks of blobs. */
#ifndef DIGEST_H
#define DIGEST_H

#include "compiler.h"
#include "err.h"

#include <stddef.h>

#define SHA256_BYTES 32

/* out: [32]. ERR_INTERNAL when the library refuses. */
enum err_code digest_sha256(const void *bytes, size_t n_bytes, unsigned char *out,
                            struct err *err) MUST_CHECK;
/* hex: [65], NUL-terminated, lower case. */
void digest_hex(const unsigned char *digest, char *hex);

#endif
