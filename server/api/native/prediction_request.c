/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/prediction_request.h"

#include "api/reply.h"
#include "formats/json_tensor.h"
#include "formats/npy.h"

#include <string.h>
#include <strings.h>

#define DEFAULT_RESULTS ((unsigned)(PREDICT_MEAN | PREDICT_VARIANCE))
#define DEFAULT_SAMPLES 16
#define MAX_TIMEOUT_MS  86400000 /* a day */

/* ---- the body ---- */

static enum err_code read_return(const json_t *body, unsigned *want, struct err *err)
{
    const json_t *list = json_object_get(body, "return");
    if (list == NULL) {
        *want = DEFAULT_RESULTS;
        return ERR_OK;
    }
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return err_set(err, ERR_INVALID, "return is not a non-empty array of names");
    }
    *want = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        enum predict_index index;
        if (name == NULL || !predict_result_find(name, &index)) {
            return err_set(err, ERR_INVALID, "return[%zu] \"%.40s\" is not one of %s", i,
                           name != NULL ? name : "", predict_result_names());
        }
        *want |= 1U << index;
    }
    return ERR_OK;
}

/* An option that is an array of levels, with its default. */
struct level_list {
    const char *key;
    int max;
    int n;
    const double *values;
    bool given;
};

static enum err_code read_levels(const json_t *body, struct arena *arena, struct level_list *levels,
                                 struct err *err)
{
    const json_t *list = json_object_get(body, levels->key);
    if (list == NULL) {
        return ERR_OK;
    }
    size_t n = json_array_size(list);
    if (n < 1 || n > (size_t)levels->max) {
        return err_set(err, ERR_INVALID, "%s must be an array of 1 to %d levels", levels->key,
                       levels->max);
    }
    double *values = arena_alloc_array(arena, n, sizeof *values);
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    levels->n = (int)n;
    levels->values = values;
    levels->given = true;
    return json_read_vector(list, levels->key, (int)n, values, err);
}

static enum err_code read_quantiles(const json_t *body, struct arena *arena,
                                    struct level_list *levels, struct err *err)
{
    if (read_levels(body, arena, levels, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < levels->n; k++) {
        if (!(levels->values[k] >= 0.0 && levels->values[k] <= 1.0)) {
            return err_set(err, ERR_INVALID, "%s[%d] is %g, a level in [0, 1] is needed",
                           levels->key, k, levels->values[k]);
        }
    }
    return ERR_OK;
}

/* How many draws, and the seed that chooses them. */
static enum err_code read_draws(const json_t *body, const char *key,
                                struct predict_request *predict, bool *given, struct err *err)
{
    int64_t samples = DEFAULT_SAMPLES;
    int64_t seed = 0;
    if (json_read_get_int(body, "body", key, false, 1, MODEL_MAX_DRAWS, &samples, err) != ERR_OK ||
        json_read_get_int(body, "body", "seed", false, INT64_MIN, INT64_MAX, &seed, err) !=
            ERR_OK) {
        return err->code;
    }
    *given = json_object_get(body, key) != NULL;
    predict->n_samples = (int)samples;
    predict->seed = (uint64_t)seed;
    return ERR_OK;
}

/* "rows" has the next result of the list in place of this one. */
static enum err_code read_between(const json_t *body, enum predict_index index,
                                  struct predict_request *predict, struct err *err)
{
    const char *key = predict_kinds[index].name;
    const char *kind = NULL;
    if (json_read_get_text(body, "body", key, false, 16, &kind, err) != ERR_OK || kind == NULL) {
        return err->code;
    }
    if (strcmp(kind, "rows") != 0 && strcmp(kind, "outputs") != 0) {
        return err_set(err, ERR_INVALID, "%s is \"%.16s\", \"outputs\" or \"rows\" is needed", key,
                       kind);
    }
    predict->want &= ~(1U << index);
    predict->want |= 1U << (kind[0] == 'r' ? index + 1 : index);
    return ERR_OK;
}

/* The option of a result; when it is given the result is wanted too. */
static enum err_code read_option(const json_t *body, enum predict_index index, struct arena *arena,
                                 struct predict_request *predict, struct err *err)
{
    static const double default_quantiles[] = {0.05, 0.5, 0.95};
    static const double default_intervals[] = {0.9};
    const struct predict_kind *kind = &predict_kinds[index];
    struct level_list levels;
    bool given = false;
    switch (kind->option) {
    case PREDICT_OPTION_LEVELS:
        levels = (struct level_list){kind->name, PREDICT_MAX_LEVELS, 3, default_quantiles, false};
        err_kept(read_quantiles(body, arena, &levels, err));
        predict->n_levels = levels.n;
        predict->levels = levels.values;
        given = levels.given;
        break;
    case PREDICT_OPTION_COVERAGES:
        levels =
            (struct level_list){kind->name, PREDICT_MAX_INTERVALS, 1, default_intervals, false};
        err_kept(read_levels(body, arena, &levels, err));
        predict->n_intervals = levels.n;
        predict->intervals = levels.values;
        given = levels.given;
        break;
    case PREDICT_OPTION_DRAWS:
        err_kept(read_draws(body, kind->name, predict, &given, err));
        break;
    case PREDICT_OPTION_BETWEEN:
        err_kept(read_between(body, index, predict, err));
        break;
    case PREDICT_OPTION_NONE:
    case PREDICT_OPTION_ALTERNATIVE:
        break;
    }
    predict->want |= given ? 1U << index : 0;
    return err->code;
}

static enum err_code read_options(const json_t *body, struct arena *arena,
                                  struct prediction_request *request, struct err *err)
{
    request->named = json_object_get(body, "return") != NULL;
    err_kept(read_return(body, &request->predict.want, err));
    for (int i = 0; i < PREDICT_N_RESULTS && err->code == ERR_OK; i++) {
        err_kept(read_option(body, (enum predict_index)i, arena, &request->predict, err));
    }
    return err->code;
}

/* Model and version: from the path when it names them, else from the body. */
static enum err_code read_target(const struct request *req, const json_t *body,
                                 struct prediction_request *request, struct err *err)
{
    const char *name = NULL;
    if (req->n_params > 0) {
        if (json_object_get(body, "model") != NULL ||
            (req->n_params > 1 && json_object_get(body, "version") != NULL)) {
            return err_set(err, ERR_INVALID,
                           "the path names the %s already; leave it out of the "
                           "body",
                           json_object_get(body, "model") != NULL ? "model" : "version");
        }
        name = req->params[0];
    } else if (json_read_get_text(body, "body", "model", true, NAME_MAX_CHARS, &name, err) !=
               ERR_OK) {
        return err->code;
    }
    if (reply_model_name(name, &request->model, err) != ERR_OK) {
        return err->code;
    }
    const json_t *version = json_object_get(body, "version");
    if (req->n_params > 1) {
        return version_ref_parse(req->params[1], &request->version, err);
    }
    return version != NULL ? reply_version(version, "version", &request->version, err) : ERR_OK;
}

static bool has_option(const struct predict_kind *kind)
{
    return kind->option != PREDICT_OPTION_NONE && kind->option != PREDICT_OPTION_ALTERNATIVE;
}

static enum err_code read_request(const struct request *req, const json_t *body,
                                  struct prediction_request *request, struct err *err)
{
    const char *keys[5 + PREDICT_N_RESULTS + 1] = {"model", "version", "inputs", "return", "seed"};
    int n_keys = 5;
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (has_option(&predict_kinds[i])) {
            keys[n_keys++] = predict_kinds[i].name;
        }
    }
    if (!json_is_object(body)) {
        return err_set(err, ERR_INVALID, "the body is not a JSON object");
    }
    if (json_read_check_keys(body, "body", keys, err) != ERR_OK ||
        read_target(req, body, request, err) != ERR_OK) {
        return err->code;
    }
    return read_options(body, req->arena, request, err);
}

static enum err_code read_json(const struct request *req, int max_rows,
                               struct prediction_request *request, struct err *err)
{
    json_t *body = NULL;
    struct json_tensor inputs = {
        .key = "inputs", .max_rows = max_rows, .max_columns = JSON_TENSOR_COLUMNS};
    if (json_tensor_parse(req->body, req->n_body, &inputs, 1, req->arena, &body, err) != ERR_OK ||
        read_request(req, body, request, err) != ERR_OK ||
        json_tensor_check(&inputs, body, 0, err) != ERR_OK) {
        return err->code;
    }
    request->predict.n = inputs.n;
    request->predict.x = inputs.values;
    request->n_inputs = inputs.k;
    return ERR_OK;
}

/* ---- npy: the rows are the body, the rest is the query ---- */

enum query_kind { QUERY_TEXT, QUERY_NAMES, QUERY_NUMBER, QUERY_NUMBERS };

static enum query_kind option_kind(enum predict_option option)
{
    switch (option) {
    case PREDICT_OPTION_LEVELS:
    case PREDICT_OPTION_COVERAGES:
        return QUERY_NUMBERS;
    case PREDICT_OPTION_DRAWS:
        return QUERY_NUMBER;
    case PREDICT_OPTION_BETWEEN:
    case PREDICT_OPTION_NONE:
    case PREDICT_OPTION_ALTERNATIVE:
        break;
    }
    return QUERY_TEXT;
}

/* The keys of a JSON body but its rows; false when this is none of them. */
static bool find_query_kind(const char *key, enum query_kind *kind)
{
    static const struct {
        const char *key;
        enum query_kind kind;
    } fixed[] = {{"model", QUERY_TEXT},
                 {"version", QUERY_TEXT},
                 {"return", QUERY_NAMES},
                 {"seed", QUERY_NUMBER}};
    for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++) {
        if (strcmp(fixed[k].key, key) == 0) {
            *kind = fixed[k].kind;
            return true;
        }
    }
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (has_option(&predict_kinds[i]) && strcmp(predict_kinds[i].name, key) == 0) {
            *kind = option_kind(predict_kinds[i].option);
            return true;
        }
    }
    return false;
}

/* The value as JSON; what is no number there is left for the JSON reader to refuse. */
static void put_value(struct textbuf *text, enum query_kind kind, const char *value,
                      struct arena *arena)
{
    if (kind == QUERY_TEXT) {
        textbuf_json_string(text, value);
        return;
    }
    if (kind != QUERY_NUMBER) {
        textbuf_puts(text, "[");
    }
    for (const char *from = value;; from++) {
        size_t len = strcspn(from, ",");
        char *item = arena_strndup(arena, from, len);
        if (item == NULL) {
            text->failed = true;
        } else if (kind == QUERY_NAMES || *item == '\0' ||
                   item[strspn(item, "0123456789.eE+-")] != '\0') {
            textbuf_json_string(text, item);
        } else {
            textbuf_puts(text, item);
        }
        from += len;
        if (*from == '\0') {
            break;
        }
        textbuf_puts(text, ",");
    }
    if (kind != QUERY_NUMBER) {
        textbuf_puts(text, "]");
    }
}

/* The query as the JSON object that the body of a JSON request would be, without inputs. */
static enum err_code query_as_json(const struct request *req, json_t **out, struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    textbuf_puts(&text, "{");
    for (int i = 0; i < req->n_query; i++) {
        enum query_kind kind;
        if (!find_query_kind(req->query[i].name, &kind)) {
            return err_set(err, ERR_INVALID, "query: key \"%.40s\" is unknown", req->query[i].name);
        }
        textbuf_puts(&text, i > 0 ? "," : "");
        textbuf_json_string(&text, req->query[i].name);
        textbuf_puts(&text, ":");
        put_value(&text, kind, req->query[i].value, req->arena);
    }
    textbuf_puts(&text, "}");
    if (textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (json_read_parse(text.data, text.len, req->arena, out, err) != ERR_OK) {
        err_prefix(err, "query");
    }
    return err->code;
}

static enum err_code read_npy(const struct request *req, int max_rows,
                              struct prediction_request *request, struct err *err)
{
    json_t *options = NULL;
    struct npy npy;
    if (query_as_json(req, &options, err) != ERR_OK ||
        read_request(req, options, request, err) != ERR_OK ||
        npy_parse(req->body, req->n_body, max_rows, req->arena, &npy, err) != ERR_OK) {
        return err->code;
    }
    request->predict.n = npy.n;
    request->predict.x = npy.values;
    request->n_inputs = npy.k;
    request->single = npy.single;
    return ERR_OK;
}

/* ---- the request ---- */

static bool media_is(const char *header, const char *type)
{
    size_t len = strlen(type);
    return header != NULL && strncasecmp(header, type, len) == 0 &&
           strchr("; \t,", header[len]) != NULL;
}

enum err_code prediction_request_deadline(const struct request *req, int64_t *deadline_ns,
                                          struct err *err)
{
    *deadline_ns = 0;
    const char *text = request_header(req, "Request-Timeout-Ms");
    int64_t ms = 0;
    if (text == NULL) {
        return ERR_OK;
    }
    for (const char *p = text; *p >= '0' && *p <= '9' && ms <= MAX_TIMEOUT_MS; p++) {
        ms = 10 * ms + (*p - '0');
    }
    if (text[strspn(text, "0123456789")] != '\0' || ms < 1 || ms > MAX_TIMEOUT_MS) {
        return err_set(err, ERR_INVALID,
                       "Request-Timeout-Ms is \"%.20s\", milliseconds from 1 to %d are needed",
                       text, MAX_TIMEOUT_MS);
    }
    *deadline_ns = req->arrived_ns + ms * 1000000;
    return ERR_OK;
}

enum err_code prediction_request_read(const struct request *req, int max_rows,
                                      struct prediction_request *request, struct err *err)
{
    *request = (struct prediction_request){.version = {.kind = VERSION_DEFAULT}};
    const char *accept = request_header(req, "Accept");
    bool npy = media_is(request_header(req, "Content-Type"), NPY_TYPE);
    if (prediction_request_deadline(req, &request->deadline_ns, err) != ERR_OK ||
        (npy ? read_npy(req, max_rows, request, err) : read_json(req, max_rows, request, err)) !=
            ERR_OK) {
        return err->code;
    }
    request->npy = media_is(accept, NPY_TYPE) || (npy && !media_is(accept, "application/json"));
    if (request->npy && !request->named) {
        /* What quantiles=, samples= or intervals= ask for, else the mean. */
        unsigned asked = request->predict.want & ~DEFAULT_RESULTS;
        request->predict.want = asked != 0 ? asked : PREDICT_MEAN;
    }
    unsigned want = request->predict.want;
    if (request->npy && (want & (want - 1)) != 0) {
        return err_set(err, ERR_INVALID,
                       "an npy answer holds one result; name it with return=, or ask for "
                       "application/json");
    }
    return ERR_OK;
}

enum err_code prediction_request_check_width(const struct prediction_request *request, int d,
                                             struct err *err)
{
    if (request->n_inputs != d) {
        return err_set_at(err, ERR_SHAPE, 0, -1, "inputs: row 0 has %d numbers, %d are needed",
                          request->n_inputs, d);
    }
    return ERR_OK;
}
