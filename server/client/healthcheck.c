/* SPDX-License-Identifier: Apache-2.0 */
#include "client/healthcheck.h"

#include "base/address.h"
#include "client/connection.h"

#include <string.h>

/* The zone of an IPv6 address, fe80::1%eth0, is written with %25 in a URL (RFC 6874). */
static void put_url(struct textbuf *url, const struct address *address, bool secure)
{
    bool v6 = strchr(address->host, ':') != NULL;
    if (address->path[0] != '\0') {
        textbuf_printf(url, "unix:%s", address->path);
        return;
    }
    textbuf_printf(url, "http%s://%s", secure ? "s" : "", v6 ? "[" : "");
    for (const char *c = address->host; *c != '\0'; c++) {
        if (*c == '%') {
            textbuf_puts(url, "%25");
        } else {
            textbuf_put(url, c, 1);
        }
    }
    textbuf_printf(url, v6 ? "]:%s" : ":%s", address->port);
}

static enum err_code find_endpoint(const struct healthcheck *check, struct arena *arena,
                                   struct endpoint *out, struct err *err)
{
    struct textbuf url = textbuf_in(arena);
    struct address_list list;
    if (address_list_parse(check->listen, &list, err) != ERR_OK) {
        return err->code;
    }
    const struct address *local = address_list_find_unix(&list);
    put_url(&url, local != NULL ? local : &list.at[0],
            check->secure || (check->files.ca != NULL && check->files.ca[0] != '\0'));
    if (textbuf_failed(&url)) {
        return err_set(err, ERR_NOMEM, "no memory for the address");
    }
    if (endpoint_parse(url.data, arena, out, err) != ERR_OK ||
        endpoint_set_files(out, &check->files, err) != ERR_OK) {
        return err->code;
    }
    out->tls_pin = out->tls_ca == NULL ? check->pin : NULL;
    return ERR_OK;
}

enum err_code healthcheck_run(const struct healthcheck *check, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct connection *connection = NULL;
    struct answer answer = {.status = 0};
    struct call call = {.method = "GET", .path = "/readyz", .total_s = HEALTHCHECK_S};
    struct endpoint endpoint;
    if (find_endpoint(check, &arena, &endpoint, err) == ERR_OK &&
        connection_open(&endpoint, &connection, err) == ERR_OK &&
        connection_call(connection, &call, &answer, err) != ERR_OK) {
        err_prefix(err, "%.60s is not ready", endpoint.shown);
    }
    answer_release(&answer);
    connection_close(connection);
    arena_release(&arena);
    return err->code;
}
