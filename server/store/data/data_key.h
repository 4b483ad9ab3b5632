/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency keys of uploads. A client that repeats an upload with its key, because it saw no
 * answer, is given the answer that was stored with the key the first time.
 */
#ifndef DATA_KEY_H
#define DATA_KEY_H

#include "store/data/data_append.h"

/*
 * The answer stored with a key. payload: [32], SHA-256 of what the client sent. ERR_NOT_FOUND: the
 * key is new or too old, or there is no such model. ERR_REUSED: it came with another payload.
 */
enum err_code data_store_find_key(struct db *db, const char *model, const char *key,
                                  const unsigned char *payload, struct data_append_result *out,
                                  struct err *err) MUST_CHECK;

/* ---- inside a transaction of the caller's ---- */

/* As data_store_find_key. */
enum err_code data_key_find(struct conn *conn, int64_t model, const char *key,
                            const unsigned char *payload, struct data_append_result *out,
                            struct err *err) MUST_CHECK;

/* Stores an answer. Replaces that of a key which is too old to be found. */
enum err_code data_key_insert(struct conn *conn, int64_t model, const char *key,
                              const unsigned char *payload, const struct data_append_result *answer,
                              struct err *err) MUST_CHECK;

/* Deletes some of the keys that are too old to be found. */
enum err_code data_key_sweep(struct conn *conn, struct err *err) MUST_CHECK;

#endif
