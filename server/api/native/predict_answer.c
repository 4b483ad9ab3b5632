/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/predict_answer.h"

#include "api/native/row_warnings.h"
#include "documents/model_json.h"
#include "formats/json_stream.h"
#include "formats/media_type.h"
#include "formats/npy.h"

#include <string.h>

#define WHOLE_BYTES ((size_t)256 * 1024) /* answers that may be longer are made while sent */

/* ---- JSON ---- */

/* Tensors that a result of each shape is made of. */
enum {
    TENSORS_N_O = 1,
    TENSORS_LEVELS_N_O = 2,
    TENSORS_N_O_O = 1,
    TENSORS_O_N_N = 1,
    TENSORS_SAMPLES_N_O = 1,
    TENSORS_PAIR_N_O_D = 2,
    TENSORS_PAIR_N = 2,
    TENSORS_ENDS_N_O = 2 * PREDICT_MAX_INTERVALS,
    TENSORS_OF_ALL = 0
#define RESULT(FLAG, field, name, shape, join, option) +TENSORS_##shape
#include "predict/results.def"
#undef RESULT
};
_Static_assert(TENSORS_OF_ALL <= JSON_STREAM_TENSORS, "an answer with every result has room");

/* {"levels":[..],"values":[..]}, values [n x o] for each level. */
static void write_levels(struct json_stream *stream, const struct predict_request *req,
                         const double *values, const struct predict_dims *dims)
{
    json_stream_value(stream, "levels", req->levels, 1, &dims->size[0]);
    json_stream_value(stream, "values", values, dims->rank, dims->size);
}

/* {"mean":[..],"std":[..]} */
static void write_pair(struct json_stream *stream, const double *values,
                       const struct predict_dims *dims)
{
    size_t half = 1;
    for (int k = 1; k < dims->rank; k++) {
        half *= dims->size[k];
    }
    json_stream_value(stream, "mean", values, dims->rank - 1, &dims->size[1]);
    json_stream_value(stream, "std", values + half, dims->rank - 1, &dims->size[1]);
}

/* [{"level":0.9,"method":"split","lower":[..],"upper":[..]},..] */
static void write_intervals(struct json_stream *stream, const struct predict_answer *answer,
                            const double *values, const struct predict_dims *dims)
{
    const struct predict_request *req = &answer->request->predict;
    enum conformal_method method = answer->served->model->conformal.method;
    size_t cells = dims->size[1] * dims->size[2];
    for (int k = 0; k < req->n_intervals; k++) {
        const double *lower = values + 2 * (size_t)k * cells;
        json_write_object(&stream->json, NULL);
        json_write_real(&stream->json, "level", req->intervals[k]);
        json_write_text(&stream->json, "method",
                        method != CONFORMAL_NONE ? conformal_method_name(method) : "normal");
        json_stream_value(stream, "lower", lower, 2, &dims->size[1]);
        json_stream_value(stream, "upper", lower + cells, 2, &dims->size[1]);
        json_write_object_end(&stream->json);
    }
}

static void write_result(struct json_stream *stream, const struct predict_answer *answer,
                         enum predict_index index)
{
    const struct predict_request *req = &answer->request->predict;
    const double *values = answer->result->at[index];
    const char *name = predict_kinds[index].name;
    struct predict_dims dims = predict_result_dims(index, answer->served->model, req);
    switch (predict_kinds[index].shape) {
    case PREDICT_SHAPE_N_O:
    case PREDICT_SHAPE_N_O_O:
    case PREDICT_SHAPE_O_N_N:
    case PREDICT_SHAPE_SAMPLES_N_O:
        json_stream_value(stream, name, values, dims.rank, dims.size);
        break;
    case PREDICT_SHAPE_LEVELS_N_O:
        json_write_object(&stream->json, name);
        write_levels(stream, req, values, &dims);
        json_write_object_end(&stream->json);
        break;
    case PREDICT_SHAPE_PAIR_N_O_D:
    case PREDICT_SHAPE_PAIR_N:
        json_write_object(&stream->json, name);
        write_pair(stream, values, &dims);
        json_write_object_end(&stream->json);
        break;
    case PREDICT_SHAPE_ENDS_N_O:
        json_write_array(&stream->json, name);
        write_intervals(stream, answer, values, &dims);
        json_write_array_end(&stream->json);
        break;
    }
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the answer");
}

/* A short text whole, with its length; a long one as the client takes it. */
static enum err_code send_stream(struct json_stream *stream, struct arena *arena,
                                 struct response *res, struct err *err)
{
    size_t bound = json_stream_bound(stream);
    if (bound > WHOLE_BYTES) {
        res->source = (struct body_source){.read = json_stream_read, .ctx = stream};
        return ERR_OK;
    }
    char *body = arena_alloc(arena, bound);
    if (body == NULL) {
        return no_memory(err);
    }
    res->n_body = json_stream_read(stream, body, bound);
    res->body = body;
    return ERR_OK;
}

static enum err_code write_json(const struct predict_answer *answer, struct response *res,
                                long *outside, struct err *err)
{
    const struct served *served = answer->served;
    struct json_stream *stream = arena_alloc_array(answer->arena, 1, sizeof *stream);
    if (stream == NULL) {
        return no_memory(err);
    }
    json_stream_init(stream, answer->arena);
    json_write_object(&stream->json, NULL);
    json_write_text(&stream->json, "model", served->name);
    json_write_int(&stream->json, "version", served->version);
    json_write_int(&stream->json, "draws", served->model->m);
    model_json_write_names(&stream->json, served->model);
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (answer->request->predict.want & (1U << i)) {
            write_result(stream, answer, (enum predict_index)i);
        }
    }
    *outside = row_warnings_write(&stream->json, &answer->request->predict, served->model);
    json_write_object_end(&stream->json);
    if (json_stream_end(stream, err) != ERR_OK) {
        return err->code;
    }
    res->status = 200;
    res->content_type = MEDIA_TYPE_JSON;
    return send_stream(stream, answer->arena, res, err);
}

/* ---- npy ---- */

_Static_assert(PREDICT_MAX_RANK <= NPY_MAX_RANK, "every result is an array of npy");

/* The one result that was asked for. */
static enum err_code write_array(const struct predict_answer *answer, struct response *res,
                                 struct err *err)
{
    const struct predict_request *req = &answer->request->predict;
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (req->want == 1U << i) {
            struct predict_dims dims =
                predict_result_dims((enum predict_index)i, answer->served->model, req);
            const struct npy_array array = {.values = answer->result->at[i],
                                            .rank = dims.rank,
                                            .shape = dims.size,
                                            .single = answer->request->single};
            return npy_write(&array, answer->arena, &res->body, &res->n_body, err);
        }
    }
    return err_set(err, ERR_INTERNAL, "no single result for npy");
}

/* What JSON says beside the numbers goes into headers. */
static enum err_code write_npy(const struct predict_answer *answer, struct response *res,
                               long *outside, struct err *err)
{
    const struct served *served = answer->served;
    struct arena *arena = answer->arena;
    *outside = row_warnings_count(&answer->request->predict, served->model);
    char *name = arena_strndup(arena, served->name, strlen(served->name));
    char *version = arena_printf(arena, "%lld", (long long)served->version);
    char *draws = arena_printf(arena, "%d", served->model->m);
    char *rows = arena_printf(arena, "%ld", *outside);
    if (name == NULL || version == NULL || draws == NULL || rows == NULL) {
        return no_memory(err);
    }
    if (write_array(answer, res, err) != ERR_OK) {
        return err->code;
    }
    response_header(res, "Surrogate-Model", name);
    response_header(res, "Surrogate-Version", version);
    response_header(res, "Surrogate-Draws", draws);
    response_header(res, "Surrogate-Extrapolated-Rows", rows);
    res->status = 200;
    res->content_type = MEDIA_TYPE_NPY;
    return ERR_OK;
}

enum err_code predict_answer_write(const struct predict_answer *answer, struct response *res,
                                   long *outside, struct err *err)
{
    return answer->request->npy ? write_npy(answer, res, outside, err)
                                : write_json(answer, res, outside, err);
}
