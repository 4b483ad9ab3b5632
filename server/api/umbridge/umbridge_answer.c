/* SPDX-License-Identifier: Apache-2.0 */
#include "api/umbridge/umbridge_answer.h"

#include "api/reply.h"

#include <math.h>

/* ---- descriptions ---- */

/* What the clients look at before they ask: can this be computed of the first output? */
static void write_support(struct json_write *json, const struct umbridge_request *request,
                          const struct model *model)
{
    enum derivative_of of = request->outputs[0];
    json_write_object(json, "support");
    json_write_bool(json, "Evaluate", true);
    json_write_bool(json, "Gradient", derivative_is_known(model, of, DERIVATIVE_GRADIENT));
    json_write_bool(json, "ApplyJacobian", derivative_is_known(model, of, DERIVATIVE_JACOBIAN));
    json_write_bool(json, "ApplyHessian", derivative_is_known(model, of, DERIVATIVE_HESSIAN));
    json_write_object_end(json);
}

static void write_sizes(struct json_write *json, enum umbridge_kind kind,
                        const struct umbridge_request *request, const struct model *model)
{
    bool inputs = kind == UMBRIDGE_INPUT_SIZES;
    json_write_array(json, inputs ? "inputSizes" : "outputSizes");
    for (int i = 0; i < (inputs ? 1 : request->n_outputs); i++) {
        size_t size = inputs ? (size_t)model->d : umbridge_request_size(request, model, i);
        json_write_int(json, NULL, (int64_t)size);
    }
    json_write_array_end(json);
}

enum err_code umbridge_answer_described(enum umbridge_kind kind,
                                        const struct umbridge_request *request,
                                        const struct model *model, struct arena *arena,
                                        struct response *res, struct err *err)
{
    struct textbuf text = textbuf_in(arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    if (kind == UMBRIDGE_MODEL_INFO) {
        write_support(&json, request, model);
    } else {
        write_sizes(&json, kind, request, model);
    }
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

/* ---- numbers ---- */

static enum err_code add_vector(struct json_stream *stream, const char *key, const double *values,
                                size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) {
            return err_set(err, ERR_NUMERIC, "number %zu of the model's answer is not finite", i);
        }
    }
    json_stream_value(stream, key, values, 1, &n);
    return ERR_OK;
}

static enum err_code add_outputs(struct json_stream *stream, const struct umbridge_request *request,
                                 const struct model *model, const struct predict_result *result,
                                 struct err *err)
{
    json_write_array(&stream->json, "output");
    for (int i = 0; i < request->n_outputs; i++) {
        const double *const at[] = {[DERIVATIVE_OF_MEAN] = result->mean,
                                    [DERIVATIVE_OF_VARIANCE] = result->variance,
                                    [DERIVATIVE_OF_STD] = result->std,
                                    [DERIVATIVE_OF_QUANTILES] = result->quantiles,
                                    [DERIVATIVE_OF_SAMPLE] = result->samples};
        if (add_vector(stream, NULL, at[request->outputs[i]],
                       umbridge_request_size(request, model, i), err) != ERR_OK) {
            return err->code;
        }
    }
    json_write_array_end(&stream->json);
    return ERR_OK;
}

static enum err_code add_derivative(struct json_stream *stream,
                                    const struct umbridge_request *request,
                                    const struct model *model, struct err *err)
{
    const struct derivative *derivative = &request->derivative;
    size_t n = derivative->kind == DERIVATIVE_JACOBIAN
                   ? derivative_n_values(model, &request->predict)
                   : (size_t)model->d;
    return add_vector(stream, "output", derivative->out, n, err);
}

enum err_code umbridge_answer_computed(const struct umbridge_request *request,
                                       const struct model *model,
                                       const struct predict_result *result, struct arena *arena,
                                       struct response *res, struct err *err)
{
    struct json_stream *stream = arena_alloc_array(arena, 1, sizeof *stream);
    if (stream == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    json_stream_init(stream, arena);
    json_write_object(&stream->json, NULL);
    err_kept(request->predict.derivative != NULL
                 ? add_derivative(stream, request, model, err)
                 : add_outputs(stream, request, model, result, err));
    if (err->code != ERR_OK) {
        return err->code;
    }
    json_write_object_end(&stream->json);
    if (json_stream_end(stream, err) != ERR_OK) {
        return err->code;
    }
    return reply_stream(res, stream, arena, err);
}
