/* SPDX-License-Identifier: Apache-2.0 */
#include "api/reply.h"

#include "base/digits.h"
#include "formats/media_type.h"
#include "http/etag.h"

#include <string.h>
#include <time.h>

/* Texts that may be longer are made while they are sent. */
#define WHOLE_BYTES ((size_t)256 * 1024)

enum err_code reply_text(struct response *res, const char *type, struct textbuf *text,
                         struct err *err)
{
    if (textbuf_failed(text)) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    res->status = 200;
    res->content_type = type;
    res->body = text->data;
    res->n_body = text->len;
    return ERR_OK;
}

enum err_code reply_json(struct response *res, int status, const struct json_write *json,
                         struct err *err)
{
    json_write_end(json);
    if (reply_text(res, "application/json", json->text, err) == ERR_OK) {
        res->status = status;
    }
    return err->code;
}

enum err_code reply_stream(struct response *res, struct json_stream *stream, struct arena *arena,
                           struct err *err)
{
    size_t bound = json_stream_bound(stream);
    res->status = 200;
    res->content_type = MEDIA_TYPE_JSON;
    if (bound > WHOLE_BYTES) {
        res->source = (struct body_source){.read = json_stream_read, .ctx = stream};
        return ERR_OK;
    }
    char *body = arena_alloc(arena, bound);
    if (body == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    res->n_body = json_stream_read(stream, body, bound);
    res->body = body;
    return ERR_OK;
}

void reply_explain_syntax(const struct request *req, struct err *err)
{
    const char *type = request_header(req, "Content-Type");
    const char *first = req->body + strspn(req->body, " \t\r\n");
    if (err->code == ERR_SYNTAX && *first != '{' && !media_type_is(type, MEDIA_TYPE_JSON)) {
        err_prefix(err, "the body is read as JSON, since Content-Type does not say text/csv");
    }
}

enum err_code reply_model_name(const char *text, const char **name, struct err *err)
{
    if (!model_name_is_valid(text)) {
        return err_set(err, ERR_INVALID,
                       "a model name has 1 to %d letters, digits, '.', '_' or '-', and begins with "
                       "a letter or digit",
                       NAME_MAX_CHARS);
    }
    *name = text;
    return ERR_OK;
}

enum err_code reply_version(const json_t *value, const char *where, struct version_ref *ref,
                            struct err *err)
{
    if (json_is_string(value)) {
        return version_ref_parse(json_string_value(value), ref, err);
    }
    int64_t number = 0;
    bool whole = json_read_whole(value, &number);
    if (!whole || number < 1) {
        const char *kind = value != NULL ? json_read_kind(value) : "missing";
        return err_set(err, ERR_INVALID, "%s is %s; " VERSION_REF_RULE " is needed", where,
                       whole ? "below 1" : kind);
    }
    *ref = version_ref_number(number);
    return ERR_OK;
}

enum err_code reply_number(const char *text, const char *what, int64_t *number, struct err *err)
{
    if (!digits_parse(text, number)) {
        return err_set(err, ERR_NOT_FOUND, "there is no %s \"%.40s\"", what, text);
    }
    return ERR_OK;
}

enum err_code reply_query_int(const struct request *req, const char *key, int64_t low, int64_t high,
                              int64_t *out, struct err *err)
{
    const char *text = request_query(req, key);
    int64_t value = 0;
    if (text == NULL) {
        return ERR_OK;
    }
    bool zero = low == 0 && strcmp(text, "0") == 0;
    if ((!zero && !digits_parse(text, &value)) || value > high) {
        return err_set(err, ERR_INVALID, "%s is \"%.40s\", a number from %lld to %lld is needed",
                       key, text, (long long)low, (long long)high);
    }
    *out = value;
    return ERR_OK;
}

void reply_write_training_data(struct json_write *json, const char *key,
                               const struct training_data *data)
{
    if (data->fingerprint[0] == '\0') {
        json_write_null(json, key);
        return;
    }
    json_write_object(json, key);
    json_write_int(json, "rows", data->n_rows);
    json_write_int(json, "batches", data->n_batches);
    json_write_int(json, "last_batch", data->last_batch);
    json_write_text(json, "fingerprint", data->fingerprint);
    json_write_object_end(json);
}

void reply_write_time(struct json_write *json, const char *key, int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm;
    char text[64];
    if (time_ms == 0 || gmtime_r(&seconds, &tm) == NULL) {
        json_write_null(json, key);
        return;
    }
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(time_ms % 1000));
    json_write_text(json, key, text);
}

void reply_write_positive(struct json_write *json, const char *key, int64_t number)
{
    if (number > 0) {
        json_write_int(json, key, number);
    } else {
        json_write_null(json, key);
    }
}

void reply_write_aliases(struct json_write *json, const char *key, const struct model_view *view)
{
    json_write_array(json, key);
    for (size_t i = 0; i < view->n_aliases; i++) {
        json_write_object(json, NULL);
        json_write_text(json, "alias", view->aliases[i].alias);
        json_write_int(json, "version", view->aliases[i].version);
        reply_write_time(json, "changed", view->aliases[i].changed_ms);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

enum err_code reply_etag(const struct request *req, struct response *res, const char *digest,
                         bool *not_modified, struct err *err)
{
    char *tag = arena_printf(req->arena, "\"sha256-%s\"", digest);
    if (tag == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    response_header(res, "ETag", tag);
    const char *none_match = request_header(req, "If-None-Match");
    *not_modified = none_match != NULL && etag_matches(none_match, tag);
    if (*not_modified) {
        res->status = 304;
    }
    return ERR_OK;
}
