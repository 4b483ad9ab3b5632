/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A parameter is a string, a number or a truth value, never an array. An option of the native API
 * that is a list is therefore a string with commas, as in the query of that API.
 */
#include "api/oip/infer_parameters.h"

#include "api/native/prediction_options.h"
#include "base/known.h"
#include "formats/json_read.h"

#include <string.h>

#define MAX_TIMEOUT_US INT64_C(86400000000) /* a day */
#define MAX_BINARY     INT64_MAX
#define TYPE_CHARS     16

static const char *const own_keys[] = {"binary_data_output", "datatype", "timeout"};

#define N_OWN ((int)(sizeof own_keys / sizeof *own_keys))

/* The object under "parameters"; NULL: there is none. */
static enum err_code find_parameters(const json_t *object, const char *where, const json_t **out,
                                     struct err *err)
{
    *out = json_object_get(object, "parameters");
    if (*out != NULL && !json_is_object(*out)) {
        return err_set(err, ERR_INVALID, "%s%sparameters is %s, an object is needed", where,
                       where[0] != '\0' ? ": " : "", json_read_kind(*out));
    }
    return ERR_OK;
}

/* The type in which outputs are answered. */
static enum err_code read_type(struct json_members members, enum tensor_type *type)
{
    const char *text = NULL;
    if (json_read_text(members, "datatype", TYPE_CHARS, &text) != ERR_OK || text == NULL) {
        return members.err->code;
    }
    int found = names_find(tensor_type_oip(), text);
    if (found != TENSOR_F64 && found != TENSOR_F32) {
        return err_set(members.err, ERR_INVALID,
                       "%s: datatype is \"%.16s\"; outputs are answered as FP64 or FP32",
                       members.where, text);
    }
    *type = (enum tensor_type)found;
    return ERR_OK;
}

/* ---- options of the prediction ---- */

/* The text that the same option has in a query; blanks around commas are left out. */
static const char *option_value(const json_t *value, struct arena *arena)
{
    int64_t number = 0;
    if (json_read_whole(value, &number)) {
        return arena_printf(arena, "%lld", (long long)number);
    }
    if (json_is_real(value)) {
        return arena_printf(arena, "%.17g", json_real_value(value));
    }
    char *text = arena_strndup(arena, json_string_value(value), json_string_length(value));
    char *to = text;
    for (const char *from = text; from != NULL && *from != '\0'; from++) {
        *to = *from;
        to += *from != ' ';
    }
    if (to != NULL) {
        *to = '\0';
    }
    return text;
}

static enum err_code write_option(struct json_write *json, const char *key, const json_t *value,
                                  enum option_form form, struct arena *arena, struct err *err)
{
    if (!json_is_number(value) && !json_is_string(value)) {
        return err_set(err, ERR_INVALID,
                       "parameters: %s is %s, a number or a string is needed; a list is a string "
                       "such as \"0.05,0.95\"",
                       key, json_read_kind(value));
    }
    struct header option = {.name = key, .value = option_value(value, arena)};
    if (option.value == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    prediction_option_write(json, &option, form, arena);
    return ERR_OK;
}

static enum err_code refuse_key(const char *key, const struct prediction_option *options, int n,
                                struct err *err)
{
    const char *keys[PREDICTION_OPTIONS_MAX + N_OWN];
    int n_keys = 0;
    for (int i = 0; i < n; i++) {
        if (strcmp(options[i].key, "return") != 0) {
            keys[n_keys++] = options[i].key;
        }
    }
    for (int i = 0; i < N_OWN; i++) {
        keys[n_keys++] = own_keys[i];
    }
    return known_refuse("parameter", key, (struct names){keys, n_keys}, err);
}

/* The options among the parameters as JSON. */
static enum err_code write_options(const json_t *parameters, struct json_write *json,
                                   struct arena *arena, struct err *err)
{
    struct prediction_option options[PREDICTION_OPTIONS_MAX];
    int n = prediction_options_list(options);
    void *at = json_object_iter((json_t *)parameters);
    for (; at != NULL; at = json_object_iter_next((json_t *)parameters, at)) {
        const char *key = json_object_iter_key(at);
        int i = 0;
        while (i < n && (strcmp(options[i].key, key) != 0 || strcmp(key, "return") == 0)) {
            i++;
        }
        if (i == n && names_find((struct names){own_keys, N_OWN}, key) < 0) {
            return refuse_key(key, options, n, err);
        }
        if (i < n && write_option(json, options[i].key, json_object_iter_value(at), options[i].form,
                                  arena, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code read_options(const json_t *parameters, struct arena *arena,
                                  struct predict_request *predict, struct err *err)
{
    json_t *options = NULL;
    if (parameters == NULL) {
        return prediction_options_read(NULL, arena, predict, err);
    }
    struct textbuf text = textbuf_in(arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    if (write_options(parameters, &json, arena, err) != ERR_OK) {
        return err->code;
    }
    json_write_object_end(&json);
    json_write_end(&json);
    if (textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (json_read_parse(text.data, text.len, arena, &options, err) != ERR_OK ||
        prediction_options_read(options, arena, predict, err) != ERR_OK) {
        err_prefix(err, "parameters");
    }
    return err->code;
}

/* ---- the three kinds ---- */

enum err_code infer_parameters_read(const json_t *document, struct arena *arena,
                                    struct infer_request *request, enum tensor_type *type,
                                    struct err *err)
{
    const json_t *parameters = NULL;
    int64_t timeout_us = 0;
    *type = TENSOR_N_TYPES;
    if (find_parameters(document, "", &parameters, err) != ERR_OK) {
        return err->code;
    }
    if (read_options(parameters, arena, &request->predict, err) == ERR_OK && parameters != NULL) {
        const struct json_members members = {parameters, "parameters", err};
        json_read_bool(members, "binary_data_output", &request->binary);
        json_read_int(members, "timeout", 0, MAX_TIMEOUT_US, &timeout_us);
        err_kept(read_type(members, type));
        request->timeout_ns = 1000 * timeout_us;
    }
    return err->code;
}

/* content_type says how MLServer would decode a tensor; "np" is an array, which every tensor is. */
enum err_code infer_parameters_of_input(const json_t *input, const char *where, int64_t *n_bytes,
                                        struct err *err)
{
    static const char *const keys[] = {"binary_data_size", "content_type", NULL};
    const json_t *parameters = NULL;
    const char *content = NULL;
    *n_bytes = -1;
    if (find_parameters(input, where, &parameters, err) != ERR_OK || parameters == NULL) {
        return err->code;
    }
    const struct json_members members = {parameters, where, err};
    if (json_read_check_keys(parameters, where, keys, err) != ERR_OK ||
        json_read_int(members, "binary_data_size", 0, MAX_BINARY, n_bytes) != ERR_OK ||
        json_read_text(members, "content_type", TYPE_CHARS, &content) != ERR_OK) {
        return err->code;
    }
    if (content != NULL && strcmp(content, "np") != 0) {
        return err_set(err, ERR_INVALID, "%s: content_type is \"%.16s\", \"np\" is read", where,
                       content);
    }
    return ERR_OK;
}

enum err_code infer_parameters_of_output(const json_t *output, const char *where, bool *binary,
                                         enum tensor_type *type, struct err *err)
{
    static const char *const keys[] = {"binary_data", "datatype", NULL};
    const json_t *parameters = NULL;
    if (find_parameters(output, where, &parameters, err) != ERR_OK || parameters == NULL ||
        json_read_check_keys(parameters, where, keys, err) != ERR_OK) {
        return err->code;
    }
    const struct json_members members = {parameters, where, err};
    json_read_bool(members, "binary_data", binary);
    return read_type(members, type);
}
