/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/launch_json.h"

#include "formats/json_read.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_STEPS 2000000000

/* A loss of null is NaN. */
static double read_loss(struct json_members of, const char *key)
{
    double loss = NAN;
    if (!json_is_null(json_object_get(of.object, key))) {
        json_read_real(of, key, -DBL_MAX, DBL_MAX, &loss);
    }
    return loss;
}

static void read_progress(const json_t *line, struct launch_line *out, struct err *err)
{
    static const char *const needed[] = {"fraction", "member", "members", "step", "steps"};
    const struct json_members of = {line, "progress", err};
    int64_t member = 0;
    int64_t n_members = 1;
    int64_t step = 0;
    int64_t n_steps = 1;
    struct progress *p = &out->progress;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        json_read_require(of, needed[i]);
    }
    json_read_real(of, "fraction", 0.0, 1.0, &p->fraction);
    json_read_int(of, "members", 1, MAX_STEPS, &n_members);
    json_read_int(of, "member", 0, n_members - 1, &member);
    json_read_int(of, "steps", 1, MAX_STEPS, &n_steps);
    json_read_int(of, "step", 0, n_steps, &step);
    p->loss = read_loss(of, "loss");
    p->validation_loss = read_loss(of, "validation_loss");
    p->member = (int)member;
    p->n_members = (int)n_members;
    p->step = (int)step;
    p->n_steps = (int)n_steps;
    out->event = LAUNCH_PROGRESS;
}

static void read_start(const json_t *line, struct launch_line *out, struct err *err)
{
    const struct json_members of = {line, "started", err};
    int64_t ranks = 1;
    json_read_int(of, "ranks", 1, MAX_STEPS, &ranks);
    out->ranks = (int)ranks;
    out->event = LAUNCH_STARTED;
}

void launch_json_read_line(const char *text, size_t len, struct launch_line *out)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    json_t *line = NULL;
    *out = (struct launch_line){.event = LAUNCH_OTHER};
    if (json_read_parse(text, len, &arena, &line, &err) == ERR_OK) {
        const char *event = json_string_value(json_object_get(line, "event"));
        if (event != NULL && strcmp(event, "progress") == 0) {
            read_progress(line, out, &err);
        } else if (event != NULL && strcmp(event, "started") == 0) {
            read_start(line, out, &err);
        }
    }
    if (err.code != ERR_OK) {
        out->event = LAUNCH_OTHER;
    }
    arena_release(&arena);
}

/* A digest of exactly 64 characters. */
static void read_digest(struct json_members of, const char *key, char *out)
{
    const char *text = NULL;
    json_read_require(of, key);
    json_read_text(of, key, DIGEST_HEX_CHARS, &text);
    if (text != NULL && strlen(text) == DIGEST_HEX_CHARS) {
        memcpy(out, text, DIGEST_HEX_CHARS + 1);
    } else {
        err_set(of.err, ERR_INVALID, "result: %s is no digest", key);
    }
}

static enum err_code read_result(const json_t *object, struct launch_result *out, struct err *err)
{
    const struct json_members of = {object, "result", err};
    const char *message = NULL;
    const char *code = NULL;
    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID, "result: no object");
    }
    json_read_require(of, "ok");
    json_read_bool(of, "ok", &out->ok);
    if (err->code == ERR_OK && out->ok) {
        json_read_require(of, "bytes");
        json_read_int(of, "bytes", 1, INT64_MAX, &out->bytes);
        read_digest(of, "sha256", out->sha256);
        read_digest(of, "content_sha256", out->content_sha256);
        read_digest(of, "request_sha256", out->request_sha256);
        read_digest(of, "rows_sha256", out->rows_sha256);
    } else if (err->code == ERR_OK) {
        json_read_require(of, "message");
        json_read_text(of, "message", 4096, &message);
        json_read_text(of, "code", 64, &code);
        out->was_stopped = code != NULL && strcmp(code, "cancelled") == 0;
        snprintf(out->message, sizeof out->message, "%s", message != NULL ? message : "");
        for (char *c = out->message; *c != '\0'; c++) {
            *c = *c >= ' ' && *c <= '~' ? *c : '?';
        }
    }
    return err->code;
}

enum err_code launch_json_parse_result(const char *text, size_t len, struct launch_result *out,
                                       struct err *err)
{
    struct arena arena = ARENA_INIT;
    json_t *object = NULL;
    *out = (struct launch_result){.ok = false};
    if (json_read_parse(text, len, &arena, &object, err) == ERR_OK) {
        err_kept(read_result(object, out, err));
    }
    arena_release(&arena);
    return err->code;
}
