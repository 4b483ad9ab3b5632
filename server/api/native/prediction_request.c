/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/prediction_request.h"

#include "api/rows/output_choice.h"
#include "api/native/prediction_options.h"
#include "api/reply.h"
#include "api/rows/array_rows.h"
#include "api/rows/columns.h"
#include "api/rows/named_rows.h"
#include "base/known.h"
#include "base/phrase.h"
#include "formats/json_tensor.h"
#include "formats/json_write.h"
#include "formats/media_type.h"
#include "jobs/model_space.h"
#include "predict/predict_units.h"
#include "store/models/model_name.h"

#include <string.h>

#define MAX_TIMEOUT_MS 86400000 /* a day */
/* Keys beside those of prediction_options.h; the inputs may not be in a query. */
#define OWN_KEYS 5
static const char *const own_keys[OWN_KEYS] = {"model", "version", "outputs", "within", "inputs"};

/* ---- the body ---- */

/* Model and version: from the path when it names them, else from the body. */
static enum err_code read_target(const struct request *req, const json_t *body,
                                 struct prediction_request *request, struct err *err)
{
    const struct json_members members = {body, "body", err};
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
    } else if (json_read_require(members, "model") != ERR_OK ||
               json_read_text(members, "model", NAME_MAX_CHARS, &name) != ERR_OK) {
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
    const char *keys[OWN_KEYS + PREDICTION_OPTIONS_MAX + 1] = {NULL};
    struct prediction_option options[PREDICTION_OPTIONS_MAX];
    int n_options = prediction_options_list(options);
    memcpy(keys, own_keys, sizeof own_keys);
    for (int i = 0; i < n_options; i++) {
        keys[OWN_KEYS + i] = options[i].key;
    }
    if (!json_is_object(body)) {
        return err_set(err, ERR_INVALID, "the body is not a JSON object");
    }
    if (json_read_check_keys(body, "body", keys, err) != ERR_OK ||
        read_target(req, body, request, err) != ERR_OK) {
        return err->code;
    }
    request->named = json_object_get(body, "return") != NULL;
    request->outputs = json_object_get(body, "outputs");
    request->within = json_object_get(body, "within");
    return prediction_options_read(body, req->arena, &request->predict, err);
}

static enum err_code read_json(const struct request *req, int max_rows, size_t max_text,
                               struct prediction_request *request, struct err *err)
{
    json_t *body = NULL;
    if (req->n_query > 0) {
        return err_set(err, ERR_INVALID,
                       "query: \"%.40s\" belongs in the body, which is read as JSON; the query has "
                       "the options of application/x-npy and application/x-npz",
                       req->query[0].name);
    }
    struct json_tensor inputs = {
        .key = "inputs", .max_rows = max_rows, .max_columns = JSON_TENSOR_COLUMNS, .mixed = true};
    if (json_tensor_parse(req->body, req->n_body, (struct json_tensors){&inputs, 1, max_text},
                          req->arena, &body, err) != ERR_OK) {
        return err->code;
    }
    request->unread = body == NULL;
    if (request->unread || read_request(req, body, request, err) != ERR_OK) {
        return err->code;
    }
    if (inputs.left) {
        request->named_rows = body;
        return ERR_OK;
    }
    if (json_tensor_check(&inputs, body, 0, err) != ERR_OK) {
        return err->code;
    }
    request->predict.n = inputs.n;
    request->predict.x = inputs.values;
    request->n_inputs = inputs.k;
    return ERR_OK;
}

/* ---- npy and npz: the rows are the body, the rest is the query ---- */

/* The form of a key of the query. ERR_INVALID with the known keys when there is none of this
 * name. */
static enum err_code find_form(const char *key, enum option_form *form, struct err *err)
{
    struct prediction_option options[PREDICTION_OPTIONS_MAX];
    const char *keys[PREDICTION_OPTIONS_MAX + OWN_KEYS];
    int n_own = OWN_KEYS - 1;
    int n_options = prediction_options_list(options);
    *form = OPTION_TEXT;
    for (int i = 0; i < n_own; i++) {
        keys[i] = own_keys[i];
        if (strcmp(key, own_keys[i]) == 0) {
            return ERR_OK;
        }
    }
    for (int i = 0; i < n_options; i++) {
        keys[i + n_own] = options[i].key;
        if (strcmp(key, options[i].key) == 0) {
            *form = options[i].form;
            return ERR_OK;
        }
    }
    return known_refuse("query: key", key, (struct names){keys, n_options + n_own}, err);
}

/* The query as the JSON object that the body of a JSON request would be, without inputs. */
static enum err_code query_as_json(const struct request *req, json_t **out, struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    for (int i = 0; i < req->n_query; i++) {
        enum option_form form;
        if (find_form(req->query[i].name, &form, err) != ERR_OK) {
            return err->code;
        }
        prediction_option_write(&json, &req->query[i], form, req->arena);
    }
    json_write_object_end(&json);
    json_write_end(&json);
    if (textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (json_read_parse(text.data, text.len, req->arena, out, err) != ERR_OK) {
        err_prefix(err, "query");
    }
    return err->code;
}

static enum err_code read_arrays(const struct request *req, int max_rows,
                                 struct prediction_request *request, struct err *err)
{
    json_t *options = NULL;
    struct npy npy;
    if (query_as_json(req, &options, err) != ERR_OK ||
        read_request(req, options, request, err) != ERR_OK ||
        array_rows_read_inputs(req, max_rows, &npy, err) != ERR_OK ||
        npy_check_finite(&npy, err) != ERR_OK) {
        return err->code;
    }
    request->predict.n = npy.n;
    request->predict.x = npy.values;
    request->n_inputs = npy.k;
    request->single = npy.single;
    request->borrows_body = true;
    request->fields = npy;
    return ERR_OK;
}

static enum err_code read_table(const struct request *req, struct prediction_request *request,
                                struct err *err)
{
    json_t *options = NULL;
    request->table = true;
    return query_as_json(req, &options, err) == ERR_OK ? read_request(req, options, request, err)
                                                       : err->code;
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

/* The answer is in the format of the rows unless Accept says otherwise. */
static enum err_code choose_answer(const struct request *req, enum array_format format,
                                   struct prediction_request *request, struct err *err)
{
    const char *accept = request_header(req, "Accept");
    unsigned asked = request->predict.want & ~PREDICTION_OPTIONS_DEFAULT;
    request->npy = media_type_is(accept, MEDIA_TYPE_NPY);
    request->npz =
        media_type_is(accept, MEDIA_TYPE_NPZ) || media_type_is(accept, ARRAY_ROWS_NPZ_ALIAS);
    if (!request->npy && !request->npz && !media_type_is(accept, MEDIA_TYPE_JSON)) {
        request->npy = format == ARRAY_NPY;
        request->npz = format == ARRAY_NPZ;
    }
    if (request->npy && !request->named) {
        /* What quantiles=, samples= or intervals= ask for, else the mean. */
        request->predict.want = asked != 0 ? asked : PREDICT_MEAN;
    }
    unsigned want = request->predict.want;
    if (request->npy && (want & (want - 1)) != 0) {
        return err_set(err, ERR_INVALID,
                       "an npy answer holds one result; name it with return=, or ask for "
                       "application/x-npz or application/json");
    }
    return ERR_OK;
}

enum err_code prediction_request_read(const struct request *req, int max_rows, size_t max_text,
                                      struct prediction_request *request, struct err *err)
{
    *request = (struct prediction_request){.version = {.kind = VERSION_DEFAULT}};
    const char *type = request_header(req, "Content-Type");
    enum array_format format = array_rows_format(req);
    bool table = media_type_is(type, MEDIA_TYPE_CSV) || media_type_is(type, MEDIA_TYPE_TSV);
    if (prediction_request_deadline(req, &request->deadline_ns, err) != ERR_OK ||
        (format != ARRAY_NONE ? read_arrays(req, max_rows, request, err)
         : table              ? read_table(req, request, err)
                              : read_json(req, max_rows, max_text, request, err)) != ERR_OK ||
        request->unread) {
        return err->code;
    }
    return choose_answer(req, format, request, err);
}

static void take_rows(struct prediction_request *request, const double *x, int n, int k)
{
    request->predict.n = n;
    request->predict.x = x;
    request->n_inputs = k;
}

/* A table: with a header by name where the model has names, else by position. */
static enum err_code fit_table(struct prediction_request *request, const struct request *req,
                               int max_rows, const struct model *model, const struct space *space,
                               struct err *err)
{
    struct columns columns;
    struct text_rows text;
    columns_init(&columns, space, SPACE_GIVEN_INPUTS, req->arena);
    if (text_rows_read(req, max_rows, space != NULL ? &columns.members : NULL, &text, err) !=
        ERR_OK) {
        return err->code;
    }
    text.reader.members = NULL; /* they end with this function */
    if (space != NULL && (columns_arrange(&columns, req, &text, NULL, err) != ERR_OK ||
                          columns_check_text(space, &text, req, err) != ERR_OK)) {
        return err->code;
    }
    take_rows(request, text.table.values, text.table.n, text.table.k);
    return text_rows_check_finite(&text, req, err) == ERR_OK && text.table.k == model->d
               ? text_rows_check_inputs(&text, req, model, text.table.values, err)
               : err->code;
}

static enum err_code fit_named(struct prediction_request *request, const struct request *req,
                               int max_rows, const struct space *space, struct err *err)
{
    struct json_tensor inputs = {.key = "inputs", .left = true};
    const struct named_rows how = {.space = space,
                                   .part = SPACE_INPUTS,
                                   .key = "inputs",
                                   .use_defaults = true,
                                   .max_rows = max_rows};
    if (named_rows_settle(&how, request->named_rows, req->arena, &inputs, err) == ERR_OK) {
        take_rows(request, inputs.values, inputs.n, inputs.k);
    }
    return err->code;
}

/* Numbers under a space with categories or integers; those of npy belong to the body. */
static enum err_code fit_numbers(struct prediction_request *request, const struct space *space,
                                 struct arena *arena, struct err *err)
{
    size_t n = (size_t)request->predict.n;
    size_t d = (size_t)space->d;
    double *x = arena_alloc_array(arena, n * d, sizeof *x);
    if (x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    memcpy(x, request->predict.x, n * d * sizeof *x);
    request->predict.x = x;
    const struct space_rows rows = {n, d, x};
    if (columns_read_numbers(space, &rows, "inputs: ", err) == ERR_OK) {
        columns_fill_defaults(space, &rows); /* fields that were left out; values are finite */
    }
    return err->code;
}

/* The fields of a structured array and the arrays of npz, by name where the model has names, else
 * by position. */
static enum err_code fit_fields(struct prediction_request *request, const struct request *req,
                                const struct space *space, struct err *err)
{
    struct npy *fields = &request->fields;
    if (columns_arrange_npy(space, SPACE_GIVEN_INPUTS, req->arena, fields, err) == ERR_OK) {
        take_rows(request, fields->values, fields->n, fields->k);
    }
    return err->code;
}

enum err_code prediction_request_fit(struct prediction_request *request, const struct request *req,
                                     int max_rows, const struct model *model, struct err *err)
{
    bool fields = request->fields.names != NULL;
    if (fields || request->table || request->named_rows != NULL) {
        struct space *space = NULL;
        if (model_space_of_version(model, &space, err) != ERR_OK) {
            return err->code;
        }
        err_kept(fields           ? fit_fields(request, req, space, err)
                 : request->table ? fit_table(request, req, max_rows, model, space, err)
                                  : fit_named(request, req, max_rows, space, err));
        space_unref(space);
    }
    if (err->code == ERR_OK && request->n_inputs != model->d) {
        return err_set_at(err, ERR_SHAPE, 0, -1, "inputs: row 0 has %s, %s",
                          phrase_count(request->n_inputs, "number").text,
                          phrase_needed(model->d).text);
    }
    if (err->code == ERR_OK && output_choice_read(request->outputs, request->within, model,
                                                  req->arena, &request->predict, err) != ERR_OK) {
        return err->code;
    }
    unsigned *want = &request->predict.want;
    if (!request->named && (*want & PREDICT_VARIANCE) && !predict_units_have_squares(model)) {
        *want = (*want & ~(unsigned)PREDICT_VARIANCE) | PREDICT_STD; /* nobody asked for a square */
    }
    prediction_options_fit(&request->predict, model);
    bool numbers = !request->table && request->named_rows == NULL;
    return err->code == ERR_OK && numbers && model->space != NULL
               ? fit_numbers(request, model->space, req->arena, err)
               : err->code;
}
