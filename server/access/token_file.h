/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens from a file, as orchestrators mount their secrets. A line is
 *
 *     ID ROLE SECRET [MODELS [EXPIRES]] [LIMIT=N ..]
 *
 * SECRET is the token itself (sgt_ID_..) or sha256:SALT:DIGEST in hexadecimal, the digest being of
 * the 16 bytes of the salt and the 64 digits of the secret. The limits are those of
 * access/limits.def.
 * '#' begins a comment.
 */
#ifndef TOKEN_FILE_H
#define TOKEN_FILE_H

#include "access/token.h"

/*
 * At most TOKEN_MAX_COUNT tokens; the array is the caller's (mem_free), after a failure too. Errors
 * name the line, never what stands in it. ERR_IO, ERR_INVALID, ERR_LIMIT, ERR_NOMEM.
 */
enum err_code token_file_read(const char *path, struct token **out, size_t *n,
                              struct err *err) MUST_CHECK;

#endif
