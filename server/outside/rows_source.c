/* SPDX-License-Identifier: Apache-2.0 */
#include "outside/rows_source.h"

#include "client/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RETRY_S   60.0 /* while the server is busy */
#define SILENCE_S 60
#define SERVER    256 /* scheme, host and port of an address */

/* ---- files ---- */

static enum err_code map_file(struct rows_source *source, FILE *file, const char *name,
                              struct err *err)
{
    struct stat about;
    if (fstat(fileno(file), &about) != 0 || !S_ISREG(about.st_mode)) {
        return err_set(err, ERR_IO, "%.120s is not a file", name);
    }
    if (about.st_size == 0) {
        return err_set(err, ERR_SYNTAX, "%.120s is empty", name);
    }
    void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fileno(file), (off_t)0);
    if (bytes == MAP_FAILED) {
        return err_set(err, ERR_IO, "%.120s cannot be read: %s", name, strerror(errno));
    }
    *source = (struct rows_source){.bytes = bytes, .n = (size_t)about.st_size};
    return ERR_OK;
}

static enum err_code open_file(struct rows_source *source, const char *path, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return errno == ENOENT
                   ? err_set(err, ERR_NOT_FOUND, "there is no %.120s", path)
                   : err_set(err, ERR_IO, "%.120s cannot be read: %s", path, strerror(errno));
    }
    err_kept(map_file(source, file, path, err));
    fclose(file);
    return err->code;
}

/* ---- servers ---- */

/* "https://host:8080" and "/v1/..", of an address. */
static enum err_code split_address(const char *from, char *server, const char **path,
                                   struct err *err)
{
    const char *host = strstr(from, "://") + 3;
    size_t n = (size_t)(host - from) + strcspn(host, "/?#");
    if (n >= SERVER || from[n] != '/') {
        return err_set(err, ERR_INVALID,
                       "an address as http://host:port/v1/models/MODEL/data/rows?format=npy is "
                       "needed");
    }
    memcpy(server, from, n);
    server[n] = '\0';
    *path = from + n;
    return ERR_OK;
}

static enum err_code open_connection(const char *server, struct arena *arena,
                                     struct endpoint *endpoint, struct connection **out,
                                     struct err *err)
{
    const struct endpoint_files files = {.ca = getenv("SURROGATED_TLS_CA"),
                                         .cert = getenv("SURROGATED_TLS_CLIENT_CERT"),
                                         .key = getenv("SURROGATED_TLS_CLIENT_KEY")};
    const char *token = getenv("SURROGATED_TOKEN");
    const char *in_clear = getenv("SURROGATED_TOKEN_IN_CLEAR");
    bool has_token = token != NULL && *token != '\0';
    bool allowed = in_clear != NULL && strcmp(in_clear, "true") == 0;
    if (endpoint_parse(server, arena, endpoint, err) != ERR_OK ||
        endpoint_set_files(endpoint, &files, err) != ERR_OK ||
        (!allowed && endpoint_check_exposure(endpoint, has_token, err) != ERR_OK) ||
        connection_open(endpoint, out, err) != ERR_OK) {
        return err->code;
    }
    return has_token ? connection_set_token(*out, token, err) : ERR_OK;
}

static enum err_code download(const char *from, FILE *to, struct err *err)
{
    char server[SERVER];
    struct arena arena = ARENA_INIT;
    struct endpoint endpoint;
    struct connection *connection = NULL;
    struct answer answer = {.status = 0};
    struct call call = {
        .method = "GET", .retry_s = RETRY_S, .repeats = true, .sink = to, .silence_s = SILENCE_S};
    if (split_address(from, server, &call.path, err) == ERR_OK &&
        open_connection(server, &arena, &endpoint, &connection, err) == ERR_OK) {
        err_kept(connection_call(connection, &call, &answer, err));
    }
    answer_release(&answer);
    connection_close(connection);
    arena_release(&arena);
    return err->code;
}

static enum err_code open_address(struct rows_source *source, const char *from, struct err *err)
{
    FILE *file = tmpfile();
    if (file == NULL) {
        return err_set(err, ERR_IO, "no room for the rows of the server: %s", strerror(errno));
    }
    if (download(from, file, err) == ERR_OK) {
        if (fflush(file) == 0) {
            err_kept(map_file(source, file, "the server's answer", err));
        } else {
            err_set(err, errno == ENOSPC ? ERR_FULL : ERR_IO,
                    "the rows of the server cannot be written: %s", strerror(errno));
        }
    }
    fclose(file);
    return err->code;
}

/* ---- both ---- */

enum err_code rows_source_open(struct rows_source *source, const char *from, struct err *err)
{
    bool is_address = strncmp(from, "http://", 7) == 0 || strncmp(from, "https://", 8) == 0;
    *source = (struct rows_source){.bytes = NULL};
    return is_address ? open_address(source, from, err) : open_file(source, from, err);
}

void rows_source_close(struct rows_source *source)
{
    if (source->bytes != NULL) {
        munmap((void *)source->bytes, source->n);
    }
    *source = (struct rows_source){.bytes = NULL};
}
