/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/predict_answer.h"

#include "api/native/row_warnings.h"
#include "api/reply.h"
#include "documents/model_json.h"
#include "formats/media_type.h"

#include <string.h>

/* ---- JSON ---- */

/* Tensors that a result of each shape is made of. */
enum {
    TENSORS_N_O = 1,
    TENSORS_LEVELS_N_O = 2,
    TENSORS_TOTAL_LEVELS_N_O = 2,
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

/* One result of an answer, while it is written. */
struct result_writer {
    struct json_stream *stream;
    const struct predict_answer *answer;
    enum predict_index index;
    struct predict_dims dims;
};

/* A tensor whose numbers are those of the result from `first` on. */
static void write_tensor(const struct result_writer *w, const char *key, size_t first, int rank,
                         const size_t *shape)
{
    const struct predict_result *result = w->answer->result;
    if (result != NULL) {
        json_stream_value(w->stream, key, result->at[w->index] + first, rank, shape);
    } else {
        json_stream_fed(w->stream, key, (struct json_feed){(int)w->index, first}, rank, shape);
    }
}

/* {"levels":[..],"values":[..]}, values [n x o] for each level. */
static void write_levels(const struct result_writer *w, const double *levels)
{
    json_stream_value(w->stream, "levels", levels, 1, &w->dims.size[0]);
    write_tensor(w, "values", 0, w->dims.rank, w->dims.size);
}

/* {"mean":[..],"std":[..]} */
static void write_pair(const struct result_writer *w)
{
    size_t half = 1;
    for (int k = 1; k < w->dims.rank; k++) {
        half *= w->dims.size[k];
    }
    write_tensor(w, "mean", 0, w->dims.rank - 1, &w->dims.size[1]);
    write_tensor(w, "std", half, w->dims.rank - 1, &w->dims.size[1]);
}

/* [{"level":0.9,"method":"split","lower":[..],"upper":[..]},..] */
static void write_intervals(const struct result_writer *w)
{
    const struct predict_request *req = &w->answer->request->predict;
    struct json_write *json = &w->stream->json;
    enum conformal_method method = w->answer->served->model->conformal.method;
    size_t cells = w->dims.size[1] * w->dims.size[2];
    for (int k = 0; k < req->n_intervals; k++) {
        size_t lower = 2 * (size_t)k * cells;
        json_write_object(json, NULL);
        json_write_real(json, "level", req->intervals[k]);
        json_write_text(json, "method",
                        method != CONFORMAL_NONE ? conformal_method_name(method) : "normal");
        write_tensor(w, "lower", lower, 2, &w->dims.size[1]);
        write_tensor(w, "upper", lower + cells, 2, &w->dims.size[1]);
        json_write_object_end(json);
    }
}

static void write_result(struct json_stream *stream, const struct predict_answer *answer,
                         enum predict_index index)
{
    const char *name = predict_kinds[index].name;
    const struct result_writer w = {
        .stream = stream,
        .answer = answer,
        .index = index,
        .dims = predict_result_dims(index, answer->served->model, &answer->request->predict)};
    switch (predict_kinds[index].shape) {
    case PREDICT_SHAPE_N_O:
    case PREDICT_SHAPE_N_O_O:
    case PREDICT_SHAPE_O_N_N:
    case PREDICT_SHAPE_SAMPLES_N_O:
        write_tensor(&w, name, 0, w.dims.rank, w.dims.size);
        break;
    case PREDICT_SHAPE_LEVELS_N_O:
        json_write_object(&stream->json, name);
        write_levels(&w, answer->request->predict.levels);
        json_write_object_end(&stream->json);
        break;
    case PREDICT_SHAPE_TOTAL_LEVELS_N_O:
        json_write_object(&stream->json, name);
        write_levels(&w, answer->request->predict.total_levels);
        json_write_object_end(&stream->json);
        break;
    case PREDICT_SHAPE_PAIR_N_O_D:
    case PREDICT_SHAPE_PAIR_N:
        json_write_object(&stream->json, name);
        write_pair(&w);
        json_write_object_end(&stream->json);
        break;
    case PREDICT_SHAPE_ENDS_N_O:
        json_write_array(&stream->json, name);
        write_intervals(&w);
        json_write_array_end(&stream->json);
        break;
    }
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the answer");
}

/* Names; of some outputs also which they are. */
static void write_outputs(struct json_write *json, const struct predict_request *req,
                          const struct model *model)
{
    if (req->n_outputs == 0) {
        model_json_write_names(json, model);
        return;
    }
    model_json_write_names_of(json, model, req->outputs, req->n_outputs);
    json_write_array(json, "outputs");
    for (int j = 0; j < req->n_outputs; j++) {
        json_write_int(json, NULL, req->outputs[j]);
    }
    json_write_array_end(json);
}

/* All of the text but the numbers. */
static enum err_code begin_json(const struct predict_answer *answer, struct json_stream **out,
                                struct response *res, long *outside, struct err *err)
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
    write_outputs(&stream->json, &answer->request->predict, served->model);
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (answer->request->predict.want & (1U << i)) {
            write_result(stream, answer, (enum predict_index)i);
        }
    }
    *outside = row_warnings_write(&stream->json, &answer->request->predict, served);
    json_write_object_end(&stream->json);
    if (json_stream_end(stream, err) != ERR_OK) {
        return err->code;
    }
    res->status = 200;
    res->content_type = MEDIA_TYPE_JSON;
    *out = stream;
    return ERR_OK;
}

/* ---- npy and npz ---- */

_Static_assert(PREDICT_MAX_RANK <= NPY_MAX_RANK, "every result is an array of npy");
_Static_assert(PREDICT_N_RESULTS <= NPZ_MAX_ARRAYS, "an npz answer has room for every result");

/* The first result from `index` on that was asked for; PREDICT_N_RESULTS: there is none. */
static int next_result(const struct predict_answer *answer, int index)
{
    while (index < PREDICT_N_RESULTS && !(answer->request->predict.want & (1U << index))) {
        index++;
    }
    return index;
}

/* The one result that was asked for; its values: NULL, when they are fed. */
static struct npy_array find_array(const struct predict_answer *answer, struct predict_dims *dims,
                                   enum predict_index *index)
{
    int only = next_result(answer, 0); /* prediction_request_read has seen that there is just one */
    *index = (enum predict_index)only;
    *dims = predict_result_dims(*index, answer->served->model, &answer->request->predict);
    return (struct npy_array){.values = answer->result != NULL ? answer->result->at[only] : NULL,
                              .rank = dims->rank,
                              .shape = dims->size,
                              .single = answer->request->single};
}

/* An npz of all results, each by its name; NULL: no memory. */
static struct npz_stream *list_arrays(const struct predict_answer *answer)
{
    struct npz_stream *npz = arena_zalloc_array(answer->arena, 1, sizeof *npz);
    for (int i = next_result(answer, 0); npz != NULL && i < PREDICT_N_RESULTS;
         i = next_result(answer, i + 1)) {
        const struct predict_dims dims = predict_result_dims(
            (enum predict_index)i, answer->served->model, &answer->request->predict);
        struct npz_array *array = &npz->arrays[npz->n_arrays++];
        array->name = predict_kinds[i].name;
        array->rank = dims.rank;
        memcpy(array->shape, dims.size, sizeof dims.size);
    }
    if (npz != NULL) {
        npz->single = answer->request->single;
    }
    return npz;
}

static enum err_code write_arrays(const struct predict_answer *answer, struct response *res,
                                  struct err *err)
{
    const double *values[PREDICT_N_RESULTS];
    struct npz_stream *npz = list_arrays(answer);
    int n = 0;
    for (int i = next_result(answer, 0); i < PREDICT_N_RESULTS; i = next_result(answer, i + 1)) {
        values[n++] = answer->result->at[i];
    }
    return npz != NULL ? npz_stream_whole(npz, values, answer->arena, &res->body, &res->n_body, err)
                       : no_memory(err);
}

static enum err_code write_array(const struct predict_answer *answer, struct response *res,
                                 struct err *err)
{
    struct predict_dims dims;
    enum predict_index index;
    const struct npy_array array = find_array(answer, &dims, &index);
    return npy_write(&array, answer->arena, &res->body, &res->n_body, err);
}

static void begin_array(const struct predict_answer *answer, struct answer_text *text)
{
    struct predict_dims dims;
    enum predict_index index;
    const struct npy_array array = find_array(answer, &dims, &index);
    text->n_head = npy_head(array.rank, array.shape, array.single, text->head);
    text->single = array.single;
    text->next = (struct json_feed){.sequence = (int)index};
    text->n_left = 1;
    for (int k = 0; k < dims.rank; k++) {
        text->n_left *= dims.size[k];
    }
    text->n_bytes = text->n_head + text->n_left * NPY_ITEM(text->single);
}

static enum err_code begin_arrays(const struct predict_answer *answer, struct answer_text *text,
                                  struct err *err)
{
    text->npz = list_arrays(answer);
    if (text->npz == NULL) {
        return no_memory(err);
    }
    text->npz->descriptors = true;
    npz_stream_begin(text->npz);
    text->n_bytes = text->npz->n_bytes;
    text->want = answer->request->predict.want;
    return ERR_OK;
}

enum err_code predict_answer_headers(const struct served *served,
                                     const struct predict_request *request, struct arena *arena,
                                     struct response *res, long *outside, struct err *err)
{
    *outside = row_warnings_count(request, served->model);
    char *name = arena_strndup(arena, served->name, strlen(served->name));
    char *version = arena_printf(arena, "%lld", (long long)served->version);
    char *draws = arena_printf(arena, "%d", served->model->m);
    char *rows = arena_printf(arena, "%ld", *outside);
    if (name == NULL || version == NULL || draws == NULL || rows == NULL) {
        return no_memory(err);
    }
    response_header(res, "Surrogate-Model", name);
    response_header(res, "Surrogate-Version", version);
    response_header(res, "Surrogate-Draws", draws);
    response_header(res, "Surrogate-Extrapolated-Rows", rows);
    if (served->warning_codes != NULL) {
        char *codes = arena_strndup(arena, served->warning_codes, strlen(served->warning_codes));
        if (codes == NULL) {
            return no_memory(err);
        }
        response_header(res, "Surrogate-Warnings", codes);
    }
    return ERR_OK;
}

static enum err_code write_array_headers(const struct predict_answer *answer, struct response *res,
                                         long *outside, struct err *err)
{
    res->status = 200;
    res->content_type = answer->request->npz ? MEDIA_TYPE_NPZ : MEDIA_TYPE_NPY;
    return predict_answer_headers(answer->served, &answer->request->predict, answer->arena, res,
                                  outside, err);
}

enum err_code predict_answer_write(const struct predict_answer *answer, struct response *res,
                                   long *outside, struct err *err)
{
    struct json_stream *stream = NULL;
    if (answer->request->npy || answer->request->npz) {
        return (answer->request->npz ? write_arrays(answer, res, err)
                                     : write_array(answer, res, err)) == ERR_OK
                   ? write_array_headers(answer, res, outside, err)
                   : err->code;
    }
    if (begin_json(answer, &stream, res, outside, err) == ERR_OK &&
        reply_stream(res, stream, answer->arena, err) == ERR_OK) {
        res->source.needs_no_body = !answer->request->borrows_body;
    }
    return err->code;
}

/* ---- an answer in blocks ---- */

enum err_code predict_answer_begin(const struct predict_answer *answer, struct answer_text *text,
                                   struct response *res, long *outside, struct err *err)
{
    *text = (struct answer_text){.json = NULL};
    if (!answer->request->npy && !answer->request->npz) {
        return begin_json(answer, &text->json, res, outside, err);
    }
    if (answer->request->npy) {
        begin_array(answer, text);
    } else if (begin_arrays(answer, text, err) != ERR_OK) {
        return err->code;
    }
    return write_array_headers(answer, res, outside, err);
}

enum err_code answer_text_read(struct answer_text *text, char *out, size_t size, size_t *n,
                               struct err *err)
{
    *n = 0;
    if (text->json != NULL) {
        *n = json_stream_read(text->json, out, size);
        return ERR_OK;
    }
    if (text->npz != NULL) {
        return npz_stream_read(text->npz, out, size, n, err);
    }
    if (text->head_at < text->n_head) {
        size_t left = text->n_head - text->head_at;
        *n = left < size ? left : size;
        memcpy(out, text->head + text->head_at, *n);
        text->head_at += *n;
        return ERR_OK;
    }
    size_t item = NPY_ITEM(text->single);
    size_t count = size / item < text->n_fed ? size / item : text->n_fed;
    if (npy_write_numbers(text->fed, count, text->single, out, err) != ERR_OK) {
        return err->code;
    }
    text->fed += count;
    text->n_fed -= count;
    text->n_left -= count;
    text->next.first += count;
    *n = count * item;
    return ERR_OK;
}

/* Its arrays are the results that were asked for, in their order. */
static bool npz_needs(const struct answer_text *text, struct json_feed *next)
{
    int array = 0;
    bool needs = npz_stream_needs(text->npz, &array, &next->first);
    next->sequence = -1;
    for (int i = 0; array >= 0; i++) {
        bool asked = (text->want & (1U << i)) != 0;
        next->sequence = asked ? i : next->sequence;
        array -= asked;
    }
    return needs;
}

bool answer_text_needs(const struct answer_text *text, struct json_feed *next)
{
    if (text->json != NULL) {
        return json_stream_needs(text->json, next);
    }
    if (text->npz != NULL) {
        return npz_needs(text, next);
    }
    *next = text->next;
    return text->head_at == text->n_head && text->n_fed == 0 && text->n_left > 0;
}

void answer_text_feed(struct answer_text *text, const double *values, size_t n)
{
    if (text->json != NULL) {
        json_stream_feed(text->json, values, n);
    } else if (text->npz != NULL) {
        npz_stream_feed(text->npz, values, n);
    } else {
        text->fed = values;
        text->n_fed = n;
    }
}
