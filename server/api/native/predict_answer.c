/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/predict_answer.h"

#include "base/textbuf.h"
#include "formats/json_stream.h"
#include "formats/npy.h"

#include <string.h>

#define MAX_WARNINGS 100                  /* listed one by one; the rest are counted */
#define WHOLE_BYTES  ((size_t)256 * 1024) /* answers that may be longer are made while sent */

/* ---- JSON ---- */

static void put(struct json_stream *stream, const char *text)
{
    json_stream_text(stream, text, strlen(text));
}

/* `text` and the tensor, when there is one. */
static void put_tensor(struct json_stream *stream, const char *text, const double *values, int rank,
                       size_t a, size_t b, size_t c)
{
    const size_t shape[] = {a, b, c};
    if (values != NULL) {
        put(stream, text);
        json_stream_tensor(stream, values, rank, shape);
    }
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

/* False when memory is short. */
static bool put_intervals(struct json_stream *stream, const struct prediction_request *request,
                          const struct model *model, const struct predict_result *r,
                          struct arena *arena)
{
    size_t n = (size_t)request->predict.n;
    size_t o = (size_t)model->o;
    const size_t shape[] = {n, o};
    if (!(request->predict.want & PREDICT_INTERVALS)) {
        return true;
    }
    for (int k = 0; k < request->predict.n_intervals; k++) {
        size_t at = (size_t)k * n * o;
        if (!put_level(stream, k > 0 ? "},{" : ",\"intervals\":[{", request->predict.intervals[k],
                       model->conformal.method, arena)) {
            return false;
        }
        json_stream_tensor(stream, r->lower + at, 2, shape);
        put(stream, ",\"upper\":");
        json_stream_tensor(stream, r->upper + at, 2, shape);
    }
    put(stream, "}]");
    return true;
}

static void put_results(struct json_stream *stream, const struct prediction_request *request,
                        const struct model *model, const struct predict_result *r)
{
    size_t n = (size_t)request->predict.n;
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    unsigned want = request->predict.want;
    put_tensor(stream, ",\"mean\":", want & PREDICT_MEAN ? r->mean : NULL, 2, n, o, 0);
    put_tensor(stream, ",\"variance\":", want & PREDICT_VARIANCE ? r->variance : NULL, 2, n, o, 0);
    put_tensor(stream, ",\"std\":", r->std, 2, n, o, 0);
    put_tensor(stream, ",\"noise_variance\":", r->noise_variance, 2, n, o, 0);
    put_tensor(stream,
               ",\"total_variance\":", want & PREDICT_TOTAL_VARIANCE ? r->total_variance : NULL, 2,
               n, o, 0);
    if (r->quantiles != NULL) {
        size_t k = (size_t)request->predict.n_levels;
        put_tensor(stream, ",\"quantiles\":{\"levels\":", request->predict.levels, 1, k, 0, 0);
        put_tensor(stream, ",\"values\":", r->quantiles, 3, k, n, o);
        put(stream, "}");
    }
    bool rows = (want & PREDICT_COVARIANCE_ROWS) != 0;
    size_t side = rows ? n : o;
    put_tensor(stream, ",\"covariance\":", r->covariance, 3, rows ? o : n, side, side);
    put_tensor(stream, ",\"samples\":", r->samples, 3, (size_t)request->predict.n_samples, n, o);
    if (r->jacobian_mean != NULL) {
        put_tensor(stream, ",\"jacobian\":{\"mean\":", r->jacobian_mean, 3, n, o, d);
        put_tensor(stream, ",\"std\":", r->jacobian_std, 3, n, o, d);
        put(stream, "}");
    }
}

/* Inputs outside the range the model was trained on; returns the number of such rows. */
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
            if (value >= range[0] && value <= range[1]) {
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

static enum err_code write_json(const struct prediction_request *request,
                                const struct served *served, const struct predict_result *result,
                                struct arena *arena, struct response *res, long *outside,
                                struct err *err)
{
    struct json_stream *stream = arena_zalloc_array(arena, 1, sizeof *stream);
    struct textbuf head = textbuf_in(arena);
    struct textbuf tail = textbuf_in(arena);
    textbuf_puts(&head, "{\"model\":");
    textbuf_json_string(&head, served->name);
    textbuf_printf(&head, ",\"version\":%lld,\"draws\":%d", (long long)served->version,
                   served->model->m);
    *outside = write_warnings(&tail, request, served->model);
    textbuf_puts(&tail, "}");
    if (stream == NULL || textbuf_failed(&head) || textbuf_failed(&tail)) {
        return no_memory(err);
    }
    json_stream_text(stream, head.data, head.len);
    put_results(stream, request, served->model, result);
    if (!put_intervals(stream, request, served->model, result, arena)) {
        return no_memory(err);
    }
    json_stream_text(stream, tail.data, tail.len);
    res->status = 200;
    res->content_type = "application/json";
    return send_stream(stream, arena, res, err);
}

/* ---- npy ---- */

/* The two parts of a Jacobian one after the other: [2 x n x o x d]. */
static const double *join_jacobian(const struct predict_result *r, size_t count,
                                   struct arena *arena)
{
    double *both = arena_alloc_array(arena, 2 * count, sizeof *both);
    if (both != NULL) {
        memcpy(both, r->jacobian_mean, count * sizeof *both);
        memcpy(both + count, r->jacobian_std, count * sizeof *both);
    }
    return both;
}

/* Lower ends, then upper ends of each level: [2 n_intervals x n x o]. */
static const double *join_intervals(const struct predict_result *r, size_t n_intervals,
                                    size_t cells, struct arena *arena)
{
    double *both = arena_alloc_array(arena, 2 * n_intervals * cells, sizeof *both);
    for (size_t k = 0; both != NULL && k < n_intervals; k++) {
        memcpy(both + 2 * k * cells, r->lower + k * cells, cells * sizeof *both);
        memcpy(both + (2 * k + 1) * cells, r->upper + k * cells, cells * sizeof *both);
    }
    return both;
}

/* The one result that was asked for. */
static enum err_code write_tensor(const struct prediction_request *request,
                                  const struct model *model, const struct predict_result *r,
                                  struct arena *arena, struct response *res, struct err *err)
{
    size_t n = (size_t)request->predict.n;
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    size_t k = (size_t)request->predict.n_levels;
    size_t s = (size_t)request->predict.n_samples;
    unsigned want = request->predict.want;
    size_t l = (size_t)request->predict.n_intervals;
    const double *jacobian = want & PREDICT_JACOBIAN ? join_jacobian(r, n * o * d, arena) : NULL;
    const double *ends = want & PREDICT_INTERVALS ? join_intervals(r, l, n * o, arena) : NULL;
    const struct {
        unsigned flag;
        const double *values;
        int rank;
        size_t shape[NPY_MAX_RANK];
    } results[] = {
        {PREDICT_MEAN, r->mean, 2, {n, o}},
        {PREDICT_VARIANCE, r->variance, 2, {n, o}},
        {PREDICT_STD, r->std, 2, {n, o}},
        {PREDICT_NOISE_VARIANCE, r->noise_variance, 2, {n, o}},
        {PREDICT_TOTAL_VARIANCE, r->total_variance, 2, {n, o}},
        {PREDICT_QUANTILES, r->quantiles, 3, {k, n, o}},
        {PREDICT_COVARIANCE_OUTPUTS, r->covariance, 3, {n, o, o}},
        {PREDICT_COVARIANCE_ROWS, r->covariance, 3, {o, n, n}},
        {PREDICT_SAMPLES, r->samples, 3, {s, n, o}},
        {PREDICT_JACOBIAN, jacobian, 4, {2, n, o, d}},
        {PREDICT_INTERVALS, ends, 3, {2 * l, n, o}},
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        if (results[i].flag == want) {
            if (results[i].values == NULL) {
                return no_memory(err);
            }
            return npy_write(results[i].values, results[i].rank, results[i].shape, request->single,
                             arena, &res->body, &res->n_body, err);
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
            double value = request->predict.x[i * d + j];
            outside |=
                value < model->training_range[2 * j] || value > model->training_range[2 * j + 1];
        }
        rows += outside;
    }
    return rows;
}

/* What JSON says beside the numbers goes into headers. */
static enum err_code write_npy(const struct prediction_request *request,
                               const struct served *served, const struct predict_result *result,
                               struct arena *arena, struct response *res, long *outside,
                               struct err *err)
{
    *outside = count_outside(request, served->model);
    char *name = arena_strndup(arena, served->name, strlen(served->name));
    char *version = arena_printf(arena, "%lld", (long long)served->version);
    char *draws = arena_printf(arena, "%d", served->model->m);
    char *rows = arena_printf(arena, "%ld", *outside);
    if (name == NULL || version == NULL || draws == NULL || rows == NULL) {
        return no_memory(err);
    }
    if (write_tensor(request, served->model, result, arena, res, err) != ERR_OK) {
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

enum err_code predict_answer(const struct prediction_request *request, const struct served *served,
                             const struct predict_result *result, struct arena *arena,
                             struct response *res, long *outside, struct err *err)
{
    return request->npy ? write_npy(request, served, result, arena, res, outside, err)
                        : write_json(request, served, result, arena, res, outside, err);
}
