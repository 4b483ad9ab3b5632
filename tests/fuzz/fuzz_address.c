/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that are addresses, one a line: listen, hosts, cors_origins. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/origin.h"
#include "lines.h"

const struct seed fuzz_seeds[] = {
    SEED("127.0.0.1:8080\nauto\nnone\n"),
    SEED("[::1]:0\nsurrogate.example, surrogate.example:443\nhttps://app.example\n"),
    SEED("localhost:65535\n*\nhttp://[fe80::1]:80, http://a\n"),
    SEED("0.0.0.0:80\n[2001:db8::7], a:1\nhttps://a:1,,http://b\n"),
    SEED("[::ffff:127.0.0.1]:1\n10.0.0.1\nHTTP://A\n"),
    SEED("unix:/run/s.sock\nauto\nnone\n"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("["),         SEED("]"),   SEED("]:"),      SEED("::"),
                                  SEED(":65536"),    SEED(":0"),  SEED("http://"), SEED("https://"),
                                  SEED("127.0.0.1"), SEED("::1"), SEED("*"),       SEED("auto"),
                                  SEED("none"),      SEED(", "),  SEED("@"),       SEED("0x7f.1"),
                                  SEED("localhost"), SEEDS_END};

/* What was read, written as a setting again, must be read as the same. */
static void check_address(const char *text)
{
    struct err err = ERR_INIT;
    struct address first;
    struct address second;
    char again[ADDRESS_HOST_CHARS + ADDRESS_PORT_CHARS + 4];
    if (address_parse(text, &first, &err) != ERR_OK) {
        return;
    }
    if (first.path[0] != '\0') {
        if (first.path[0] != '/' || strlen(first.path) >= ADDRESS_PATH_CHARS) {
            abort();
        }
        return;
    }
    size_t n_port = strlen(first.port);
    snprintf(again, sizeof again, strchr(first.host, ':') != NULL ? "[%s]:%s" : "%s:%s", first.host,
             first.port);
    if (first.host[0] == '\0' || n_port == 0 || strspn(first.port, "0123456789") != n_port ||
        strtol(first.port, NULL, 10) > 65535 || strpbrk(first.host, "/@?#\\ \t") != NULL ||
        address_parse(again, &second, &err) != ERR_OK || strcmp(first.host, second.host) != 0 ||
        strcmp(first.port, second.port) != 0) {
        abort();
    }
    /* 127.0.0.0/8 as it is usually written, and nothing that only begins like it. */
    if (strncmp(first.host, "127.", 4) != 0 && strcasecmp(first.host, "localhost") != 0 &&
        strchr(first.host, ':') == NULL && address_is_loopback(first.host)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct origin_rules rules;
    char *rest = arena_strndup(&arena, (const char *)data, size);
    const char *listen = next_line(&rest);
    const char *hosts = next_line(&rest);
    const char *origins = next_line(&rest);
    check_address(listen);
    config_defaults(&config);
    snprintf(config.listen, sizeof config.listen, "%s", listen);
    snprintf(config.hosts, sizeof config.hosts, "%s", hosts);
    snprintf(config.cors_origins, sizeof config.cors_origins, "%s", origins);
    if (origin_rules_init(&rules, &config, &err) == ERR_OK) {
        struct response res = {.status = 0};
        const char *host = rules.listen.at[0].host;
        struct header headers[] = {{"Host", host[0] != '\0' ? host : "localhost"},
                                   {"Origin", origins}};
        struct request req = {.method = HTTP_POST,
                              .method_text = "POST",
                              .path = "/",
                              .headers = headers,
                              .n_headers = 2};
        /* A number of IPv6 has no brackets here, so it may be refused; nothing else may. */
        if (origin_check(&rules, &req, false, &res, &err) == ERR_MISDIRECTED &&
            strchr(host, ':') == NULL) {
            abort();
        }
    }
    arena_release(&arena);
    return 0;
}
