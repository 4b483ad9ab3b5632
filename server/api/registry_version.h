/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read after write through a balancer. Answers carry X-Registry-Version, the number of the last
 * change that the answer may show (store/sqlite/db_version.h). A request that carries
 * If-Registry-Version-At-Least is handled once this server has reached that number.
 */
#ifndef REGISTRY_VERSION_H
#define REGISTRY_VERSION_H

#include "api/content.h"

/*
 * Calls next(app, ..), on a replica perhaps later: it waits for the number for follow_wait_ms, or
 * for Request-Timeout-Ms if that is shorter. The connection is suspended meanwhile. ERR_BEHIND: the
 * number was not reached; ERR_INVALID: no number; ERR_NOMEM; errors of next.
 */
enum err_code registry_version_await(struct app *app, struct request *req, content_next_fn *next,
                                     struct response *res, struct err *err) MUST_CHECK;

/*
 * Adds X-Registry-Version. `from_file`: the answer was read from the registry file, which on a
 * replica may be ahead of the models in memory. Without memory the header is left out.
 */
void registry_version_tell(struct app *app, const struct request *req, bool from_file,
                           struct response *res);

#endif
