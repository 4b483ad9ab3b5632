/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer without binary outputs is a stream of JSON, made while it is sent. With them, the
 * length of the JSON must be known before the first byte, so its text is made whole; the numbers
 * behind it are converted while they are sent.
 */
#include "api/oip/infer_answer.h"

#include "api/native/row_warnings.h"
#include "api/reply.h"
#include "formats/media_type.h"
#include "formats/npy.h"

#include <stdio.h>
#include <string.h>

#define NUMBER_CHARS 26 /* of a number as text, with its comma */
#define TYPE_BYTES   "application/octet-stream"
#define WHOLE_BYTES                                                                                \
    ((size_t)256 * 1024) /* up to it an answer is one piece, as reply_stream makes it */

_Static_assert(JSON_STREAM_TENSORS >= PREDICT_N_RESULTS, "an answer with every result has room");

/* The numbers of binary outputs, one after the other, behind the text. */
struct binary_body {
    const char *text;
    size_t n_text;
    size_t at; /* in the text */
    struct {
        const double *values;
        size_t n;
        bool single;
    } parts[PREDICT_N_RESULTS];
    int n_parts;
    int part;
    size_t next; /* in the part */
};

static struct predict_dims dims_of(const struct infer_request *request, const struct model *model,
                                   int output, size_t *n)
{
    struct predict_dims dims =
        predict_result_dims(request->outputs[output].index, model, &request->predict);
    *n = 1;
    for (int k = 0; k < dims.rank; k++) {
        *n *= dims.size[k];
    }
    return dims;
}

size_t infer_answer_bytes(const struct infer_request *request, const struct model *model)
{
    bool binary = false;
    size_t n_chars = 0;
    for (int i = 0; i < request->n_outputs; i++) {
        size_t n;
        (void)dims_of(request, model, i, &n);
        binary |= request->outputs[i].binary;
        n_chars += request->outputs[i].binary ? 0 : n * NUMBER_CHARS;
    }
    return binary ? 2 * n_chars : 0; /* twice, since the text grows by doubling */
}

/* ---- JSON ---- */

/* What the native API says beside the numbers. */
static void write_parameters(struct json_write *json, const struct infer_answer *answer,
                             long *outside)
{
    const struct served *served = answer->served;
    *outside = row_warnings_count(&answer->request->predict, served->model);
    json_write_object(json, "parameters");
    json_write_int(json, "draws", served->model->m);
    json_write_int(json, "extrapolated_rows", *outside);
    if (served->warning_codes != NULL) {
        json_write_text(json, "warnings", served->warning_codes);
    }
    json_write_object_end(json);
}

static void write_head(struct json_write *json, const struct infer_answer *answer, long *outside)
{
    char version[24];
    const char *id = answer->request->id;
    snprintf(version, sizeof version, "%lld", (long long)answer->served->version);
    json_write_text(json, "model_name", answer->served->name);
    json_write_text(json, "model_version", version);
    if (id != NULL) {
        json_write_text(json, "id", id);
    }
    write_parameters(json, answer, outside);
}

/* All of an output but its numbers; returns how many these are. */
static size_t write_output_head(struct json_write *json, const struct infer_answer *answer,
                                int output)
{
    const struct infer_output *of = &answer->request->outputs[output];
    size_t n;
    const struct predict_dims dims = dims_of(answer->request, answer->served->model, output, &n);
    json_write_text(json, "name", of->name);
    json_write_text(json, "datatype", tensor_type_oip().list[of->single ? TENSOR_F32 : TENSOR_F64]);
    json_write_array(json, "shape");
    for (int k = 0; k < dims.rank; k++) {
        json_write_int(json, NULL, (int64_t)dims.size[k]);
    }
    json_write_array_end(json);
    return n;
}

/* Numbers that are answered as FP32 must be such numbers; in JSON they are rounded to them. */
static enum err_code round_to_float(double *values, size_t n, bool binary, const char *name,
                                    struct err *err)
{
    size_t bad = 0;
    if (!tensor_type_fits_float(values, n, &bad)) {
        return err_set(err, ERR_NUMERIC, "output %s: %g does not fit FP32; ask for FP64", name,
                       values[bad]);
    }
    for (size_t i = 0; i < n && !binary; i++) {
        values[i] = (double)(float)values[i];
    }
    return ERR_OK;
}

/* Before anything is written: outputs in FP32. No two outputs share an array. */
static enum err_code round_outputs(const struct infer_answer *answer, struct err *err)
{
    for (int i = 0; i < answer->request->n_outputs; i++) {
        const struct infer_output *of = &answer->request->outputs[i];
        size_t n;
        (void)dims_of(answer->request, answer->served->model, i, &n);
        if (of->single &&
            round_to_float(answer->result->at[of->index], n, of->binary, of->name, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code write_stream(const struct infer_answer *answer, struct response *res,
                                  long *outside, struct err *err)
{
    struct json_stream *stream = arena_alloc_array(answer->arena, 1, sizeof *stream);
    if (stream == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    json_stream_init(stream, answer->arena);
    json_write_object(&stream->json, NULL);
    write_head(&stream->json, answer, outside);
    json_write_array(&stream->json, "outputs");
    for (int i = 0; i < answer->request->n_outputs; i++) {
        json_write_object(&stream->json, NULL);
        size_t n = write_output_head(&stream->json, answer, i);
        json_stream_value(stream, "data", answer->result->at[answer->request->outputs[i].index], 1,
                          &n);
        json_write_object_end(&stream->json);
    }
    json_write_array_end(&stream->json);
    json_write_object_end(&stream->json);
    res->status = 200;
    res->content_type = MEDIA_TYPE_JSON;
    return json_stream_end(stream, err) == ERR_OK ? reply_stream(res, stream, answer->arena, err)
                                                  : err->code;
}

/* ---- JSON and bytes ---- */

static size_t read_binary(void *ctx, char *out, size_t size)
{
    struct binary_body *body = ctx;
    struct err err = ERR_INIT;
    size_t n = body->n_text - body->at;
    n = n < size ? n : size;
    memcpy(out, body->text + body->at, n);
    body->at += n;
    while (body->at == body->n_text && body->part < body->n_parts) {
        bool single = body->parts[body->part].single;
        size_t left = body->parts[body->part].n - body->next;
        size_t count = (size - n) / NPY_ITEM(single);
        count = count < left ? count : left;
        if (npy_write_numbers(body->parts[body->part].values + body->next, count, single, out + n,
                              &err) != ERR_OK) {
            return BODY_SOURCE_FAILED;
        }
        n += count * NPY_ITEM(single);
        body->next += count;
        if (count < left) {
            break;
        }
        body->part++;
        body->next = 0;
    }
    return n;
}

/* An output in the JSON, or its numbers as a part behind it; returns the bytes of these. */
static size_t write_mixed_output(struct json_write *json, const struct infer_answer *answer,
                                 int output, struct binary_body *body)
{
    const struct infer_output *of = &answer->request->outputs[output];
    const double *values = answer->result->at[of->index];
    json_write_object(json, NULL);
    size_t n = write_output_head(json, answer, output);
    size_t n_bytes = 0;
    if (of->binary) {
        n_bytes = n * NPY_ITEM(of->single);
        json_write_object(json, "parameters");
        json_write_int(json, "binary_data_size", (int64_t)n_bytes);
        json_write_object_end(json);
        body->parts[body->n_parts].values = values;
        body->parts[body->n_parts].n = n;
        body->parts[body->n_parts].single = of->single;
        body->n_parts++;
    } else {
        json_write_reals(json, "data", values, n);
    }
    json_write_object_end(json);
    return n_bytes;
}

/* n_bytes: of all of it. */
static enum err_code send_binary(struct binary_body *body, size_t n_bytes, struct arena *arena,
                                 struct response *res, struct err *err)
{
    res->status = 200;
    res->content_type = TYPE_BYTES;
    if (n_bytes > WHOLE_BYTES) {
        res->source = (struct body_source){
            .read = read_binary, .ctx = body, .needs_no_body = true, .n_bytes = n_bytes};
        return ERR_OK;
    }
    char *whole = arena_alloc(arena, n_bytes);
    if (whole == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    res->n_body = read_binary(body, whole, n_bytes);
    res->body = whole;
    return ERR_OK;
}

static enum err_code write_binary(const struct infer_answer *answer, struct response *res,
                                  long *outside, struct err *err)
{
    struct textbuf text = textbuf_in(answer->arena);
    struct json_write json = json_write_to(&text);
    struct binary_body *body = arena_zalloc_array(answer->arena, 1, sizeof *body);
    size_t n_bytes = 0;
    if (body == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    json_write_object(&json, NULL);
    write_head(&json, answer, outside);
    json_write_array(&json, "outputs");
    for (int i = 0; i < answer->request->n_outputs; i++) {
        n_bytes += write_mixed_output(&json, answer, i, body);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    json_write_end(&json);
    char *length = arena_printf(answer->arena, "%zu", text.len);
    if (textbuf_failed(&text) || length == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    body->text = text.data;
    body->n_text = text.len;
    response_header(res, "Inference-Header-Content-Length", length);
    return send_binary(body, text.len + n_bytes, answer->arena, res, err);
}

enum err_code infer_answer_write(const struct infer_answer *answer, struct response *res,
                                 long *outside, struct err *err)
{
    bool binary = false;
    for (int i = 0; i < answer->request->n_outputs; i++) {
        binary |= answer->request->outputs[i].binary;
    }
    if (round_outputs(answer, err) != ERR_OK) {
        return err->code;
    }
    return binary ? write_binary(answer, res, outside, err)
                  : write_stream(answer, res, outside, err);
}
