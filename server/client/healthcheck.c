/* SPDX-License-Identifier: Apache-2.0 */
#include "client/healthcheck.h"

#include "client/connection.h"

#include <string.h>

/* Is it "host:port" or "[v6]:port", and nothing that would mean something else in a URL? */
static bool is_address(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || colon == listen || colon[1] == '\0' ||
        colon[1 + strspn(colon + 1, "0123456789")] != '\0' || strpbrk(listen, "/@?# ") != NULL) {
        return false;
    }
    bool brackets = listen[0] == '[' && colon[-1] == ']';
    return brackets || strchr(listen, ':') == colon;
}

/* The zone of an IPv6 address, fe80::1%eth0, is written with %25 in a URL (RFC 6874). */
static void put_url(struct textbuf *url, const char *listen)
{
    textbuf_puts(url, "http://");
    for (const char *c = listen; *c != '\0'; c++) {
        if (*c == '%') {
            textbuf_puts(url, "%25");
        } else {
            textbuf_put(url, c, 1);
        }
    }
}

enum err_code healthcheck_run(const char *listen, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct textbuf url = textbuf_in(&arena);
    struct connection *connection = NULL;
    struct answer answer = {.status = 0};
    struct call call = {.method = "GET", .path = "/readyz", .total_s = HEALTHCHECK_S};
    if (!is_address(listen)) {
        return err_set(err, ERR_INVALID, "listen is \"%.60s\"; host:port or [v6]:port is needed",
                       listen);
    }
    put_url(&url, listen);
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
