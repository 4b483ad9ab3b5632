/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

/* GnuTLS reports a failed allocation by either of two codes. */
static enum err_code failed(int status, struct err *err)
{
    return status == GNUTLS_E_MEMORY_ERROR || status == GNUTLS_E_HASH_FAILED
               ? err_set(err, ERR_NOMEM, "no memory for a SHA-256")
               : err_set(err, ERR_INTERNAL, "SHA-256 failed: %s", gnutls_strerror(status));
}

enum err_code digest_sha256(const void *bytes, size_t n_bytes, unsigned char *out, struct err *err)
{
    int status = gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, n_bytes, out);
    if (status != 0) {
        return failed(status, err);
    }
    return ERR_OK;
}

void digest_hex(const unsigned char *digest, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * SHA256_BYTES] = '\0';
}

enum err_code digest_open(struct digest *digest, struct err *err)
{
    gnutls_hash_hd_t state = NULL;
    int status = gnutls_hash_init(&state, GNUTLS_DIG_SHA256);
    if (status != 0) {
        return failed(status, err);
    }
    digest->state = state;
    return ERR_OK;
}

enum err_code digest_add(struct digest *digest, const void *bytes, size_t n_bytes, struct err *err)
{
    int status = gnutls_hash(digest->state, bytes, n_bytes);
    if (status != 0) {
        return failed(status, err);
    }
    return ERR_OK;
}

void digest_close(struct digest *digest, unsigned char *out)
{
    if (digest->state != NULL) {
        gnutls_hash_deinit(digest->state, out);
        digest->state = NULL;
    }
}

enum err_code digest_random(void *bytes, size_t n_bytes, struct err *err)
{
    int status = gnutls_rnd(GNUTLS_RND_KEY, bytes, n_bytes);
    if (status != 0) {
        return err_set(err, ERR_INTERNAL, "no random numbers: %s", gnutls_strerror(status));
    }
    return ERR_OK;
}

bool digest_is_equal(const unsigned char *a, const unsigned char *b)
{
    return gnutls_memcmp(a, b, SHA256_BYTES) == 0;
}

bool digest_is_same_secret(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a;
    const unsigned char *y = b;
    volatile uint64_t differs = 0; /* or the compiler might stop at the first difference */
    size_t at = 0;
    for (; n - at >= sizeof differs; at += sizeof differs) {
        uint64_t p;
        uint64_t q;
        memcpy(&p, x + at, sizeof p);
        memcpy(&q, y + at, sizeof q);
        differs |= p ^ q;
    }
    for (; at < n; at++) {
        differs |= (uint64_t)(x[at] ^ y[at]);
    }
    return differs == 0;
}

void digest_forget(void *bytes, size_t n_bytes)
{
    gnutls_memset(bytes, 0, n_bytes);
}
