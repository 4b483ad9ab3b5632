/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of a registry. Those that were revoked stay listed until their room is needed. */
#ifndef TOKEN_STORE_H
#define TOKEN_STORE_H

#include "access/token.h"
#include "store/sqlite/db.h"

/*
 * ERR_INVALID: id or patterns; ERR_EXISTS: the id was used before; ERR_LIMIT: there are
 * TOKEN_MAX_COUNT tokens that were not revoked.
 */
enum err_code token_store_add(struct db *db, const struct token *token, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND: there is none, or it was revoked before. */
enum err_code token_store_revoke(struct db *db, const char *id, struct err *err) MUST_CHECK;

/* All of them, the oldest first; the array is the caller's (mem_free), after a failure too. */
enum err_code token_store_list(struct db *db, struct token **out, size_t *n,
                               struct err *err) MUST_CHECK;

/* A number that grows with each change. */
enum err_code token_store_change(struct db *db, int64_t *out, struct err *err) MUST_CHECK;

#endif
