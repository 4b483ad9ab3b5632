/* SPDX-License-Identifier: Apache-2.0 */
#include "client/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/mem.h"

#define MAX_FILE_BYTES ((size_t)1024 * 1024)
#define HTTP           "http://"
#define HTTPS          "https://"

/* ---- the address ---- */

static enum err_code parse_unix(const char *server, struct endpoint *out, struct err *err)
{
    struct address address;
    if (address_parse(server, &address, err) != ERR_OK) {
        /* It speaks of the setting of the server. */
        err_clear(err);
        return err_set(err, ERR_INVALID,
                       "server is \"%.120s\"; unix:/path/of/the/socket is needed, of at most %d "
                       "bytes",
                       server, ADDRESS_PATH_CHARS - 1);
    }
    *out = (struct endpoint){
        .url = HTTP "localhost", .shown = server, .unix_path = address_unix_path(server)};
    return ERR_OK;
}

/* What follows the scheme. */
static const char *skip_scheme(const char *url)
{
    return strstr(url, "://") + strlen("://");
}

/* "http://user:password@host" as "http://host". */
static bool hide_password(const char *url, struct arena *arena, struct endpoint *out)
{
    const char *host = skip_scheme(url);
    size_t len = strcspn(host, "/");
    const char *at = NULL;
    for (size_t i = 0; i < len; i++) {
        at = host[i] == '@' ? host + i : at;
    }
    out->has_password = at != NULL;
    out->shown = at == NULL ? url : arena_printf(arena, "%.*s%s", (int)(host - url), url, at + 1);
    return out->shown != NULL;
}

static char *drop_slashes(char *url)
{
    size_t min = (size_t)(skip_scheme(url) - url);
    for (size_t len = strlen(url); len > min && url[len - 1] == '/'; len--) {
        url[len - 1] = '\0';
    }
    return url;
}

enum err_code endpoint_parse(const char *server, struct arena *arena, struct endpoint *out,
                             struct err *err)
{
    if (address_unix_path(server) != NULL) {
        return parse_unix(server, out, err);
    }
    const char *scheme = strstr(server, "://") != NULL ? "" : HTTP;
    char *url = arena_printf(arena, "%s%s", scheme, server);
    struct endpoint endpoint = {.url = url};
    if (url == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the address");
    }
    if (strncmp(url, HTTP, strlen(HTTP)) != 0 && strncmp(url, HTTPS, strlen(HTTPS)) != 0) {
        return err_set(err, ERR_INVALID,
                       "server is \"%.80s\"; http://host:port, https://host:port or unix:/path is "
                       "needed",
                       server);
    }
    const char *host = skip_scheme(drop_slashes(url));
    if (*host == '\0' || *host == '/') {
        return err_set(err, ERR_INVALID, "server is \"%.80s\"; a host is missing", server);
    }
    if (!hide_password(url, arena, &endpoint)) {
        return err_set(err, ERR_NOMEM, "no memory for the address");
    }
    *out = endpoint;
    return ERR_OK;
}

bool endpoint_is_secure(const struct endpoint *endpoint)
{
    return strncmp(endpoint->url, HTTPS, strlen(HTTPS)) == 0;
}

bool endpoint_is_exposed(const struct endpoint *endpoint)
{
    char name[ADDRESS_HOST_CHARS] = "";
    if (endpoint->unix_path != NULL || endpoint_is_secure(endpoint)) {
        return false;
    }
    const char *host = skip_scheme(endpoint->shown);
    size_t len = strcspn(host, host[0] == '[' ? "]/" : ":/");
    if (host[0] == '[') {
        host++;
        len--;
    }
    if (len < sizeof name) {
        memcpy(name, host, len);
    }
    return !address_is_loopback(name);
}

enum err_code endpoint_check_exposure(const struct endpoint *endpoint, bool has_token,
                                      struct err *err)
{
    if (!endpoint_is_exposed(endpoint) || (!has_token && !endpoint->has_password)) {
        return ERR_OK;
    }
    return err_set(err, ERR_INVALID,
                   "the %s would go to %.80s over plain HTTP, where others can read it; use "
                   "https://, or --token-in-clear in a network that is trusted "
                   "(SURROGATED_TOKEN_IN_CLEAR=true)",
                   has_token ? "token" : "password", endpoint->shown);
}

/* ---- files ---- */

/* Is it a file with such a thing in it? What a library says of its contents differs from one to
 * the other; this is the same for all. */
static enum err_code check_file(const char *option, const char *path, const char *mark,
                                struct err *err)
{
    char *text = mem_alloc(MAX_FILE_BYTES + 1);
    FILE *file = text != NULL ? fopen(path, "re") : NULL;
    if (text == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %s", option);
    }
    errno = file != NULL ? 0 : errno;
    size_t n = file != NULL ? fread(text, 1, MAX_FILE_BYTES, file) : 0;
    if (file == NULL || ferror(file) != 0) {
        err_set(err, ERR_INVALID, "%s %.200s cannot be read: %s", option, path, strerror(errno));
    } else {
        text[n] = '\0';
        if (strstr(text, mark) == NULL) {
            err_set(err, ERR_INVALID, "%s %.200s is no PEM file with a line \"-----BEGIN ..%s\"",
                    option, path, mark);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    explicit_bzero(text, MAX_FILE_BYTES + 1);
    mem_free(text);
    return err->code;
}

static const char *given(const char *file)
{
    return file != NULL && *file != '\0' ? file : NULL;
}

enum err_code endpoint_set_files(struct endpoint *endpoint, const struct endpoint_files *files,
                                 struct err *err)
{
    const char *ca = given(files->ca);
    const char *cert = given(files->cert);
    const char *key = given(files->key);
    if (!endpoint_is_secure(endpoint)) {
        return ERR_OK;
    }
    if (key != NULL && cert == NULL) {
        return err_set(err, ERR_INVALID, "tls-client-key needs tls-client-cert as well");
    }
    if (cert != NULL && key == NULL) {
        key = cert;
    }
    if ((ca != NULL && check_file("tls-ca", ca, "CERTIFICATE-----", err) != ERR_OK) ||
        (cert != NULL && check_file("tls-client-cert", cert, "CERTIFICATE-----", err) != ERR_OK) ||
        (key != NULL && check_file("tls-client-key", key, "PRIVATE KEY-----", err) != ERR_OK)) {
        return err->code;
    }
    endpoint->tls_ca = ca;
    endpoint->tls_cert = cert;
    endpoint->tls_key = key;
    return ERR_OK;
}
