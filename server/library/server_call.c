/* SPDX-License-Identifier: Apache-2.0 */
#include "library/server_call.h"

#include <string.h>

#include "base/mem.h"

/* ---- connections ---- */

static void close_link(struct link *link)
{
    if (link != NULL) {
        connection_close(link->connection);
        arena_release(&link->arena);
        mem_free(link);
    }
}

static enum err_code open_link(const struct surr *s, struct link *link, struct err *err)
{
    const struct endpoint_files files = {.ca = s->settings[SETTING_TLS_CA],
                                         .cert = s->settings[SETTING_TLS_CERT],
                                         .key = s->settings[SETTING_TLS_KEY]};
    const char *token = s->settings[SETTING_TOKEN];
    const char *in_clear = s->settings[SETTING_TOKEN_IN_CLEAR];
    bool allowed = in_clear != NULL && strcmp(in_clear, "true") == 0;
    if (endpoint_parse(s->server, &link->arena, &link->endpoint, err) != ERR_OK ||
        endpoint_set_files(&link->endpoint, &files, err) != ERR_OK ||
        (!allowed && endpoint_check_exposure(&link->endpoint, token != NULL, err) != ERR_OK) ||
        connection_open(&link->endpoint, &link->connection, err) != ERR_OK) {
        return err->code;
    }
    return token != NULL ? connection_set_token(link->connection, token, err) : ERR_OK;
}

enum err_code link_take(struct surr *s, struct link **out, struct err *err)
{
    pthread_mutex_lock(&s->lock);
    struct link *link = s->idle;
    s->idle = link != NULL ? link->next : NULL;
    pthread_mutex_unlock(&s->lock);
    if (link == NULL) {
        link = mem_zalloc(sizeof *link);
        if (link == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for a connection");
        }
        if (open_link(s, link, err) != ERR_OK) {
            close_link(link);
            return err->code;
        }
    }
    *out = link;
    return ERR_OK;
}

void link_return(struct surr *s, struct link *link)
{
    if (link != NULL) {
        pthread_mutex_lock(&s->lock);
        link->next = s->idle;
        s->idle = link;
        pthread_mutex_unlock(&s->lock);
    }
}

void links_close(struct surr *s)
{
    while (s->idle != NULL) {
        struct link *next = s->idle->next;
        close_link(s->idle);
        s->idle = next;
    }
}

/* ---- calls ---- */

enum err_code server_call(struct surr *s, struct link *link, struct call *call,
                          struct answer *answer, struct outcome *outcome, struct err *err)
{
    *answer = (struct answer){.status = 0};
    if (call->path == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    call->retry_s = s->retry_s;
    call->total_s = s->timeout_s;
    call->waits = call->repeats;
    err_kept(connection_call(link->connection, call, answer, err));
    outcome->status = answer->status;
    outcome->timed_out = answer->timed_out;
    return err->code;
}

static enum err_code parse_object(const struct answer *answer, json_t **out, struct err *err)
{
    json_error_t problem;
    json_t *doc =
        answer->data != NULL ? json_loadb(answer->data, answer->n_data, 0, &problem) : NULL;
    if (doc == NULL && answer->data != NULL &&
        json_error_code(&problem) == json_error_out_of_memory) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    if (!json_is_object(doc)) {
        json_decref(doc);
        return err_set(err, ERR_CORRUPT, "the answer is no JSON object: is a surrogated there?");
    }
    *out = doc;
    return ERR_OK;
}

enum err_code server_ask(struct surr *s, struct call *call, json_t **out, struct outcome *outcome,
                         struct err *err)
{
    struct link *link = NULL;
    struct answer answer = {.status = 0};
    if (link_take(s, &link, err) == ERR_OK &&
        server_call(s, link, call, &answer, outcome, err) == ERR_OK) {
        err_kept(parse_object(&answer, out, err));
    }
    answer_release(&answer);
    link_return(s, link);
    return err->code;
}

/* ---- paths ---- */

char *server_path(const struct surr *s, struct arena *arena, const char *rest)
{
    struct textbuf path = textbuf_in(arena);
    textbuf_puts(&path, "/v1/models/");
    connection_escape(&path, s->name);
    textbuf_puts(&path, rest);
    return textbuf_failed(&path) ? NULL : path.data;
}

char *server_version_path(const struct surr *s, struct arena *arena, int64_t version,
                          const char *rest)
{
    const char *setting = s->settings[SETTING_VERSION];
    struct textbuf path = textbuf_in(arena);
    textbuf_puts(&path, "/versions/");
    if (version > 0) {
        textbuf_printf(&path, "%lld", (long long)version);
    } else {
        connection_escape(&path, setting != NULL ? setting : "@default");
    }
    textbuf_puts(&path, rest);
    return textbuf_failed(&path) ? NULL : server_path(s, arena, path.data);
}

enum err_code server_needed(const struct surr *s, const char *what, struct err *err)
{
    return s->server != NULL
               ? ERR_OK
               : err_set(err, ERR_READ_ONLY, "model %.80s is in a file, which %s; open a server",
                         s->name, what);
}
