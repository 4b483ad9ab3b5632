/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what. Tokens come from the registry and from a file. While requests arrive, both are
 * checked for changes once a second, so that a token that was made or revoked takes effect without
 * a restart.
 *
 * No token is needed while the server listens on a loopback address. Elsewhere, or with
 * require_tokens, every request except health probes needs one. With insecure no token is needed
 * until the first one is made; from then on one is needed, even after the last one is revoked.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include "base/config.h"
#include "base/log.h"
#include "base/token.h"
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
 * Finds out who sends the request, and sets req->who and req->models. ERR_UNAUTHORIZED: a token is
 * needed and the request has no valid one; ERR_RATE: the token has sent too many requests in this
 * second. *role: what it may do; ROLE_ADMIN when no token is needed. NULL for access: all may do
 * everything.
 */
enum err_code access_identify(struct access *access, struct request *req, enum role *role,
                              struct err *err) MUST_CHECK;

/* May this request name the model? */
bool access_sees(const struct request *req, const char *model);

/* ERR_FORBIDDEN, naming the model. */
enum err_code access_check_model(const struct request *req, const char *model,
                                 struct err *err) MUST_CHECK;

/* The tokens of the registry have changed: they are read at the next request. */
void access_notify(struct access *access);

#endif
