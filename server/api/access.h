/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what. Tokens come from the registry or from a file (api/token_table.h).
 *
 * No token is needed while the server listens only on loopback addresses and on Unix sockets that
 * its own user alone may write to. Elsewhere, or with require_tokens, every request except health
 * probes needs one. With insecure no token is needed until the first one is made; from then on one
 * is needed, even after the last one is revoked.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include "base/config.h"
#include "base/log.h"
#include "access/token.h"
#include "http/exchange.h"
#include "store/sqlite/db.h"

#define ACCESS_LOOPBACK "loopback" /* who a client without a token is, in the audit log */
#define ACCESS_ANYBODY  "anybody"  /* the same when the server listens elsewhere, with --insecure */

struct access;

/*
 * Reads the tokens. ERR_INVALID: the server would be open to a network, or closed to all; the
 * message says what to do. Other errors: of the file and the registry.
 */
enum err_code access_new(const struct config *config, struct db *db, const struct log *log,
                         struct access **out, struct err *err) MUST_CHECK;
void access_free(struct access *access); /* NULL is fine */

/*
 * Finds out who asks: req->caller. ERR_UNAUTHORIZED: a token is needed, and this is none. *role:
 * what it may do; ROLE_ADMIN when no token is needed. NULL for access: all may do everything.
 */
enum err_code access_identify(struct access *access, struct request *req, enum role *role,
                              struct err *err) MUST_CHECK;

/* Must whoever asks have a token? NULL: nobody must. */
bool access_asks(const struct access *access);

/* Does what access_identify found still hold? No: tokens have changed since, or it has expired. */
bool access_still_holds(const struct access *access, const struct request *req);

/* The tokens, whose uses are counted by api/quota.h; NULL for NULL. */
struct token_table *access_tokens(struct access *access);

/* May this request name the model? */
bool access_sees(const struct request *req, const char *model);

/* ERR_FORBIDDEN, naming the model. */
enum err_code access_check_model(const struct request *req, const char *model,
                                 struct err *err) MUST_CHECK;

/* The tokens of registry or file may have changed: what was changed before is in force when this
 * returns. NULL is fine. */
void access_renew(struct access *access);

#endif
