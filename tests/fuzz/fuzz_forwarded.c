/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For whom a proxy asks: the setting `proxies` in the first line, `proxy_header` in the second, and
 * then the values of that header, one a line. A value may hold any byte but a line feed and NUL.
 */
#include "driver.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "access/proxies.h"
#include "base/mem.h"
#include "http/forwarded.h"
#include "lines.h"

#define MAX_LINES 8
#define LONG_TEXT 8192 /* an input, and what a proxy puts behind it */

const struct seed fuzz_seeds[] = {
    SEED("127.0.0.1\nX-Forwarded-For\n198.51.100.7\n"),
    SEED("10.0.0.0/8, ::1\nX-Forwarded-For\n198.51.100.7, 10.0.0.1\n10.1.2.3:443, [::1]:80\n"),
    SEED("2001:db8::/32,unix:\nForwarded\nfor=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\"\n"),
    SEED("127.0.0.1/32\nForwarded\nproto=https;for=\"198.51.100.7\";by=_hidden\nfor=unknown\n"),
    SEED("::ffff:10.0.0.0/104\nForwarded\nfor=\"a\\\"b, for=10.0.0.1\n"),
    SEED("none\nX-Forwarded-For\n,, ,\t198.51.100.7 ,\n"),
    SEED("128.0.0.0/1\nX-Forwarded-For\n10.0.0.1, 192.0.2.1, 192.0.2.2,192.0.2.3\n"),
    SEEDS_END};

const struct seed fuzz_words[] = {
    SEED("for="),         SEED("For=\""),  SEED("\\\""),      SEED("\\\\\""),  SEED("\", "),
    SEED(";proto=https"), SEED(";for="),   SEED("by=_x"),     SEED("unknown"), SEED("unix:"),
    SEED("10.0.0.1"),     SEED("[::1]:1"), SEED("::ffff:"),   SEED("::"),      SEED("/8"),
    SEED("/128"),         SEED(", "),      SEED("Forwarded"), SEED(":443"),    SEEDS_END};

/* ---- the setting ---- */

/* Each net, written as a setting again, is read as the same. */
static void check_nets(const struct proxies *proxies)
{
    for (int i = 0; i < proxies->n; i++) {
        const struct proxy_net *net = &proxies->nets[i];
        struct err err = ERR_INIT;
        struct proxies again;
        union proxies_address first = {.v6 = {.sin6_family = AF_INET6}};
        char number[INET6_ADDRSTRLEN];
        char text[INET6_ADDRSTRLEN + 8];
        memcpy(&first.v6.sin6_addr, net->bytes, sizeof net->bytes);
        if (!proxies_trust(proxies, &first.any) || net->n_bits < 1 || net->n_bits > 128 ||
            inet_ntop(AF_INET6, &first.v6.sin6_addr, number, sizeof number) == NULL) {
            abort();
        }
        snprintf(text, sizeof text, "%s/%d", number, net->n_bits);
        if (proxies_parse(text, PROXIES_USUAL, &again, &err) != ERR_OK || again.n != 1 ||
            again.nets[0].n_bits != net->n_bits ||
            memcmp(again.nets[0].bytes, net->bytes, sizeof net->bytes) != 0) {
            abort();
        }
    }
}

static void read_proxies(const char *list, const char *header, struct proxies *out)
{
    struct err err = ERR_INIT;
    if (proxies_parse(list, header, out, &err) == ERR_OK) {
        check_nets(out);
        return;
    }
    if (err_msg(&err)[0] == '\0') {
        abort();
    }
    struct err usual = ERR_INIT;
    bool forwarded = strcasecmp(header, PROXIES_FORWARDED) == 0;
    if (proxies_parse("10.0.0.0/8, ::1", forwarded ? header : PROXIES_USUAL, out, &usual) !=
        ERR_OK) {
        abort();
    }
}

/* ---- the header ---- */

static void check_client(const struct proxies *proxies, const struct request *req)
{
    union proxies_address client;
    bool readable = forwarded_find_client(proxies, req, &client);
    sa_family_t family = client.any.sa_family;
    if (family != 0 && family != AF_INET && family != AF_INET6) {
        abort();
    }
    /* What cannot be read is put down to the proxy that wrote it, and to nobody else. */
    if (!readable && family != 0 && !proxies_trust(proxies, &client.any)) {
        abort();
    }
}

/*
 * What matters most: whatever a client writes, it is the address that the proxy puts behind it.
 * That may stand in the client's last line or in one of its own, and further proxies may follow.
 */
static void check_proxy_is_believed(const struct proxies *proxies, struct request *req,
                                    struct header *last, bool own_line)
{
    static const char *const appended[2][4] = {
        {"203.0.113.9", "203.0.113.9:4711", " 203.0.113.9\t, 10.0.0.1", "203.0.113.9,10.0.0.1:80"},
        {"for=203.0.113.9", "by=_x;For=\"203.0.113.9:4711\" ; proto=https",
         "for=203.0.113.9;secret=\"a\\\\\", for=\"10.0.0.1\"",
         "secret=\"x;for=10.0.0.1, \\\"\";for=203.0.113.9,for=10.0.0.1:80"}};
    char text[LONG_TEXT];
    struct header kept = *last;
    int n_headers = req->n_headers;
    union proxies_address hop = {.v4 = {.sin_family = AF_INET}};
    union proxies_address client;
    if (inet_pton(AF_INET, "203.0.113.9", &hop.v4.sin_addr) != 1 ||
        proxies_trust(proxies, &hop.any)) {
        return;
    }
    inet_pton(AF_INET, "10.0.0.1", &client.v4.sin_addr);
    client.v4.sin_family = AF_INET;
    int n_appended = proxies_trust(proxies, &client.any) ? 4 : 2;
    for (int i = 0; i < n_appended; i++) {
        const char *own = appended[proxies->forwarded][i];
        struct header *line = own_line ? last + 1 : last;
        snprintf(text, sizeof text, own_line ? "%s%s" : "%s, %s", own_line ? "" : kept.value, own);
        *line = (struct header){kept.name, text};
        req->n_headers = n_headers + own_line;
        if (!forwarded_find_client(proxies, req, &client) || client.any.sa_family != AF_INET ||
            client.v4.sin_addr.s_addr != hop.v4.sin_addr.s_addr) {
            abort();
        }
        *last = kept;
        req->n_headers = n_headers;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct header headers[MAX_LINES + 1];
    struct request req = {.headers = headers};
    struct proxies proxies;
    char *rest = arena_strndup(&arena, (const char *)data, size);
    const char *list = next_line(&rest);
    read_proxies(list, next_line(&rest), &proxies);
    const char *name = proxies.forwarded ? "forwarded" : "x-forwarded-for";
    do {
        headers[req.n_headers++] = (struct header){name, next_line(&rest)};
    } while (req.n_headers < MAX_LINES && rest[0] != '\0');
    check_client(&proxies, &req);
    struct header *last = &headers[req.n_headers - 1];
    check_proxy_is_believed(&proxies, &req, last, false);
    check_proxy_is_believed(&proxies, &req, last, true);
    arena_release(&arena);
    return 0;
}
