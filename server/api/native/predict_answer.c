/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/predict_answer.h"

#include "base/textbuf.h"
#include "formats/json_stream.h"
#include "formats/npy.h"

#include <string.h>

#define MAX_WARNINGS 100                  /* listed one by one; the rest are counted */
#define WHOLE_BYTES  ((size_t)256 * 1024) /* answers that may be longer are made while sent */

/* ---- JSON ---- */

/* ,"mean": and so on, by enum predict_index. */
static const char *const members[] = {
#define RESULT(FLAG, field, name, shape, join, option) ",\"" name "\":",
#include "predict/results.def"
#undef RESULT
};

/* Parts of the stream, texts and tensors, that a result of each shape takes, and a whole answer. */
enum {
    PARTS_N_O = 2,
    PARTS_LEVELS_N_O = 6,
    PARTS_N_O_O = 2,
    PARTS_O_N_N = 2,
    PARTS_SAMPLES_N_O = 2,
    PARTS_PAIR_N_O_D = 6,
    PARTS_ENDS_N_O = 4 * PREDICT_MAX_INTERVALS + 2,
    PARTS_ANSWER = 2
#define RESULT(FLAG, field, name, shape, join, option) +PARTS_##shape
#include "predict/results.def"
#undef RESULT
};
_Static_assert(PARTS_ANSWER <= JSON_STREAM_PARTS, "an answer with every result has room");

static void put(struct json_stream *stream, const char *text)
{
    json_stream_text(stream, text, strlen(text));
}

/* [n x o] of each level: {"levels":[..],"values":[..]}. */
static void put_levels(struct json_stream *stream, const struct predict_request *req,
                       const double *values, const struct predict_dims *dims)
{
    put(stream, "{\"levels\":");
    json_stream_tensor(stream, req->levels, 1, &dims->size[0]);
    put(stream, ",\"values\":");
    json_stream_tensor(stream, values, dims->rank, dims->size);
    put(stream, "}");
}

/* {"mean":[..],"std":[..]} */
static void put_pair(struct json_stream *stream, const double *values,
                     const struct predict_dims *dims)
{
    size_t half = 1;
    for (int k = 1; k < dims->rank; k++) {
        half *= dims->size[k];
    }
    put(stream, "{\"mean\":");
    json_stream_tensor(stream, values, dims->rank - 1, &dims->size[1]);
    put(stream, ",\"std\":");
    json_stream_tensor(stream, values + half, dims->rank - 1, &dims->size[1]);
    put(stream, "}");
}

/* A level and how its interval is made: the text before the numbers. */
static bool put_level(struct json_stream *stream, const char *before, double level,
                      enum conformal_method method, struct arena *arena)
{
    struct textbuf text = textbuf_in(arena);
    textbuf_printf(&text, "%s\"level\":", before);
    textbuf_real(&text, level);
    textbuf_puts(&text, ",\"method\":");
    textbuf_json_string(&text, method != CONFORMAL_NONE ? conformal_method_name(method) : "normal");
    textbuf_puts(&text, ",\"lower\":");
    if (textbuf_failed(&text)) {
        return false;
    }
    json_stream_text(stream, text.data, text.len);
    return true;
}

/* [{"level":0.9,"method":"split","lower":[..],"upper":[..]},..]; false when memory is short. */
static bool put_intervals(struct json_stream *stream, const struct predict_answer *answer,
                          const double *values, const struct predict_dims *dims)
{
    const struct predict_request *req = &answer->request->predict;
    size_t cells = dims->size[1] * dims->size[2];
    for (int k = 0; k < req->n_intervals; k++) {
        const double *lower = values + 2 * (size_t)k * cells;
        if (!put_level(stream, k > 0 ? "},{" : "[{", req->intervals[k],
                       answer->served->model->conformal.method, answer->arena)) {
            return false;
        }
        json_stream_tensor(stream, lower, 2, &dims->size[1]);
        put(stream, ",\"upper\":");
        json_stream_tensor(stream, lower + cells, 2, &dims->size[1]);
    }
    put(stream, "}]");
    return true;
}

/* False when memory is short. */
static bool put_result(struct json_stream *stream, const struct predict_answer *answer,
                       enum predict_index index)
{
    const struct predict_request *req = &answer->request->predict;
    const double *values = answer->result->at[index];
    struct predict_dims dims = predict_result_dims(index, answer->served->model, req);
    put(stream, members[index]);
    switch (predict_kinds[index].shape) {
    case PREDICT_SHAPE_N_O:
    case PREDICT_SHAPE_N_O_O:
    case PREDICT_SHAPE_O_N_N:
    case PREDICT_SHAPE_SAMPLES_N_O:
        json_stream_tensor(stream, values, dims.rank, dims.size);
        return true;
    case PREDICT_SHAPE_LEVELS_N_O:
        put_levels(stream, req, values, &dims);
        return true;
    case PREDICT_SHAPE_PAIR_N_O_D:
        put_pair(stream, values, &dims);
        return true;
    case PREDICT_SHAPE_ENDS_N_O:
        return put_intervals(stream, answer, values, &dims);
    }
    return false;
}

static bool is_outside(const double *range, double value)
{
    return value < range[0] || value > range[1];
}

/* Lists inputs outside the range the model was trained on; returns the number of such rows. */
static long write_warnings(struct textbuf *text, const struct prediction_request *request,
                           const struct model *model)
{
    long cells = 0;
    long rows = 0;
    textbuf_puts(text, ",\"warnings\":[");
    for (int i = 0; model->training_range != NULL && i < request->predict.n; i++) {
        bool outside = false;
        for (int j = 0; j < model->d; j++) {
            double value = request->predict.x[(size_t)i * (size_t)model->d + (size_t)j];
            const double *range = model->training_range + 2 * j;
            if (!is_outside(range, value)) {
                continue;
            }
            outside = true;
            if (cells++ < MAX_WARNINGS) {
                textbuf_printf(text,
                               "%s{\"code\":\"extrapolation\",\"row\":%d,\"input\":%d,\"value\":",
                               cells > 1 ? "," : "", i, j);
                textbuf_real(text, value);
                textbuf_puts(text, ",\"range\":");
                textbuf_vector(text, range, 2);
                textbuf_puts(text, "}");
            }
        }
        rows += outside;
    }
    if (cells > MAX_WARNINGS) {
        textbuf_printf(text, ",{\"code\":\"more\",\"count\":%ld,\"rows\":%ld}",
                       cells - MAX_WARNINGS, rows);
    }
    textbuf_puts(text, "]");
    return rows;
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
    struct json_stream *stream = arena_zalloc_array(answer->arena, 1, sizeof *stream);
    struct textbuf head = textbuf_in(answer->arena);
    struct textbuf tail = textbuf_in(answer->arena);
    textbuf_puts(&head, "{\"model\":");
    textbuf_json_string(&head, served->name);
    textbuf_printf(&head, ",\"version\":%lld,\"draws\":%d", (long long)served->version,
                   served->model->m);
    *outside = write_warnings(&tail, answer->request, served->model);
    textbuf_puts(&tail, "}");
    if (stream == NULL || textbuf_failed(&head) || textbuf_failed(&tail)) {
        return no_memory(err);
    }
    json_stream_text(stream, head.data, head.len);
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if ((answer->request->predict.want & (1U << i)) &&
            !put_result(stream, answer, (enum predict_index)i)) {
            return no_memory(err);
        }
    }
    json_stream_text(stream, tail.data, tail.len);
    res->status = 200;
    res->content_type = "application/json";
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
            return npy_write(answer->result->at[i], dims.rank, dims.size, answer->request->single,
                             answer->arena, &res->body, &res->n_body, err);
        }
    }
    return err_set(err, ERR_INTERNAL, "no single result for npy");
}

static long count_outside(const struct prediction_request *request, const struct model *model)
{
    long rows = 0;
    size_t d = (size_t)model->d;
    for (size_t i = 0; model->training_range != NULL && i < (size_t)request->predict.n; i++) {
        bool outside = false;
        for (size_t j = 0; j < d; j++) {
            outside |= is_outside(model->training_range + 2 * j, request->predict.x[i * d + j]);
        }
        rows += outside;
    }
    return rows;
}

/* What JSON says beside the numbers goes into headers. */
static enum err_code write_npy(const struct predict_answer *answer, struct response *res,
                               long *outside, struct err *err)
{
    const struct served *served = answer->served;
    struct arena *arena = answer->arena;
    *outside = count_outside(answer->request, served->model);
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
    res->content_type = NPY_TYPE;
    return ERR_OK;
}

enum err_code predict_answer_write(const struct predict_answer *answer, struct response *res,
                                   long *outside, struct err *err)
{
    return answer->request->npy ? write_npy(answer, res, outside, err)
                                : write_json(answer, res, outside, err);
}
