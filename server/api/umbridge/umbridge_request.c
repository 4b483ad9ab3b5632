/* SPDX-License-Identifier: Apache-2.0 */
#include "api/umbridge/umbridge_request.h"

#include "api/native/prediction_options.h"
#include "api/reply.h"
#include "api/rows/columns.h"
#include "base/known.h"
#include "base/phrase.h"

#include <string.h>

/* A longer one is of no model; a message quotes its beginning. */
#define MAX_NAME_CHARS 4096

/* Digits that every integer of 64 bits may have. */
#define INTEGER_DIGITS 18

/*
 * The text with an exponent of 0 behind each longer integer, so that it is read as a real number:
 * MATLAB writes 1e20 with all its digits. The copy has at most half as much again.
 */
static char *widen_integers(const char *text, size_t len, struct arena *arena, size_t *n_out)
{
    char *out = arena_alloc(arena, len + len / INTEGER_DIGITS * 2 + 3);
    bool quoted = false;
    size_t n = 0;
    for (size_t at = 0; out != NULL && at < len;) {
        size_t digits = quoted ? 0 : strspn(text + at, "0123456789");
        if (digits == 0) {
            bool escape = quoted && text[at] == '\\' && at + 1 < len;
            quoted = text[at] == '"' ? !quoted : quoted;
            out[n++] = text[at++];
            if (escape) {
                out[n++] = text[at++];
            }
            continue;
        }
        bool fraction = at > 0 && strchr(".eE+", text[at - 1]) != NULL;
        bool integer = !fraction && strchr(".eE", text[at + digits]) == NULL;
        memcpy(out + n, text + at, digits);
        n += digits;
        at += digits;
        if (digits > INTEGER_DIGITS && integer) {
            memcpy(out + n, "e0", 2);
            n += 2;
        }
    }
    *n_out = n;
    return out;
}

/* As json_read_parse; integers may have any size. */
static enum err_code parse_body(const char *text, size_t len, struct arena *arena, json_t **body,
                                struct err *err)
{
    struct err first = ERR_INIT;
    size_t n = 0;
    if (json_read_parse(text, len, arena, body, &first) == ERR_OK) {
        return ERR_OK;
    }
    if (first.code == ERR_SYNTAX && strstr(first.msg, "too big integer") != NULL) {
        char *wide = widen_integers(text, len, arena, &n);
        return wide != NULL ? json_read_parse(wide, n, arena, body, err)
                            : err_set(err, ERR_NOMEM, "no memory for the request");
    }
    *err = first;
    return err->code;
}

enum err_code umbridge_request_parse(const char *text, size_t len, struct arena *arena,
                                     struct umbridge_request *request, struct err *err)
{
    json_t *body = NULL;
    *request = (struct umbridge_request){.version = {.kind = VERSION_DEFAULT}};
    if (parse_body(text, len, arena, &body, err) != ERR_OK) {
        return err->code;
    }
    if (!json_is_object(body)) {
        return err_set(err, ERR_INVALID, "the body is %s, an object with \"name\" is needed",
                       json_read_kind(body));
    }
    const struct json_members members = {body, "body", err};
    request->body = body;
    json_read_require(members, "name");
    return json_read_text(members, "name", MAX_NAME_CHARS, &request->name);
}

/* ---- the config ---- */

static bool has_output(const struct umbridge_request *request, enum derivative_of of)
{
    for (int i = 0; i < request->n_outputs; i++) {
        if (request->outputs[i] == of) {
            return true;
        }
    }
    return false;
}

static enum err_code add_output(struct umbridge_request *request, const json_t *value,
                                struct err *err)
{
    struct names known = umbridge_output_names();
    const char *name = json_string_value(value);
    if (name == NULL) {
        return err_set(err, ERR_INVALID, "config: outputs hold %s, names of outputs are needed",
                       json_read_kind(value));
    }
    int of = names_find(known, name);
    if (of < 0) {
        return known_refuse("config: output", name, known, err);
    }
    if (has_output(request, (enum derivative_of)of)) {
        return err_set(err, ERR_INVALID, "config: outputs name \"%s\" twice", name);
    }
    request->outputs[request->n_outputs++] = (enum derivative_of)of;
    return ERR_OK;
}

static enum err_code read_outputs(struct umbridge_request *request, const json_t *list,
                                  enum derivative_of view, struct err *err)
{
    if (list == NULL) {
        request->outputs[0] = view;
        request->n_outputs = 1;
        return ERR_OK;
    }
    if (json_is_string(list)) {
        return add_output(request, list, err);
    }
    if (json_array_size(list) < 1) {
        return err_set(err, ERR_INVALID, "config: outputs is %s, a list of names is needed",
                       json_is_array(list) ? "empty" : json_read_kind(list));
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (add_output(request, json_array_get(list, i), err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

enum err_code umbridge_request_config(struct umbridge_request *request, enum derivative_of view,
                                      struct arena *arena, struct err *err)
{
    static const char *const keys[] = {"outputs", "quantiles", "seed", "version", NULL};
    const json_t *config = json_object_get(request->body, "config");
    /* R and MATLAB write an empty list for an empty object. */
    if (json_is_null(config) || (json_is_array(config) && json_array_size(config) == 0)) {
        config = NULL;
    }
    const json_t *version = json_object_get(config, "version");
    if ((config != NULL && json_read_check_keys(config, "config", keys, err) != ERR_OK) ||
        read_outputs(request, json_object_get(config, "outputs"), view, err) != ERR_OK) {
        return err->code;
    }
    if (prediction_options_read(config, arena, &request->predict, err) != ERR_OK) {
        err_prefix(err, "config");
        return err->code;
    }
    request->predict.want = 0;
    request->predict.n_samples = 1;
    for (int i = 0; i < request->n_outputs; i++) {
        request->predict.want |= derivative_want(request->outputs[i]);
    }
    request->predict.samples_alone = request->predict.want == PREDICT_SAMPLES;
    return version != NULL ? reply_version(version, "config: version", &request->version, err)
                           : ERR_OK;
}

size_t umbridge_request_size(const struct umbridge_request *request, const struct model *model,
                             int index)
{
    bool levels = request->outputs[index] == DERIVATIVE_OF_QUANTILES;
    return (levels ? (size_t)request->predict.n_levels : 1) * (size_t)model->o;
}

/* ---- vectors ---- */

/* Reads n numbers; `what` names the vector. A single number may stand without brackets. */
static enum err_code read_vector(const json_t *value, const char *what, size_t n,
                                 struct arena *arena, double **out, struct err *err)
{
    bool lone = json_is_number(value);
    size_t given = lone ? 1 : json_array_size(value);
    if (!lone && !json_is_array(value)) {
        return err_set(err, ERR_INVALID, "%s is %s, a list of numbers is needed", what,
                       json_read_kind(value));
    }
    if (given != n) {
        return err_set(err, ERR_SHAPE, "%s has %s, %s", what,
                       phrase_count((int64_t)given, "number").text, phrase_needed((int64_t)n).text);
    }
    double *numbers = arena_alloc_array(arena, n, sizeof *numbers);
    if (numbers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *item = lone ? value : json_array_get(value, i);
        if (!json_is_number(item)) {
            return err_set(err, ERR_INVALID, "%s: number %zu is %s, a finite number is needed",
                           what, i, json_read_kind(item));
        }
        numbers[i] = json_number_value(item);
    }
    *out = numbers;
    return ERR_OK;
}

enum err_code umbridge_request_input(struct umbridge_request *request, const struct model *model,
                                     struct arena *arena, struct err *err)
{
    const json_t *input = json_object_get(request->body, "input");
    double *x = NULL;
    if (!json_is_array(input)) {
        return err_set(err, ERR_INVALID, "input is %s, a list of one vector is needed",
                       json_read_kind(input));
    }
    if (json_array_size(input) != 1) {
        return err_set(err, ERR_SHAPE, "input has %s, one of %s is needed",
                       phrase_count((int64_t)json_array_size(input), "vector").text,
                       phrase_count(model->d, "number").text);
    }
    if (read_vector(json_array_get(input, 0), "input 0", (size_t)model->d, arena, &x, err) !=
        ERR_OK) {
        return err->code;
    }
    request->predict.n = 1;
    request->predict.x = x;
    const struct space_rows rows = {1, (size_t)model->d, x};
    return model->space != NULL ? columns_read_numbers(model->space, &rows, "input: ", err)
                                : ERR_OK;
}

/* ---- derivatives ---- */

/* The number of a vector: below n. */
static enum err_code read_index(const struct umbridge_request *request, const char *key, int n,
                                int *out, struct err *err)
{
    const struct json_members members = {request->body, "body", err};
    int64_t index = 0;
    json_read_require(members, key);
    if (json_read_int(members, key, INT64_MIN, INT64_MAX, &index) != ERR_OK) {
        return err->code;
    }
    if (index < 0 || index >= n) {
        return err_set(err, ERR_INVALID, "%s is %lld; vectors are counted from 0, and there %s %d",
                       key, (long long)index, n == 1 ? "is" : "are", n);
    }
    *out = (int)index;
    return ERR_OK;
}

static enum err_code read_required(const struct umbridge_request *request, const char *key,
                                   size_t n, struct arena *arena, const double **out,
                                   struct err *err)
{
    double *numbers = NULL;
    if (read_vector(json_object_get(request->body, key), key, n, arena, &numbers, err) == ERR_OK) {
        *out = numbers;
    }
    return err->code;
}

/* Clients learn first of all that something is not supported. */
static enum err_code check_support(const struct umbridge_request *request,
                                   const struct model *model, enum derivative_kind kind,
                                   struct err *err)
{
    for (int i = 0; i < request->n_outputs; i++) {
        if (derivative_is_known(model, request->outputs[i], kind)) {
            return ERR_OK;
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "this derivative of %s is not supported by this model, %s",
                   umbridge_output_names().list[request->outputs[0]],
                   model_has_categories(model) ? "which has categories among its inputs"
                                               : "whose predictions are in closed form");
}

enum err_code umbridge_request_directions(struct umbridge_request *request,
                                          const struct model *model, enum derivative_kind kind,
                                          struct arena *arena, struct err *err)
{
    struct derivative *derivative = &request->derivative;
    bool second = kind == DERIVATIVE_HESSIAN;
    int output = 0;
    int input = 0;
    if (check_support(request, model, kind, err) != ERR_OK) {
        return err->code;
    }
    if (read_index(request, "outWrt", request->n_outputs, &output, err) != ERR_OK ||
        read_index(request, second ? "inWrt1" : "inWrt", 1, &input, err) != ERR_OK ||
        (second && read_index(request, "inWrt2", 1, &input, err) != ERR_OK)) {
        return err->code;
    }
    derivative->kind = kind;
    derivative->of = request->outputs[output];
    if (!derivative_is_known(model, derivative->of, kind)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the model does not have this derivative of output %d, %s", output,
                       umbridge_output_names().list[derivative->of]);
    }
    size_t n_values = umbridge_request_size(request, model, output);
    if ((kind != DERIVATIVE_JACOBIAN &&
         read_required(request, "sens", n_values, arena, &derivative->sens, err) != ERR_OK) ||
        (kind != DERIVATIVE_GRADIENT &&
         read_required(request, "vec", (size_t)model->d, arena, &derivative->vec, err) != ERR_OK)) {
        return err->code;
    }
    size_t n_out = kind == DERIVATIVE_JACOBIAN ? n_values : (size_t)model->d;
    derivative->out = arena_zalloc_array(arena, n_out, sizeof *derivative->out);
    if (derivative->out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    request->predict.want = derivative_want(derivative->of);
    request->predict.samples_alone = false;
    request->predict.derivative = derivative;
    return ERR_OK;
}
