/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a request is meant for and which page sent it. A page in a browser can send requests to any
 * server that its user can reach, this machine's too. Two things in a request show it:
 *
 * - `Host`. When a page's own name is made to lead to this server (DNS rebinding), the browser
 *   takes both for one site and lets the page read everything. But it still sends the page's name.
 *   A name that is not one of ours is refused with 421. Numeric addresses cannot be rebound.
 * - `Origin` and `Sec-Fetch-Site`, which pages cannot change. A request that may change something
 *   is refused with 403 when it comes from a page of another site. Programs such as curl send
 *   neither and are not concerned.
 *
 * Pages of other sites may read answers only when their origin is listed in `cors_origins`.
 */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "base/address.h"
#include "base/config.h"
#include "http/exchange.h"

/* Adds the headers that keep a browser from doing more with an answer than showing it, where the
 * handler has not set them. What has an ETag may be kept by caches. */
void origin_add_limits(struct response *res);

/* Borrows the lists of the config. */
struct origin_rules {
    struct address_list listen;
    bool listens_everywhere;          /* a listen address stands for all of the machine */
    char machine[ADDRESS_HOST_CHARS]; /* its name; "" when it has none */
    const char *hosts;                /* other names, separated by commas; "*": any */
    const char *cors_origins;         /* "none", or origins separated by commas */
};

/* ERR_INVALID: a list of the config holds something other than hosts or origins. */
enum err_code origin_rules_init(struct origin_rules *rules, const struct config *config,
                                struct err *err) MUST_CHECK;

/*
 * ERR_MISDIRECTED or ERR_FORBIDDEN: the request must be refused. A browser's preflight request for
 * a listed origin is answered here; the response then has a status. `is_probe`: the request is a
 * health probe, which orchestrators send to whatever numeric address the server has.
 */
enum err_code origin_check(const struct origin_rules *rules, const struct request *req,
                           bool is_probe, struct response *res, struct err *err) MUST_CHECK;

/* Adds the headers by which a page of a listed origin may read the answer. */
void origin_allow(const struct origin_rules *rules, const struct request *req,
                  struct response *res);

#endif
