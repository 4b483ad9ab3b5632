/* SPDX-License-Identifier: Apache-2.0 */
#include "client/healthcheck.h"

#include "base/address.h"
#include "client/connection.h"

#include <string.h>

/* The zone of an IPv6 address, fe80::1%eth0, is written with %25 in a URL (RFC 6874). */
static void put_url(struct textbuf *url, const struct address *address)
{
    bool v6 = strchr(address->host, ':') != NULL;
    textbuf_puts(url, v6 ? "http://[" : "http://");
    for (const char *c = address->host; *c != '\0'; c++) {
        if (*c == '%') {
            textbuf_puts(url, "%25");
        } else {
            textbuf_put(url, c, 1);
        }
    }
    textbuf_printf(url, v6 ? "]:%s" : ":%s", address->port);
}

enum err_code healthcheck_run(const char *listen, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct textbuf url = textbuf_in(&arena);
    struct connection *connection = NULL;
    struct answer answer = {.status = 0};
    struct call call = {.method = "GET", .path = "/readyz", .total_s = HEALTHCHECK_S};
    struct address address;
    if (address_parse(listen, &address, err) != ERR_OK) {
        return err->code;
    }
    put_url(&url, &address);
    if (textbuf_failed(&url)) {
        err_set(err, ERR_NOMEM, "no memory for the address");
    } else if (connection_open(url.data, &connection, err) == ERR_OK &&
               connection_call(connection, &call, &answer, err) != ERR_OK) {
        err_prefix(err, "%.60s is not ready", listen);
    }
    answer_release(&answer);
    connection_close(connection);
    arena_release(&arena);
    return err->code;
}
