/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 through GnuTLS: identities of versions and rows, checks of blobs. */
#ifndef DIGEST_H
#define DIGEST_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define SHA256_BYTES     32
#define DIGEST_HEX_CHARS (2 * SHA256_BYTES)

/* out: [32]. ERR_INTERNAL when the library refuses. */
enum err_code digest_sha256(const void *bytes, size_t n_bytes, unsigned char *out,
                            struct err *err) MUST_CHECK;
/* hex: [DIGEST_HEX_CHARS + 1], NUL-terminated, lower case. */
void digest_hex(const unsigned char *digest, char *hex);

/* The same over bytes that come in pieces. A zeroed struct may be closed. */
struct digest {
    void *state;
};

enum err_code digest_open(struct digest *digest, struct err *err) MUST_CHECK;
enum err_code digest_add(struct digest *digest, const void *bytes, size_t n_bytes,
                         struct err *err) MUST_CHECK;
/* out: [32], or NULL when it is not wanted any more. */
void digest_close(struct digest *digest, unsigned char *out);

/* Bytes that nobody can guess. ERR_INTERNAL. */
enum err_code digest_random(void *bytes, size_t n_bytes, struct err *err) MUST_CHECK;

/* Compares two digests, [32] each, in a time that does not depend on them. */
bool digest_is_equal(const unsigned char *a, const unsigned char *b);

/* The same of n bytes. */
bool digest_is_same_secret(const void *a, const void *b, size_t n);

/* Overwrites a secret; the compiler does not leave it out. */
void digest_forget(void *bytes, size_t n_bytes);

#endif
