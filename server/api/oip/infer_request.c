/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No length in the request is believed: the header says how much of the body is JSON, each input
 * how many bytes follow it, each shape how many numbers there are. They are compared with each
 * other and with the body before anything of that size is allocated.
 */
#include "api/oip/infer_request.h"

#include "api/native/prediction_options.h"
#include "api/oip/infer_parameters.h"
#include "base/known.h"
#include "base/mem.h"
#include "base/numtext.h"
#include "formats/json_tensor.h"

#include <stdio.h>
#include <string.h>

#define HEADER     "Inference-Header-Content-Length"
#define TYPE_CHARS 16
#define NAME_CHARS 512
#define WHERE_SIZE (NUMTEXT_MAX + 16) /* "outputs[1023]" */

enum err_code infer_body_split(const char *header, size_t n_bytes, size_t *n_json, struct err *err)
{
    size_t n = 0;
    *n_json = n_bytes;
    if (header == NULL) {
        return ERR_OK;
    }
    const char *p = header;
    for (; *p >= '0' && *p <= '9' && n <= n_bytes && n < SIZE_MAX / 10; p++) {
        n = 10 * n + (size_t)(*p - '0');
    }
    if (header[0] == '\0' || header[strspn(header, "0123456789")] != '\0') {
        return err_set(err, ERR_INVALID,
                       HEADER " is \"%.40s\", the number of bytes of JSON at the beginning of the "
                              "body is needed",
                       header);
    }
    if (n > n_bytes || *p != '\0') {
        return err_set(err, ERR_INVALID, HEADER " is %.20s, but the body has only %zu bytes",
                       header, n_bytes);
    }
    *n_json = n;
    return ERR_OK;
}

/* ---- inputs ---- */

/* A document that is being read. */
struct reading {
    struct infer_body body;
    size_t next; /* the first byte of the body that belongs to no tensor yet */
    struct json_tensor data;
    struct infer_request *request;
    enum tensor_type type; /* of outputs; TENSOR_N_TYPES: not given */
    struct arena *arena;
};

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the request");
}

/* "inputs[0]"; list: at most 8 bytes. */
static void name_item(const char *list, size_t index, char where[WHERE_SIZE])
{
    size_t n = strlen(list);
    memcpy(where, list, n);
    where[n++] = '[';
    n += numtext_write((double)index, where + n);
    memcpy(where + n, "]", 2);
}

static enum err_code read_shape(const json_t *input, const char *where, struct infer_tensor *tensor,
                                struct err *err)
{
    const json_t *list = json_object_get(input, "shape");
    size_t rank = json_array_size(list);
    if (rank < 1 || rank > INFER_MAX_RANK) {
        return err_set(err, ERR_INVALID, "%s: shape is %s, an array of 1 to %d sizes is needed",
                       where,
                       json_is_array(list) ? "an array of another length" : json_read_kind(list),
                       INFER_MAX_RANK);
    }
    tensor->rank = (int)rank;
    tensor->n = 1;
    for (size_t k = 0; k < rank; k++) {
        const json_t *size = json_array_get(list, k);
        int64_t value = 0;
        if (!json_read_whole(size, &value) || value < 1) {
            return err_set(err, ERR_SHAPE, "%s: shape[%zu] is not a whole number from 1", where, k);
        }
        tensor->shape[k] = (size_t)value;
        if (!size_mul(tensor->n, tensor->shape[k], &tensor->n) || tensor->n > PREDICT_MAX_VALUES) {
            return err_set(err, ERR_LIMIT, "%s: its shape has more than %zu numbers", where,
                           PREDICT_MAX_VALUES);
        }
    }
    return ERR_OK;
}

static enum err_code read_type(struct json_members members, enum tensor_type *type)
{
    const char *text = NULL;
    json_read_require(members, "datatype");
    if (json_read_text(members, "datatype", TYPE_CHARS, &text) != ERR_OK) {
        return members.err->code;
    }
    int found = names_find(tensor_type_oip(), text);
    if (found < 0) {
        char what[WHERE_SIZE + 16];
        snprintf(what, sizeof what, "%s: datatype", members.where);
        return known_refuse(what, text, tensor_type_oip(), members.err);
    }
    *type = (enum tensor_type)found;
    return ERR_OK;
}

/* The numbers of the input behind the JSON. */
static enum err_code find_bytes(struct reading *r, const char *where, int64_t n_given,
                                struct infer_tensor *tensor, struct err *err)
{
    size_t needed = tensor->n * tensor_type_size(tensor->type); /* both are bounded */
    size_t left = r->body.n_bytes - r->next;
    if ((uint64_t)n_given != needed) {
        return err_set(err, ERR_SHAPE,
                       "%s: binary_data_size is %lld, its shape and datatype need %zu bytes", where,
                       (long long)n_given, needed);
    }
    if (needed > left) {
        return err_set(err, ERR_SHAPE,
                       "%s: binary_data_size is %zu, but only %zu bytes of the body are left for "
                       "it",
                       where, needed, left);
    }
    tensor->bytes = r->body.bytes + r->next;
    r->next += needed;
    return ERR_OK;
}

/* The numbers of the input in the JSON, nested or flat. */
static enum err_code find_values(const struct reading *r, int index, const json_t *input,
                                 struct infer_tensor *tensor, struct err *err)
{
    const struct json_tensor data = json_tensor_item(&r->data, index);
    if (!data.found) {
        const json_t *there = json_object_get(input, "data");
        return err_set(err, ERR_INVALID, "inputs[%d]: data is %s, an array of numbers is needed",
                       index, json_read_kind(there));
    }
    size_t n = (size_t)data.n * (size_t)data.k; /* they are in memory */
    if (n != tensor->n) {
        return err_set(err, ERR_SHAPE, "inputs[%d]: data has %zu numbers, its shape has %zu", index,
                       n, tensor->n);
    }
    for (size_t i = 0; i < n; i++) {
        if (!tensor_type_fit(tensor->type, &data.values[i])) {
            return err_set(err, ERR_INVALID, "inputs[%d]: data: %g, number %zu, is no %s", index,
                           data.values[i], i, tensor_type_oip().list[tensor->type]);
        }
    }
    tensor->values = data.values;
    return ERR_OK;
}

static enum err_code read_input(struct reading *r, const json_t *input, int index, struct err *err)
{
    static const char *const keys[] = {"name", "shape", "datatype", "parameters", "data", NULL};
    struct infer_tensor *tensor = &r->request->inputs[index];
    int64_t n_bytes = -1;
    char where[WHERE_SIZE];
    name_item("inputs", (size_t)index, where);
    if (!json_is_object(input)) {
        return err_set(err, ERR_INVALID, "%s is %s, an object is needed", where,
                       json_read_kind(input));
    }
    const struct json_members members = {input, where, err};
    if (json_read_check_keys(input, where, keys, err) != ERR_OK ||
        json_read_require(members, "name") != ERR_OK ||
        json_read_text(members, "name", NAME_CHARS, &tensor->name) != ERR_OK ||
        read_type(members, &tensor->type) != ERR_OK ||
        read_shape(input, where, tensor, err) != ERR_OK ||
        infer_parameters_of_input(input, where, &n_bytes, err) != ERR_OK) {
        return err->code;
    }
    if (n_bytes < 0) {
        return find_values(r, index, input, tensor, err);
    }
    if (json_object_get(input, "data") != NULL) {
        return err_set(err, ERR_INVALID, "%s has data and binary_data_size; one of them is needed",
                       where);
    }
    return find_bytes(r, where, n_bytes, tensor, err);
}

static enum err_code read_inputs(struct reading *r, const json_t *document, struct err *err)
{
    const json_t *list = json_object_get(document, "inputs");
    size_t n = json_array_size(list);
    if (n < 1 || n > INFER_MAX_INPUTS) {
        return err_set(err, ERR_INVALID, "inputs is %s, an array of 1 to %d tensors is needed",
                       json_is_array(list) ? "an array of another length" : json_read_kind(list),
                       INFER_MAX_INPUTS);
    }
    r->request->inputs = arena_zalloc_array(r->arena, n, sizeof *r->request->inputs);
    if (r->request->inputs == NULL) {
        return no_memory(err);
    }
    r->request->n_inputs = (int)n;
    for (size_t i = 0; i < n; i++) {
        if (read_input(r, json_array_get(list, i), (int)i, err) != ERR_OK) {
            return err->code;
        }
    }
    if (r->next != r->body.n_bytes) {
        return err_set(err, ERR_SHAPE, "%zu bytes of the body belong to no input",
                       r->body.n_bytes - r->next);
    }
    return ERR_OK;
}

/* ---- outputs ---- */

static bool has_output(const struct infer_request *request, enum predict_index index)
{
    for (int i = 0; i < request->n_outputs; i++) {
        if (request->outputs[i].index == index) {
            return true;
        }
    }
    return false;
}

/* There are never more outputs than results, since none may come twice. */
static enum err_code read_output(struct reading *r, const json_t *value, const char *where,
                                 struct err *err)
{
    static const char *const keys[] = {"name", "parameters", NULL};
    struct infer_request *request = r->request;
    struct infer_output output = {.binary = request->binary};
    enum tensor_type type = r->type;
    const char *name = NULL;
    if (!json_is_object(value)) {
        return err_set(err, ERR_INVALID, "%s is %s, an object is needed", where,
                       json_read_kind(value));
    }
    const struct json_members members = {value, where, err};
    if (json_read_check_keys(value, where, keys, err) != ERR_OK ||
        json_read_require(members, "name") != ERR_OK ||
        json_read_text(members, "name", NAME_CHARS, &name) != ERR_OK ||
        infer_parameters_of_output(value, where, &output.binary, &type, err) != ERR_OK) {
        return err->code;
    }
    if (!predict_result_find(name, &output.index)) {
        return err_set(err, ERR_INVALID, "%s: name \"%.40s\" is not one of %s", where, name,
                       predict_result_names());
    }
    if (output.index == PREDICT_INDEX_COVARIANCE_OUTPUTS &&
        (request->predict.want & PREDICT_COVARIANCE_ROWS) != 0) {
        output.index = PREDICT_INDEX_COVARIANCE_ROWS; /* which has the same name */
    }
    if (has_output(request, output.index)) {
        return err_set(err, ERR_INVALID, "%s: name \"%.40s\" comes twice", where, name);
    }
    output.name = predict_kinds[output.index].name;
    output.single = type == TENSOR_F32;
    request->outputs[request->n_outputs++] = output;
    return ERR_OK;
}

/* As the inputs are, where nothing else is said. */
static enum tensor_type default_type(const struct infer_request *request)
{
    enum tensor_type type = TENSOR_F32;
    for (int i = 0; i < request->n_inputs; i++) {
        type = request->inputs[i].type == TENSOR_F32 ? type : TENSOR_F64;
    }
    return type;
}

/* The results that the options asked for, or some that every model has. */
static void add_unnamed_outputs(struct infer_request *request, enum tensor_type type)
{
    unsigned asked = request->predict.want & ~PREDICTION_OPTIONS_DEFAULT;
    request->predict.want = INFER_DEFAULT_OUTPUTS | asked;
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if ((request->predict.want & (1U << i)) != 0) {
            request->outputs[request->n_outputs++] =
                (struct infer_output){.name = predict_kinds[i].name,
                                      .index = (enum predict_index)i,
                                      .binary = request->binary,
                                      .single = type == TENSOR_F32};
        }
    }
}

static enum err_code read_outputs(struct reading *r, const json_t *document, struct err *err)
{
    const json_t *list = json_object_get(document, "outputs");
    struct infer_request *request = r->request;
    char where[WHERE_SIZE];
    unsigned want = 0;
    r->type = r->type != TENSOR_N_TYPES ? r->type : default_type(request);
    if (list != NULL && !json_is_array(list)) {
        return err_set(err, ERR_INVALID, "outputs is %s, an array is needed", json_read_kind(list));
    }
    request->named = json_array_size(list) > 0;
    if (!request->named) {
        add_unnamed_outputs(request, r->type);
        return ERR_OK;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        name_item("outputs", i, where);
        if (read_output(r, json_array_get(list, i), where, err) != ERR_OK) {
            return err->code;
        }
        want |= 1U << request->outputs[request->n_outputs - 1].index;
    }
    request->predict.want = want;
    return ERR_OK;
}

/* ---- the whole ---- */

static enum err_code read_document(struct reading *r, const json_t *document, struct err *err)
{
    static const char *const keys[] = {"id", "parameters", "inputs", "outputs", NULL};
    if (!json_is_object(document)) {
        return err_set(err, ERR_INVALID, "the body is not a JSON object");
    }
    const struct json_members members = {document, "body", err};
    if (json_read_check_keys(document, "body", keys, err) != ERR_OK ||
        json_read_text(members, "id", INFER_MAX_ID, &r->request->id) != ERR_OK ||
        infer_parameters_read(document, r->arena, r->request, &r->type, err) != ERR_OK ||
        read_inputs(r, document, err) != ERR_OK) {
        return err->code;
    }
    return read_outputs(r, document, err);
}

/* A body without JSON: the numbers of the only input, as metadata say that they are. The answer is
 * bytes as well. */
static enum err_code read_bytes(struct reading *r, struct err *err)
{
    struct infer_request *request = r->request;
    enum tensor_type type;
    request->inputs = arena_zalloc_array(r->arena, 1, sizeof *request->inputs);
    if (request->inputs == NULL) {
        return no_memory(err);
    }
    request->n_inputs = 1;
    request->inputs[0] = (struct infer_tensor){.name = INFER_INPUT,
                                               .type = TENSOR_F64,
                                               .bytes = r->body.bytes,
                                               .n_bytes = r->body.n_bytes};
    request->binary = true;
    if (infer_parameters_read(NULL, r->arena, request, &type, err) == ERR_OK) {
        add_unnamed_outputs(request, TENSOR_F64);
    }
    return err->code;
}

enum err_code infer_request_parse(struct infer_body body, size_t max_text, struct arena *arena,
                                  struct infer_request *request, struct err *err)
{
    struct reading reading = {.body = body,
                              .next = body.n_json,
                              .request = request,
                              .type = TENSOR_N_TYPES,
                              .arena = arena,
                              .data = {.key = "inputs[].data",
                                       .max_rows = (int)PREDICT_MAX_VALUES,
                                       .max_columns = (int)PREDICT_MAX_VALUES}};
    json_t *document = NULL;
    *request = (struct infer_request){.n_inputs = 0};
    if (body.n_json == 0 && body.n_bytes > 0) {
        return read_bytes(&reading, err);
    }
    if (json_tensor_parse(body.bytes, body.n_json,
                          (struct json_tensors){&reading.data, 1, max_text}, arena, &document,
                          err) != ERR_OK) {
        return err->code;
    }
    request->unread = document == NULL;
    return request->unread ? ERR_OK : read_document(&reading, document, err);
}
