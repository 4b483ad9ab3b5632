/* SPDX-License-Identifier: Apache-2.0 */
/* What only a server can do: it takes rows, and trains. */
#include "base/clock.h"
#include "base/digest.h"
#include "client/interrupt.h"
#include "formats/media_type.h"
#include "formats/npy.h"
#include "library/row_views.h"
#include "library/server_call.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define KEY_MAX_CHARS  200 /* of the caller; the server takes 255 with the rank */
#define KEY_CHARS      224 /* the caller's with the rank */
#define HEADER_CHARS   (KEY_CHARS + PART_CHARS + 24)
#define RANDOM_BYTES   16
#define MIN_PAUSE_S    0.05 /* between two looks at a job */
#define MAX_PAUSE_S    2.0
#define PAUSE_GROWTH   1.5
#define PATH_CHARS     64
#define PART_CHARS     32                /* what is added to the key of a part */
#define PART_NUMBERS   ((size_t)1 << 20) /* of rows that are sent at a time: 8 MiB */
#define HTTP_TOO_LARGE 413

/* ---- keys ---- */

static enum err_code check_key(const char *key, struct err *err)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < n; i++) {
        if (key[i] <= ' ' || key[i] > '~' || strchr("\"\\,;", key[i]) != NULL) {
            return err_set(err, ERR_INVALID,
                           "key holds something else than visible ASCII without quotes, "
                           "backslash, comma and semicolon");
        }
    }
    if (n < 1 || n > KEY_MAX_CHARS) {
        return err_set(err, ERR_INVALID, "key has %zu characters, 1 to %d are needed", n,
                       KEY_MAX_CHARS);
    }
    return ERR_OK;
}

/* The caller's, or 32 random digits, with the rank. out: [KEY_CHARS]. */
static enum err_code make_key(const struct surr *s, const char *given, char *out, struct err *err)
{
    unsigned char random[RANDOM_BYTES];
    size_t n = 0;
    if (given != NULL) {
        if (check_key(given, err) != ERR_OK) {
            return err->code;
        }
        n = (size_t)snprintf(out, KEY_CHARS, "%s", given);
    } else {
        if (digest_random(random, sizeof random, err) != ERR_OK) {
            return err->code;
        }
        for (size_t i = 0; i < sizeof random; i++) {
            n += (size_t)snprintf(out + n, KEY_CHARS - n, "%02x", random[i]);
        }
    }
    if (s->rank >= 0) {
        snprintf(out + n, KEY_CHARS - n, ".rank%lld", (long long)s->rank);
    }
    return ERR_OK;
}

/* ---- rows ---- */

static enum err_code check_upload(const struct surr_upload *upload, struct err *err)
{
    if (rows_check(&upload->inputs, "inputs", false, err) != ERR_OK ||
        rows_check(&upload->outputs, "outputs", upload->missing != 0, err) != ERR_OK) {
        return err->code;
    }
    if (upload->outputs.n_words != 0) {
        return err_set(err, ERR_INVALID, "outputs: words are for inputs");
    }
    if (upload->inputs.n_rows != upload->outputs.n_rows) {
        return err_set(err, ERR_SHAPE, "there are %d rows of inputs and %d of outputs",
                       upload->inputs.n_rows, upload->outputs.n_rows);
    }
    return ERR_OK;
}

/* Rows [first, end) of an upload, which is sent in parts where it is long. */
struct part {
    const struct surr_upload *upload;
    const char *key; /* of the upload */
    int first, end;
};

/* {"inputs":[[0.5,"fine"],..],"outputs":[[2.5],..]} */
static enum err_code encode_words(const struct part *part, struct arena *arena, struct payload *out,
                                  struct err *err)
{
    struct textbuf text = textbuf_in(arena);
    int n = part->end - part->first;
    textbuf_puts(&text, "{\"inputs\":");
    rows_write_json(&part->upload->inputs, part->first, n, &text);
    textbuf_puts(&text, ",\"outputs\":");
    rows_write_json(&part->upload->outputs, part->first, n, &text);
    textbuf_puts(&text, "}");
    if (textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    *out = (struct payload){.type = MEDIA_TYPE_JSON, .bytes = text.data, .n_bytes = text.len};
    return ERR_OK;
}

/* As float64, which holds every float32. */
static enum err_code encode_part(const struct part *part, struct arena *arena, struct payload *out,
                                 struct err *err)
{
    const struct surr_upload *upload = part->upload;
    size_t n = (size_t)(part->end - part->first);
    size_t d = (size_t)upload->inputs.n_columns;
    size_t k = d + (size_t)upload->outputs.n_columns;
    const size_t shape[] = {n, k};
    size_t count;
    if (upload->inputs.n_words > 0) {
        return encode_words(part, arena, out, err);
    }
    double *values =
        size_mul(n, k, &count) ? arena_alloc_array(arena, count, sizeof *values) : NULL;
    const struct npy_array array = {.values = values, .rank = 2, .shape = shape};
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    rows_read(&upload->inputs, part->first, (int)n, values, k);
    rows_read(&upload->outputs, part->first, (int)n, values + d, k);
    out->type = MEDIA_TYPE_NPY;
    return npy_write(&array, arena, &out->bytes, &out->n_bytes, err);
}

static int64_t integer_of(const json_t *doc, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(doc, key));
}

/* "Idempotency-Key: ..". The key of a part holds its rows, so that it never stands for others. */
static void write_key(const struct part *part, char *out)
{
    char rows[PART_CHARS] = "";
    if (part->end - part->first < part->upload->inputs.n_rows) {
        snprintf(rows, sizeof rows, ".rows%d-%d", part->first, part->end - 1);
    }
    snprintf(out, HEADER_CHARS, "Idempotency-Key: \"%s%s\"", part->key, rows);
}

/* Path and payload of the call. */
static enum err_code prepare_part(const struct surr *s, const struct part *part,
                                  struct arena *arena, struct call *call, struct err *err)
{
    char rest[PATH_CHARS];
    const char *source = s->settings[SETTING_SOURCE];
    snprintf(rest, sizeof rest, "/data?outputs=%d%s", part->upload->outputs.n_columns,
             part->upload->missing != 0 ? "&missing=allow" : "");
    if (encode_part(part, arena, &call->payload, err) != ERR_OK) {
        return err->code;
    }
    call->path = server_path(s, arena, rest);
    if (source != NULL) {
        call->headers[1] = arena_printf(arena, "Surrogate-Source: %s", source);
        if (call->headers[1] == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the request");
        }
    }
    return ERR_OK;
}

/* Sends one part, and adds it to the receipt. */
static enum err_code send_part(struct surr *s, const struct part *part, struct surr_receipt *sum,
                               struct outcome *outcome, struct err *err)
{
    char header[HEADER_CHARS];
    struct arena arena = ARENA_INIT;
    json_t *doc = NULL;
    struct call call = {.method = "POST", .headers = {header}, .repeats = true};
    write_key(part, header);
    if (prepare_part(s, part, &arena, &call, err) == ERR_OK &&
        server_ask(s, &call, &doc, outcome, err) == ERR_OK) {
        bool repeated = json_is_true(json_object_get(doc, "repeated"));
        sum->repeated = repeated && (part->first == 0 || sum->repeated);
        sum->batch = integer_of(doc, "batch");
        sum->n_rows += integer_of(doc, "rows");
        sum->n_total_rows = integer_of(doc, "total_rows");
    }
    json_decref(doc);
    arena_release(&arena);
    return err->code;
}

/*
 * All parts in turn. How long a body the server takes is learnt from its 413: parts are halved
 * until they fit. Their bounds depend on the rows and on that limit alone, so that the same rows
 * under the same key are the same parts.
 */
static enum err_code send_parts(struct surr *s, const struct surr_upload *upload, const char *key,
                                struct surr_receipt *sum, struct outcome *outcome, struct err *err)
{
    int n = upload->inputs.n_rows;
    size_t k = (size_t)upload->inputs.n_columns + (size_t)upload->outputs.n_columns;
    size_t fitting = PART_NUMBERS / k > 0 ? PART_NUMBERS / k : 1;
    int length = fitting < (size_t)n ? (int)fitting : n;
    int first = 0;
    while (first < n) {
        int end = length < n - first ? first + length : n;
        const struct part part = {.upload = upload, .key = key, .first = first, .end = end};
        struct err fault = ERR_INIT;
        if (send_part(s, &part, sum, outcome, &fault) == ERR_OK) {
            first = end;
        } else if (outcome->status == HTTP_TOO_LARGE && end - first > 1) {
            length = (end - first + 1) / 2;
        } else {
            if (first > 0) {
                err_prefix(&fault, "after %d of %d rows were stored", first, n);
            }
            *err = fault;
            break;
        }
    }
    return err->code;
}

int surr_append(struct surr *s, const struct surr_upload *upload, struct surr_receipt *out)
{
    struct err err = ERR_INIT;
    struct outcome outcome = {.status = 0};
    struct surr_receipt sum = {.batch = 0};
    char key[KEY_CHARS];
    if (handle_check(s, &err) == ERR_OK && server_needed(s, "takes no rows", &err) == ERR_OK &&
        check_upload(upload, &err) == ERR_OK && make_key(s, upload->key, key, &err) == ERR_OK) {
        err_kept(send_parts(s, upload, key, &sum, &outcome, &err));
    }
    if (err.code == ERR_OK && out != NULL) {
        *out = sum;
    }
    return handle_settle(s, &outcome, &err);
}

/* ---- jobs ---- */

int surr_train(struct surr *s, const char *request, int64_t *job)
{
    struct err err = ERR_INIT;
    struct outcome outcome = {.status = 0};
    struct arena arena = ARENA_INIT;
    json_t *doc = NULL;
    struct call call = {.method = "POST", .fresh = true}; /* sent twice it would train twice */
    if (request != NULL) {
        call.payload =
            (struct payload){.type = MEDIA_TYPE_JSON, .bytes = request, .n_bytes = strlen(request)};
    }
    if (handle_check(s, &err) == ERR_OK && server_needed(s, "is not trained", &err) == ERR_OK) {
        call.path = server_path(s, &arena, "/train");
        err_kept(server_ask(s, &call, &doc, &outcome, &err));
    }
    if (err.code == ERR_OK) {
        *job = integer_of(doc, "id");
    }
    json_decref(doc);
    arena_release(&arena);
    return handle_settle(s, &outcome, &err);
}

/* Looks at the job once. */
static enum err_code look_at_job(struct surr *s, int64_t id, struct surr_job *out,
                                 struct outcome *outcome, struct err *err)
{
    char path[PATH_CHARS];
    json_t *doc = NULL;
    snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)id);
    struct call call = {.method = "GET", .path = path, .repeats = true};
    if (server_ask(s, &call, &doc, outcome, err) != ERR_OK) {
        return err->code;
    }
    const char *state = json_string_value(json_object_get(doc, "state"));
    const char *message = json_string_value(json_object_get(doc, "message"));
    *out = (struct surr_job){.id = id,
                             .version = integer_of(doc, "version"),
                             .promoted = json_is_true(json_object_get(doc, "promoted"))};
    snprintf(out->state, sizeof out->state, "%s", state != NULL ? state : "");
    if (state == NULL) {
        err_set(err, ERR_CORRUPT, "the answer has no state of a job: is a surrogated there?");
    } else if (strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0) {
        outcome->job = true;
        err_set(err, ERR_NUMERIC, "job %lld %s%s%s%.160s", (long long)id,
                strcmp(state, "failed") == 0 ? "" : "was ", state, message != NULL ? ": " : "",
                message != NULL ? message : "");
    }
    json_decref(doc);
    return err->code;
}

static enum err_code wait_for_job(struct surr *s, int64_t id, double seconds, struct surr_job *out,
                                  struct outcome *outcome, struct err *err)
{
    int64_t begun = clock_ns();
    double pause = MIN_PAUSE_S;
    while (look_at_job(s, id, out, outcome, err) == ERR_OK &&
           strcmp(out->state, "succeeded") != 0) {
        double left = seconds - 1e-9 * (double)(clock_ns() - begun);
        if (seconds >= 0.0 && left <= 0.0) {
            outcome->timed_out = true;
            return err_set(err, ERR_IO, "job %lld is %s after %g s", (long long)id, out->state,
                           seconds);
        }
        interrupt_sleep(seconds >= 0.0 && left < pause ? left : pause);
        pause = fmin(MAX_PAUSE_S, PAUSE_GROWTH * pause);
    }
    return err->code;
}

int surr_wait(struct surr *s, int64_t job, double seconds, struct surr_job *out)
{
    struct err err = ERR_INIT;
    struct outcome outcome = {.status = 0};
    struct surr_job state = {.id = job};
    if (handle_check(s, &err) == ERR_OK && server_needed(s, "has no jobs", &err) == ERR_OK) {
        err_kept(wait_for_job(s, job, seconds, &state, &outcome, &err));
    }
    if (out != NULL) {
        *out = state;
    }
    return handle_settle(s, &outcome, &err);
}
