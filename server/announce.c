/* SPDX-License-Identifier: Apache-2.0 */
#include "announce.h"

#include "client/connection.h"
#include "client/endpoint.h"
#include "formats/json_write.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/replicas.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/wake.h"
#include "store/sqlite/db_version.h"

struct announce {
    struct app *app;
    struct arena arena; /* of the endpoint */
    struct endpoint endpoint;
    const char *token; /* NULL: none */
    char name[REPLICA_NAME_CHARS + 1];
    int64_t period_ns;
    struct wake wake;
    pthread_t thread;
    bool failed; /* the last time: it has been logged */
};

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

static enum err_code send_note(struct announce *announce, struct arena *arena, struct err *err)
{
    struct connection *connection = NULL;
    struct answer answer = {.status = 0};
    struct textbuf text = textbuf_in(arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    json_write_text(&json, "name", announce->name);
    json_write_int(&json, "registry_version", db_version(announce->app->db));
    json_write_object_end(&json);
    json_write_end(&json);
    if (textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    const struct call call = {
        .method = "POST",
        .path = "/v1/replicas",
        .payload = {.type = "application/json", .bytes = text.data, .n_bytes = text.len},
        .at_once = true,
        .total_s = ANNOUNCE_PATIENCE_S};
    if (connection_open(&announce->endpoint, &connection, err) == ERR_OK &&
        (announce->token == NULL ||
         connection_set_token(connection, announce->token, err) == ERR_OK)) {
        err_kept(connection_call(connection, &call, &answer, err));
        answer_release(&answer);
    }
    connection_close(connection);
    return err->code;
}

static void *run(void *arg)
{
    struct announce *announce = arg;
    struct arena arena = ARENA_INIT;
    do {
        struct err err = ERR_INIT;
        bool failed = send_note(announce, &arena, &err) != ERR_OK;
        if (failed && !announce->failed) {
            log_warn(announce->app->log, "the primary does not hear of this replica", "reason",
                     err_msg(&err), NULL);
        }
        announce->failed = failed;
        arena_clear(&arena);
    } while (wake_wait(&announce->wake, clock_ns() + announce->period_ns));
    arena_release(&arena);
    return NULL;
}

/* "host:port" */
static void set_name(struct announce *announce, int port)
{
    char host[REPLICA_NAME_CHARS - 10] = "";
    if (gethostname(host, sizeof host) != 0 || host[0] == '\0') {
        snprintf(host, sizeof host, "replica");
    }
    host[sizeof host - 1] = '\0';
    snprintf(announce->name, sizeof announce->name, "%s:%d", host, port);
}

static enum err_code prepare(struct announce *announce, int port, struct err *err)
{
    const struct config *config = announce->app->config;
    const struct endpoint_files files = {.ca = environment("SURROGATED_TLS_CA"),
                                         .cert = environment("SURROGATED_TLS_CLIENT_CERT"),
                                         .key = environment("SURROGATED_TLS_CLIENT_KEY")};
    announce->period_ns = config->announce_s * CLOCK_S;
    announce->token = environment("SURROGATED_TOKEN");
    set_name(announce, port);
    if (endpoint_parse(config->primary, &announce->arena, &announce->endpoint, err) != ERR_OK ||
        endpoint_set_files(&announce->endpoint, &files, err) != ERR_OK) {
        return err->code;
    }
    const char *in_clear = environment("SURROGATED_TOKEN_IN_CLEAR");
    return in_clear != NULL && strcmp(in_clear, "true") == 0
               ? ERR_OK
               : endpoint_check_exposure(&announce->endpoint, announce->token != NULL, err);
}

static void release(struct announce *announce)
{
    wake_release(&announce->wake);
    arena_release(&announce->arena);
    mem_free(announce);
}

enum err_code announce_start(struct app *app, int port, struct announce **out, struct err *err)
{
    const struct config *config = app->config;
    *out = NULL;
    if (!config->read_only || config->announce_s == 0) {
        return ERR_OK;
    }
    struct announce *announce = mem_zalloc(sizeof *announce);
    if (announce == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to tell the primary of this replica");
    }
    announce->app = app;
    announce->arena = (struct arena)ARENA_INIT;
    wake_init(&announce->wake);
    if (prepare(announce, port, err) != ERR_OK ||
        threads_start(&announce->thread, "announce", run, announce, err) != ERR_OK) {
        release(announce);
        return err->code;
    }
    *out = announce;
    return ERR_OK;
}

void announce_stop(struct announce *announce)
{
    if (announce == NULL) {
        return;
    }
    wake_stop(&announce->wake);
    pthread_join(announce->thread, NULL);
    release(announce);
}
