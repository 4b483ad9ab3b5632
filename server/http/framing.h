/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request ends, when its headers leave that in doubt. A proxy in front may read such a
 * request otherwise than the library does, and a second request that was hidden in the first one's
 * body would then be run for somebody else (RFC 9112, sections 2.2, 5 and 6.3; "request
 * smuggling"). In doubt a request is refused and its connection closed.
 *
 * Some faults cannot be seen here, because the library (0.9.75) hides them; http/head_check.h finds
 * them.
 */
#ifndef FRAMING_H
#define FRAMING_H

#include "http/exchange.h"

/* How the version stands in the request line: "HTTP/1.1". ERR_SYNTAX says what is in doubt. */
enum err_code framing_check(const struct request *req, const char *version,
                            struct err *err) MUST_CHECK;

/* Does nothing say where the body ends, though the method usually has one? Then there is none, and
 * nothing that follows on the connection may be read. */
bool framing_is_open(const struct request *req);

/* Does the head announce a body that is not empty? */
bool framing_has_body(const struct request *req);

/*
 * Sets ERR_TOO_LARGE when the announced length is over the limit. True: answer now, before the
 * body, because the client waits for permission (Expect) or would send more than is worth reading.
 * A client that just sends would see a reset instead of the answer, so a body that is only somewhat
 * too long is read first.
 */
bool framing_refuses_length(const struct request *req, size_t limit, struct err *err);

#endif
