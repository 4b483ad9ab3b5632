/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/prediction_request.h"

#include "api/reply.h"
#include "formats/json_tensor.h"
#include "formats/media_type.h"
#include "formats/npy.h"

#include <string.h>

static const struct {
    const char *name;
    unsigned flag;
} returns[] = {
    {"mean", PREDICT_MEAN},
    {"variance", PREDICT_VARIANCE},
    {"std", PREDICT_STD},
    {"noise_variance", PREDICT_NOISE_VARIANCE},
    {"total_variance", PREDICT_TOTAL_VARIANCE},
    {"quantiles", PREDICT_QUANTILES},
    {"covariance", PREDICT_COVARIANCE_OUTPUTS},
    {"samples", PREDICT_SAMPLES},
    {"jacobian", PREDICT_JACOBIAN},
    {"intervals", PREDICT_INTERVALS},
};

/* ---- the body ---- */

static enum err_code read_return(const json_t *body, unsigned *want, struct err *err)
{
    const json_t *list = json_object_get(body, "return");
    if (list == NULL) {
        *want = WISH_DEFAULT;
        return ERR_OK;
    }
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return err_set(err, ERR_INVALID, "return is not a non-empty array of names");
    }
    *want = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        unsigned flag = 0;
        for (size_t k = 0; name != NULL && k < sizeof returns / sizeof *returns; k++) {
            flag |= strcmp(returns[k].name, name) == 0 ? returns[k].flag : 0;
        }
        if (flag == 0) {
            return err_set(err, ERR_INVALID,
                           "return[%zu] \"%.40s\" is not one of mean, variance, "
                           "std, noise_variance, total_variance, quantiles, covariance, samples, "
                           "jacobian, intervals",
                           i, name != NULL ? name : "");
        }
        *want |= flag;
    }
    return ERR_OK;
}

static enum err_code read_levels(const json_t *body, struct arena *arena,
                                 struct prediction_request *request, struct err *err)
{
    static const double default_levels[] = {0.05, 0.5, 0.95};
    const json_t *list = json_object_get(body, "quantiles");
    if (list == NULL) {
        request->predict.levels = default_levels;
        request->predict.n_levels = 3;
        return ERR_OK;
    }
    size_t n = json_array_size(list);
    if (n < 1 || n > PREDICT_MAX_LEVELS) {
        return err_set(err, ERR_INVALID, "quantiles must be an array of 1 to %d levels",
                       PREDICT_MAX_LEVELS);
    }
    double *levels = arena_alloc_array(arena, n, sizeof *levels);
    if (levels == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (json_read_vector(list, "quantiles", (int)n, levels, err) != ERR_OK) {
        return err->code;
    }
    for (size_t k = 0; k < n; k++) {
        if (!(levels[k] >= 0.0 && levels[k] <= 1.0)) {
            return err_set(err, ERR_INVALID, "quantiles[%zu] is %g, a level in [0, 1] is needed", k,
                           levels[k]);
        }
    }
    request->predict.levels = levels;
    request->predict.n_levels = (int)n;
    request->predict.want |= PREDICT_QUANTILES;
    return ERR_OK;
}

static enum err_code read_intervals(const json_t *body, struct arena *arena,
                                    struct prediction_request *request, struct err *err)
{
    static const double default_level[] = {0.9};
    const json_t *list = json_object_get(body, "intervals");
    if (list == NULL) {
        request->predict.intervals = default_level;
        request->predict.n_intervals = 1;
        return ERR_OK;
    }
    size_t n = json_array_size(list);
    if (n < 1 || n > PREDICT_MAX_INTERVALS) {
        return err_set(err, ERR_INVALID, "intervals must be an array of 1 to %d levels",
                       PREDICT_MAX_INTERVALS);
    }
    double *levels = arena_alloc_array(arena, n, sizeof *levels);
    if (levels == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    request->predict.intervals = levels;
    request->predict.n_intervals = (int)n;
    request->predict.want |= PREDICT_INTERVALS;
    return json_read_vector(list, "intervals", (int)n, levels, err);
}

static enum err_code read_covariance(const json_t *body, struct prediction_request *request,
                                     struct err *err)
{
    const char *kind = NULL;
    if (json_read_get_text(body, "body", "covariance", false, 16, &kind, err) != ERR_OK) {
        return err->code;
    }
    if (kind == NULL) {
        return ERR_OK;
    }
    if (strcmp(kind, "rows") != 0 && strcmp(kind, "outputs") != 0) {
        return err_set(err, ERR_INVALID,
                       "covariance is \"%.16s\", \"outputs\" or \"rows\" is needed", kind);
    }
    request->predict.want &= ~(unsigned)PREDICT_COVARIANCE_OUTPUTS;
    request->predict.want |= kind[0] == 'r' ? PREDICT_COVARIANCE_ROWS : PREDICT_COVARIANCE_OUTPUTS;
    return ERR_OK;
}

static enum err_code read_options(const json_t *body, struct arena *arena,
                                  struct prediction_request *request, struct err *err)
{
    int64_t samples = 16;
    int64_t seed = 0;
    request->named = json_object_get(body, "return") != NULL;
    if (read_return(body, &request->predict.want, err) != ERR_OK ||
        read_levels(body, arena, request, err) != ERR_OK ||
        read_intervals(body, arena, request, err) != ERR_OK ||
        read_covariance(body, request, err) != ERR_OK ||
        json_read_get_int(body, "body", "samples", false, 1, MODEL_MAX_DRAWS, &samples, err) !=
            ERR_OK ||
        json_read_get_int(body, "body", "seed", false, INT64_MIN, INT64_MAX, &seed, err) !=
            ERR_OK) {
        return err->code;
    }
    if (json_object_get(body, "samples") != NULL) {
        request->predict.want |= PREDICT_SAMPLES;
    }
    request->predict.n_samples = (int)samples;
    request->predict.seed = (uint64_t)seed;
    return ERR_OK;
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

static enum err_code read_request(const struct request *req, const json_t *body,
                                  struct prediction_request *request, struct err *err)
{
    static const char *const keys[] = {"model", "version",    "inputs",    "return",    "samples",
                                       "seed",  "covariance", "quantiles", "intervals", NULL};
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

static const struct {
    const char *key;
    enum query_kind kind;
} queries[] = {
    {"model", QUERY_TEXT},      {"version", QUERY_TEXT},      {"return", QUERY_NAMES},
    {"covariance", QUERY_TEXT}, {"quantiles", QUERY_NUMBERS}, {"samples", QUERY_NUMBER},
    {"seed", QUERY_NUMBER},     {"intervals", QUERY_NUMBERS},
};

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
    const size_t n_known = sizeof queries / sizeof *queries;
    textbuf_puts(&text, "{");
    for (int i = 0; i < req->n_query; i++) {
        size_t k = 0;
        while (k < n_known && strcmp(queries[k].key, req->query[i].name) != 0) {
            k++;
        }
        if (k == n_known) {
            return err_set(err, ERR_INVALID, "query: key \"%.40s\" is unknown", req->query[i].name);
        }
        textbuf_puts(&text, i > 0 ? "," : "");
        textbuf_json_string(&text, req->query[i].name);
        textbuf_puts(&text, ":");
        put_value(&text, queries[k].kind, req->query[i].value, req->arena);
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

enum err_code prediction_request_deadline(const struct request *req, int64_t *deadline_ns,
                                          struct err *err)
{
    *deadline_ns = 0;
    const char *text = request_header(req, "Request-Timeout-Ms");
    int64_t ms = 0;
    if (text == NULL) {
        return ERR_OK;
    }
    for (const char *p = text; *p >= '0' && *p <= '9' && ms <= WISH_MAX_TIMEOUT_MS; p++) {
        ms = 10 * ms + (*p - '0');
    }
    if (text[strspn(text, "0123456789")] != '\0' || ms < 1 || ms > WISH_MAX_TIMEOUT_MS) {
        return err_set(err, ERR_INVALID,
                       "Request-Timeout-Ms is \"%.20s\", milliseconds from 1 to %d are needed",
                       text, WISH_MAX_TIMEOUT_MS);
    }
    *deadline_ns = req->arrived_ns + ms * 1000000;
    return ERR_OK;
}

enum err_code prediction_request_read(const struct request *req, int max_rows,
                                      struct prediction_request *request, struct err *err)
{
    *request = (struct prediction_request){.version = {.kind = VERSION_DEFAULT}};
    const char *accept = request_header(req, "Accept");
    bool npy = media_type_is(request_header(req, "Content-Type"), NPY_TYPE);
    if (prediction_request_deadline(req, &request->deadline_ns, err) != ERR_OK ||
        (npy ? read_npy(req, max_rows, request, err) : read_json(req, max_rows, request, err)) !=
            ERR_OK) {
        return err->code;
    }
    request->npy =
        media_type_is(accept, NPY_TYPE) || (npy && !media_type_is(accept, "application/json"));
    if (request->npy && !request->named) {
        /* What quantiles=, samples= or intervals= ask for, else the mean. */
        unsigned asked = request->predict.want & ~(unsigned)WISH_DEFAULT;
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
