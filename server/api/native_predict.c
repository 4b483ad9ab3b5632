/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /predict and its model forms: the body becomes a struct, the struct becomes an answer.
 */
#include "handlers.h"

#include "json_tensor.h"
#include "predict.h"
#include "reply.h"

#include <math.h>
#include <string.h>

#define MAX_WARNINGS 100 /* listed one by one; the rest are counted */

struct wish {
    const char *model;
    int64_t version; /* 0: default */
    struct json_tensor inputs;
    struct predict_request predict;
    bool covariance_rows;
};

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
};

/* ---- the body ---- */

static enum err_code read_return(const json_t *body, unsigned *want, struct err *err)
{
    const json_t *list = json_object_get(body, "return");
    if (list == NULL) {
        *want = PREDICT_MEAN | PREDICT_VARIANCE;
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
                           "jacobian",
                           i, name != NULL ? name : "");
        }
        *want |= flag;
    }
    return ERR_OK;
}

static enum err_code read_levels(const json_t *body, struct arena *arena, struct wish *wish,
                                 struct err *err)
{
    static const double default_levels[] = {0.05, 0.5, 0.95};
    const json_t *list = json_object_get(body, "quantiles");
    if (list == NULL) {
        wish->predict.levels = default_levels;
        wish->predict.n_levels = 3;
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
    if (json_io_vector(list, "quantiles", (int)n, levels, err) != ERR_OK) {
        return err->code;
    }
    for (size_t k = 0; k < n; k++) {
        if (!(levels[k] >= 0.0 && levels[k] <= 1.0)) {
            return err_set(err, ERR_INVALID, "quantiles[%zu] is %g, a level in [0, 1] is needed", k,
                           levels[k]);
        }
    }
    wish->predict.levels = levels;
    wish->predict.n_levels = (int)n;
    wish->predict.want |= PREDICT_QUANTILES;
    return ERR_OK;
}

static enum err_code read_covariance(const json_t *body, struct wish *wish, struct err *err)
{
    const char *kind = NULL;
    if (json_io_get_text(body, "body", "covariance", false, 16, &kind, err) != ERR_OK) {
        return err->code;
    }
    if (kind == NULL) {
        return ERR_OK;
    }
    if (strcmp(kind, "rows") != 0 && strcmp(kind, "outputs") != 0) {
        return err_set(err, ERR_INVALID,
                       "covariance is \"%.16s\", \"outputs\" or \"rows\" is needed", kind);
    }
    wish->predict.want &= ~(unsigned)PREDICT_COVARIANCE_OUTPUTS;
    wish->predict.want |= kind[0] == 'r' ? PREDICT_COVARIANCE_ROWS : PREDICT_COVARIANCE_OUTPUTS;
    return ERR_OK;
}

static enum err_code read_version(const json_t *body, int64_t *version, struct err *err)
{
    const json_t *value = json_object_get(body, "version");
    if (value == NULL) {
        return ERR_OK;
    }
    if (json_is_string(value)) {
        return reply_version(json_string_value(value), version, err);
    }
    return json_io_get_int(body, "body", "version", true, 1, INT64_MAX, version, err);
}

static enum err_code read_options(const json_t *body, struct arena *arena, struct wish *wish,
                                  struct err *err)
{
    int64_t samples = 16;
    int64_t seed = 0;
    if (read_return(body, &wish->predict.want, err) != ERR_OK ||
        read_levels(body, arena, wish, err) != ERR_OK ||
        read_covariance(body, wish, err) != ERR_OK ||
        json_io_get_int(body, "body", "samples", false, 1, MODEL_MAX_DRAWS, &samples, err) !=
            ERR_OK ||
        json_io_get_int(body, "body", "seed", false, INT64_MIN, INT64_MAX, &seed, err) != ERR_OK) {
        return err->code;
    }
    if (json_object_get(body, "samples") != NULL) {
        wish->predict.want |= PREDICT_SAMPLES;
    }
    wish->predict.n_samples = (int)samples;
    wish->predict.seed = (uint64_t)seed;
    return ERR_OK;
}

/* Model and version: from the path when it names them, else from the body. */
static enum err_code read_target(const struct request *req, const json_t *body, struct wish *wish,
                                 struct err *err)
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
    } else if (json_io_get_text(body, "body", "model", true, NAME_MAX_CHARS, &name, err) !=
               ERR_OK) {
        return err->code;
    }
    if (reply_model_name(name, &wish->model, err) != ERR_OK) {
        return err->code;
    }
    return req->n_params > 1 ? reply_version(req->params[1], &wish->version, err)
                             : read_version(body, &wish->version, err);
}

static enum err_code read_wish(const struct request *req, const json_t *body, struct wish *wish,
                               struct err *err)
{
    static const char *const keys[] = {"model", "version",    "inputs",    "return", "samples",
                                       "seed",  "covariance", "quantiles", NULL};
    if (!json_is_object(body)) {
        return err_set(err, ERR_INVALID, "the body is not a JSON object");
    }
    if (json_io_check_keys(body, "body", keys, err) != ERR_OK ||
        read_target(req, body, wish, err) != ERR_OK ||
        read_options(body, req->arena, wish, err) != ERR_OK) {
        return err->code;
    }
    return json_tensor_check(&wish->inputs, body, 0, err);
}

/* ---- the answer ---- */

static void write_tensor(struct textbuf *text, const char *name, const double *values, size_t n,
                         size_t k)
{
    if (values != NULL) {
        textbuf_printf(text, ",\"%s\":", name);
        textbuf_matrix(text, values, n, k);
    }
}

/* [a x n x k] */
static void write_cube(struct textbuf *text, const double *values, size_t a, size_t n, size_t k)
{
    textbuf_puts(text, "[");
    for (size_t i = 0; i < a; i++) {
        textbuf_puts(text, i > 0 ? "," : "");
        textbuf_matrix(text, values + i * n * k, n, k);
    }
    textbuf_puts(text, "]");
}

static void write_results(struct textbuf *text, const struct wish *wish, const struct model *model,
                          const struct predict_result *r)
{
    size_t n = (size_t)wish->predict.n;
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    unsigned want = wish->predict.want;
    write_tensor(text, "mean", want & PREDICT_MEAN ? r->mean : NULL, n, o);
    write_tensor(text, "variance", want & PREDICT_VARIANCE ? r->variance : NULL, n, o);
    write_tensor(text, "std", r->std, n, o);
    write_tensor(text, "noise_variance", r->noise_variance, n, o);
    write_tensor(text, "total_variance", r->total_variance, n, o);
    if (r->quantiles != NULL) {
        textbuf_puts(text, ",\"quantiles\":{\"levels\":");
        textbuf_vector(text, wish->predict.levels, (size_t)wish->predict.n_levels);
        textbuf_puts(text, ",\"values\":");
        write_cube(text, r->quantiles, (size_t)wish->predict.n_levels, n, o);
        textbuf_puts(text, "}");
    }
    if (r->covariance != NULL) {
        bool rows = (want & PREDICT_COVARIANCE_ROWS) != 0;
        textbuf_puts(text, ",\"covariance\":");
        write_cube(text, r->covariance, rows ? o : n, rows ? n : o, rows ? n : o);
    }
    if (r->samples != NULL) {
        textbuf_puts(text, ",\"samples\":");
        write_cube(text, r->samples, (size_t)wish->predict.n_samples, n, o);
    }
    if (r->jacobian_mean != NULL) {
        textbuf_puts(text, ",\"jacobian\":{\"mean\":");
        write_cube(text, r->jacobian_mean, n, o, d);
        textbuf_puts(text, ",\"std\":");
        write_cube(text, r->jacobian_std, n, o, d);
        textbuf_puts(text, "}");
    }
}

/* Inputs outside the range the model was trained on; returns the number of such rows. */
static long write_warnings(struct textbuf *text, const struct wish *wish, const struct model *model)
{
    long cells = 0;
    long rows = 0;
    textbuf_puts(text, ",\"warnings\":[");
    for (int i = 0; model->training_range != NULL && i < wish->predict.n; i++) {
        bool outside = false;
        for (int j = 0; j < model->d; j++) {
            double value = wish->predict.x[(size_t)i * (size_t)model->d + (size_t)j];
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

static enum err_code answer(struct app *app, const struct request *req, const json_t *body,
                            struct wish *wish, const struct served *served, struct response *res,
                            struct err *err)
{
    const struct model *model = served->model;
    struct textbuf text = textbuf_in(req->arena);
    struct predict_result result;
    if (json_tensor_check(&wish->inputs, body, model->d, err) != ERR_OK) {
        return err->code;
    }
    wish->predict.n = wish->inputs.n;
    wish->predict.x = wish->inputs.values;
    wish->predict.n_threads = app->config->train_threads;
    if (predict_run(model, &wish->predict, req->arena, &result, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"model\":");
    textbuf_json_string(&text, served->name);
    textbuf_printf(&text, ",\"version\":%lld,\"draws\":%d", (long long)served->version, model->m);
    write_results(&text, wish, model, &result);
    long outside = write_warnings(&text, wish, model);
    textbuf_puts(&text, "}");
    metrics_add(&app->metrics->predicted_rows, wish->predict.n);
    metrics_add(&app->metrics->extrapolated_rows, outside);
    return reply_json(res, 200, &text, err);
}

enum err_code handle_predict(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    json_t *body = NULL;
    struct wish wish = {.version = 0, .inputs = {.key = "inputs"}};
    struct served *served = NULL;
    if (json_tensor_parse(req->body, req->n_body, app->config->max_rows, &wish.inputs, 1,
                          req->arena, &body, err) == ERR_OK &&
        read_wish(req, body, &wish, err) == ERR_OK &&
        registry_get(app->registry, wish.model, wish.version, &served, err) == ERR_OK) {
        err_kept(answer(app, req, body, &wish, served, res, err));
    }
    served_unref(served);
    return err->code;
}
