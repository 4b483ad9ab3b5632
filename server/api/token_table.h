/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of the registry and of a file, in memory. Both are looked at again once a second while
 * requests come, so that a token that was made or revoked counts without a restart. A source that
 * cannot be read keeps the tokens that it had, and does not keep the other one from being read.
 */
#ifndef TOKEN_TABLE_H
#define TOKEN_TABLE_H

#include "base/log.h"
#include "access/token.h"
#include "store/sqlite/db.h"

struct token_table;

/* Reads both. path: of the file, borrowed; NULL: there is none. Errors of the file and the
 * registry. */
enum err_code token_table_new(struct db *db, const char *path, const struct log *log,
                              struct token_table **out, struct err *err) MUST_CHECK;
void token_table_free(struct token_table *table); /* NULL is fine */

/* Looks at both when a second has passed since the last look and no other thread is looking. */
void token_table_refresh(struct token_table *table, int64_t now_ns);

/*
 * Looks at both now, after any look of another thread: what was changed before is in force when
 * this returns. A fault is logged, and the look is repeated by the next request.
 */
void token_table_look(struct token_table *table);

/* How many tokens there are, and a number that grows with each change of them. */
size_t token_table_count(const struct token_table *table);
int64_t token_table_generation(const struct token_table *table);

/* Is one of them neither expired nor revoked? */
bool token_table_has_good(struct token_table *table);

/* Copies the token of an id of n characters; *out has an empty id when there is none. */
void token_table_find(struct token_table *table, const char *id, size_t n, struct token *out);

/* As in access/limits.h, for the token of an id; without it nothing is counted. */
bool token_table_admit(struct token_table *table, const char *id, const struct limits *limits,
                       struct excess *excess);
void token_table_end(struct token_table *table, const char *id);
void token_table_charge(struct token_table *table, const char *id, const struct limits *limits,
                        enum limit limit, int64_t n);

#endif
