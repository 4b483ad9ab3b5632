/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DATA_KEY_H
#define DATA_KEY_H

#include "store/data/data_append.h"

struct conn;

/* The answer a key had; ERR_NOT_FOUND: none, or no such model; ERR_REUSED. */
enum err_code data_store_find_key(struct db *db, const char *model, const char *key,
                                  const unsigned char *payload, struct data_append_result *out,
                                  struct err *err) MUST_CHECK;

/* ---- inside a transaction of the caller's ---- */

/* As data_store_find_key. */
enum err_code data_key_find(struct conn *conn, int64_t model, const char *key,
                            const unsigned char *payload, struct data_append_result *out,
                            struct err *err) MUST_CHECK;

/* Stores the answer of a key, in place of one that is over. */
enum err_code data_key_insert(struct conn *conn, int64_t model, const char *key,
                              const unsigned char *payload, const struct data_append_result *answer,
                              struct err *err) MUST_CHECK;

enum err_code data_key_sweep(struct conn *conn, struct err *err) MUST_CHECK;

#endif
