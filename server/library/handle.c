/* SPDX-License-Identifier: Apache-2.0 */
#include "library/handle.h"

#include "base/clock.h"
#include "library/predict_parts.h"
#include "library/server_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

#define FILE_SCHEME    "file:"
#define DEFAULT_SERVER "http://127.0.0.1:8080"
#define ERROR_CHARS    sizeof(((struct err *)NULL)->msg)

/* ---- errors ---- */

static int code_of_status(int status)
{
    switch (status) {
    case 400:
    case 422:
        return SURR_INVALID;
    case 401:
    case 403:
        return SURR_DENIED;
    case 404:
        return SURR_NOT_FOUND;
    case 408:
    case 504:
        return SURR_TIMEOUT;
    case 429:
    case 503:
        return SURR_BUSY;
    default:
        return status >= 500 || status < 400 ? SURR_SERVER : SURR_REFUSED;
    }
}

static int code_of(const struct surr *s, const struct outcome *outcome, const struct err *err)
{
    bool server = s->server != NULL;
    if (outcome->job) {
        return SURR_JOB_FAILED;
    }
    switch ((int)err->code) {
    case ERR_NOMEM:
        return SURR_NOMEM;
    case ERR_CONFLICT:
        return code_of_status(outcome->status);
    case ERR_IO:
        return outcome->timed_out ? SURR_TIMEOUT : server ? SURR_UNREACHABLE : SURR_FILE;
    case ERR_CORRUPT:
        return server ? SURR_SERVER : SURR_FILE;
    case ERR_UNSUPPORTED: /* a newer file, or a result that the model has not */
        return server || s->model != NULL ? SURR_INVALID : SURR_FILE;
    case ERR_READ_ONLY:
        return SURR_UNSUPPORTED;
    case ERR_NOT_FOUND:
        return SURR_NOT_FOUND;
    case ERR_NUMERIC:
        return SURR_NUMERIC;
    case ERR_INVALID:
    case ERR_SHAPE:
    case ERR_NONFINITE:
    case ERR_LIMIT:
    case ERR_TOO_LARGE:
        return SURR_INVALID;
    default:
        return server ? SURR_SERVER : SURR_FILE;
    }
}

int handle_settle(struct surr *s, const struct outcome *outcome, const struct err *err)
{
    if (err->code == ERR_OK) {
        return SURR_OK;
    }
    if (s == NULL) {
        return SURR_INVALID;
    }
    pthread_mutex_lock(&s->lock);
    s->last = *err;
    pthread_mutex_unlock(&s->lock);
    return code_of(s, outcome, err);
}

const char *surr_error(struct surr *s)
{
    static _Thread_local char text[ERROR_CHARS];
    if (s == NULL) {
        return "no memory for a handle";
    }
    pthread_mutex_lock(&s->lock);
    snprintf(text, sizeof text, "%s", s->last.code == ERR_OK ? "" : err_msg(&s->last));
    pthread_mutex_unlock(&s->lock);
    return text;
}

const char *surr_code_text(int code)
{
    static const char *const texts[] = {
        [SURR_OK] = "done",
        [SURR_INVALID] = "an argument, a row or a setting is wrong",
        [SURR_NOMEM] = "memory is short",
        [SURR_FILE] = "the file of the model cannot be used",
        [SURR_UNREACHABLE] = "the server cannot be reached",
        [SURR_TIMEOUT] = "it took too long",
        [SURR_DENIED] = "the server wants another token",
        [SURR_NOT_FOUND] = "there is no such model, version or job",
        [SURR_REFUSED] = "the server refused the request",
        [SURR_BUSY] = "the server is too busy",
        [SURR_SERVER] = "the server failed, or is no surrogated",
        [SURR_NUMERIC] = "a result is no finite number",
        [SURR_UNSUPPORTED] = "only a server can do that",
        [SURR_JOB_FAILED] = "the job failed or was cancelled",
    };
    bool known = code >= 0 && (size_t)code < sizeof texts / sizeof *texts;
    return known ? texts[code] : "unknown code";
}

enum err_code handle_check(const struct surr *s, struct err *err)
{
    return s != NULL && s->name != NULL
               ? ERR_OK
               : err_set(err, ERR_INVALID, "the handle has no model: surr_open failed");
}

/* ---- opening ---- */

static enum err_code open_server(struct surr *s, const char *where, const char *model,
                                 struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct endpoint endpoint;
    if (model == NULL || *model == '\0') {
        return err_set(err, ERR_INVALID, "the name of a model on the server is missing");
    }
    s->server = mem_strdup(where);
    if (s->server == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a handle");
    }
    /* The address is looked at now; what surr_set may still change, and the server, later. */
    err_kept(endpoint_parse(where, &arena, &endpoint, err));
    arena_release(&arena);
    if (err->code != ERR_OK) {
        return err->code;
    }
    s->name = mem_strdup(model);
    return s->name != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a handle");
}

int surr_open(struct surr **out, const char *where, const char *model)
{
    struct err err = ERR_INIT;
    const struct outcome outcome = {.status = 0};
    struct surr *s = mem_zalloc(sizeof *s);
    *out = s;
    if (s == NULL || pthread_mutex_init(&s->lock, NULL) != 0) {
        mem_free(s);
        *out = NULL;
        return SURR_NOMEM;
    }
    where = where != NULL ? where : getenv("SURROGATED_SERVER");
    where = where != NULL && *where != '\0' ? where : DEFAULT_SERVER;
    if (settings_init(s, &err) == ERR_OK) {
        err_kept(strncmp(where, FILE_SCHEME, strlen(FILE_SCHEME)) == 0
                     ? file_model_open(s, where + strlen(FILE_SCHEME), model, &err)
                     : open_server(s, where, model, &err));
    }
    return handle_settle(s, &outcome, &err);
}

void surr_close(struct surr *s)
{
    if (s == NULL) {
        return;
    }
    links_close(s);
    model_unref(s->model);
    for (int i = 0; i < N_SETTINGS; i++) {
        if (s->settings[i] != NULL) {
            digest_forget(s->settings[i], strlen(s->settings[i]));
        }
        mem_free(s->settings[i]);
    }
    mem_free(s->server);
    mem_free(s->name);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

int surr_set(struct surr *s, const char *name, const char *value)
{
    struct err err = ERR_INIT;
    const struct outcome outcome = {.status = 0};
    enum setting setting;
    if (handle_check(s, &err) == ERR_OK && settings_find(name, &setting, &err) == ERR_OK &&
        settings_change(s, setting, value, &err) == ERR_OK) {
        links_close(s); /* they may have the old token */
    }
    return handle_settle(s, &outcome, &err);
}

/* ---- the model ---- */

/* d and o, as a description of a version tells them. */
static void read_shape(const json_t *doc, int *d, int *o)
{
    const json_t *names = json_object_get(doc, "names");
    const json_t *architecture = json_object_get(doc, "architecture");
    const json_t *inputs = json_object_get(names, "inputs");
    const json_t *outputs = json_object_get(names, "outputs");
    const json_t *kind = json_object_get(json_object_get(doc, "noise"), "kind");
    const char *final = json_string_value(json_object_get(architecture, "final"));
    int heads = json_is_string(kind) ? 2 : 1; /* of which the second predict the noise */
    int of_network = (int)json_integer_value(json_object_get(architecture, "outputs"));
    of_network = final != NULL && strcmp(final, "sum") == 0 ? 1 : of_network;
    *d = json_is_array(inputs) ? (int)json_array_size(inputs)
                               : (int)json_integer_value(json_object_get(architecture, "inputs"));
    *o = json_is_array(outputs) ? (int)json_array_size(outputs) : of_network / heads;
}

static enum err_code ask_for_shape(struct surr *s, int *d, int *o, struct outcome *outcome,
                                   struct err *err)
{
    struct arena arena = ARENA_INIT;
    json_t *doc = NULL;
    struct call call = {
        .method = "GET", .path = server_version_path(s, &arena, 0, ""), .repeats = true};
    if (server_ask(s, &call, &doc, outcome, err) == ERR_OK) {
        read_shape(doc, d, o);
        if (*d < 1 || *o < 1) {
            err_set(err, ERR_CORRUPT, "the answer describes no version: is a surrogated there?");
        }
    }
    json_decref(doc);
    arena_release(&arena);
    return err->code;
}

int surr_shape(struct surr *s, int *n_inputs, int *n_outputs)
{
    struct err err = ERR_INIT;
    struct outcome outcome = {.status = 0};
    int d = 0;
    int o = 0;
    if (handle_check(s, &err) == ERR_OK) {
        if (s->model != NULL) {
            d = s->model->d;
            o = s->model->o;
        } else {
            err_kept(ask_for_shape(s, &d, &o, &outcome, &err));
        }
    }
    if (err.code == ERR_OK) {
        *(n_inputs != NULL ? n_inputs : &d) = d;
        *(n_outputs != NULL ? n_outputs : &o) = o;
    }
    return handle_settle(s, &outcome, &err);
}

int surr_predict(struct surr *s, const struct surr_rows *inputs, struct surr_prediction *out)
{
    struct err err = ERR_INIT;
    struct outcome outcome = {.status = 0};
    struct predict_parts parts;
    out->version = 0;
    out->n_extrapolated = 0;
    if (handle_check(s, &err) == ERR_OK &&
        predict_parts_init(inputs, out, &parts, &err) == ERR_OK) {
        err_kept(s->model != NULL ? file_predict(s, &parts, &err)
                                  : server_predict(s, &parts, &outcome, &err));
    }
    return handle_settle(s, &outcome, &err);
}
