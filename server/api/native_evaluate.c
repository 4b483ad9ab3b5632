/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/models/{m}/evaluate: how good a version is on rows it is sent (core/calib). Rows go
 * block by block. One small block is scored at once; else each block waits its turn among the
 * predictions (live/batcher), is added to the sums by the compute thread that finished it, which
 * then hands in the next one. No thread of HTTP waits, and memory beyond the rows is one block's.
 */
#include "handlers.h"

#include "calib.h"
#include "csv.h"
#include "json_tensor.h"
#include "predict_wish.h"
#include "reply.h"
#include "train_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const double conformal_level = 0.9;

/* An evaluation under way; in the request's arena. */
struct evaluation {
    struct app *app;
    const struct request *req;
    struct served *served;
    struct data rows;
    struct calib calib;
    bool intervals;     /* conformal ones are scored too */
    long *covered;      /* [o] rows within them */
    double *width;      /* [o] sum of their widths */
    int first;          /* row of the block under way */
    struct arena arena; /* of its result */
    struct predict_request block;
    struct predict_result result;
    struct batch_item item;
    int64_t deadline_ns;
    struct err err;
};

/* ---- rows ---- */

static enum err_code read_json(struct evaluation *e, struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", NULL};
    const struct request *req = e->req;
    const struct model *model = e->served->model;
    const int most = e->app->config->max_rows;
    json_t *body = NULL;
    struct json_tensor tensors[] = {
        {.key = "inputs", .max_rows = most, .max_columns = JSON_TENSOR_COLUMNS},
        {.key = "outputs", .max_rows = most, .max_columns = JSON_TENSOR_COLUMNS}};
    const struct json_tensor *x = &tensors[0];
    const struct json_tensor *y = &tensors[1];
    if (json_tensor_parse(req->body, req->n_body, tensors, 2, req->arena, &body, err) != ERR_OK ||
        json_io_check_keys(body, "body", keys, err) != ERR_OK ||
        json_tensor_check(x, body, model->d, err) != ERR_OK ||
        json_tensor_check(y, body, model->o, err) != ERR_OK) {
        return err->code;
    }
    if (x->n != y->n) {
        return err_set(err, ERR_SHAPE, "there are %d rows of inputs and %d of outputs", x->n, y->n);
    }
    e->rows =
        (struct data){.n = x->n, .d = model->d, .o = model->o, .x = x->values, .y = y->values};
    return ERR_OK;
}

/* "outputs" in the query, which may be left out, is the model's number of outputs. */
static enum err_code check_outputs(const struct request *req, int o, struct err *err)
{
    const char *text = request_query(req, "outputs");
    if (text == NULL) {
        return ERR_OK;
    }
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || errno != 0 || value != o) {
        return err_set(err, ERR_INVALID, "outputs is \"%.40s\", the model has %d", text, o);
    }
    return ERR_OK;
}

static enum err_code read_csv(struct evaluation *e, struct err *err)
{
    const struct request *req = e->req;
    size_t d = (size_t)e->served->model->d;
    size_t o = (size_t)e->served->model->o;
    struct csv csv;
    if (check_outputs(req, (int)o, err) != ERR_OK ||
        csv_parse(req->body, req->n_body, e->app->config->max_rows, req->arena, &csv, err) !=
            ERR_OK) {
        return err->code;
    }
    if ((size_t)csv.k != d + o) {
        return err_set(err, ERR_SHAPE,
                       "%d columns, the model's %zu inputs and %zu outputs need %zu", csv.k, d, o,
                       d + o);
    }
    size_t n = (size_t)csv.n;
    double *x = arena_alloc_array(req->arena, n * d, sizeof *x);
    double *y = arena_alloc_array(req->arena, n * o, sizeof *y);
    if (x == NULL || y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(x + i * d, csv.values + i * (d + o), d * sizeof *x);
        memcpy(y + i * o, csv.values + i * (d + o) + d, o * sizeof *y);
    }
    e->rows = (struct data){.n = csv.n, .d = (int)d, .o = (int)o, .x = x, .y = y};
    return ERR_OK;
}

static enum err_code read_rows(struct evaluation *e, struct err *err)
{
    const char *type = request_header(e->req, "Content-Type");
    bool csv = type != NULL && strncasecmp(type, "text/csv", strlen("text/csv")) == 0;
    if ((csv ? read_csv(e, err) : read_json(e, err)) != ERR_OK) {
        return err->code;
    }
    return e->rows.n > 0 ? ERR_OK : err_set(err, ERR_INVALID, "there are no rows to evaluate on");
}

/* ---- sums ---- */

static enum err_code begin(struct evaluation *e, struct err *err)
{
    const struct model *model = e->served->model;
    size_t o = (size_t)model->o;
    const double *range = model->scores.output_range;
    double *own = arena_alloc_array(e->req->arena, 2 * o, sizeof *own);
    e->covered = arena_zalloc_array(e->req->arena, o, sizeof *e->covered);
    e->width = arena_zalloc_array(e->req->arena, o, sizeof *e->width);
    if (own == NULL || e->covered == NULL || e->width == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (model->scores.n_rows == 0) {
        train_rows_ranges(e->rows.y, e->rows.n, model->o, own);
        range = own;
    }
    if (calib_begin(&e->calib, model, range, err) != ERR_OK) {
        return err->code;
    }
    e->block = e->calib.block;
    if (model->conformal.method != CONFORMAL_NONE) {
        struct err few = ERR_INIT;
        struct predict_request probe = {
            .n = 1, .want = PREDICT_INTERVALS, .n_intervals = 1, .intervals = &conformal_level};
        e->intervals = predict_check(model, &probe, &few) == ERR_OK;
    }
    if (e->intervals) {
        e->block.want |= PREDICT_INTERVALS;
        e->block.n_intervals = 1;
        e->block.intervals = &conformal_level;
    }
    return ERR_OK;
}

static bool gone(const void *ctx)
{
    const struct evaluation *e = ctx;
    return e->req->ops->gone(e->req->exchange);
}

static void done(void *ctx);

/* Makes the item ask for the block that begins at e->first. */
static void aim(struct evaluation *e)
{
    int left = e->rows.n - e->first;
    e->block.n = left < e->calib.block.n ? left : e->calib.block.n;
    e->block.x = e->rows.x + (size_t)e->first * (size_t)e->rows.d;
    e->item = (struct batch_item){.model = e->served->model,
                                  .request = &e->block,
                                  .result = &e->result,
                                  .arena = &e->arena,
                                  .deadline_ns = e->deadline_ns,
                                  .gone = gone,
                                  .done = done,
                                  .ctx = e,
                                  .err = ERR_INIT};
}

/* The predicted block enters the sums. */
static void take(struct evaluation *e)
{
    size_t o = (size_t)e->rows.o;
    const double *y = e->rows.y + (size_t)e->first * o;
    if (e->item.err.code != ERR_OK) {
        e->err = e->item.err;
        return;
    }
    calib_add(&e->calib, &e->result, y, e->block.n);
    for (size_t c = 0; e->intervals && c < (size_t)e->block.n * o; c++) {
        e->covered[c % o] += e->result.lower[c] <= y[c] && y[c] <= e->result.upper[c];
        e->width[c % o] += e->result.upper[c] - e->result.lower[c];
    }
    e->first += e->block.n;
    arena_clear(&e->arena);
}

/* On a compute thread, after each block. */
static void done(void *ctx)
{
    struct evaluation *e = ctx;
    take(e);
    if (e->err.code == ERR_OK && e->first < e->rows.n) {
        aim(e);
        batcher_submit(e->app->batcher, &e->item);
        return;
    }
    e->req->ops->resume(e->req->exchange);
}

/* ---- the answer ---- */

static void put_number(struct textbuf *text, const char *before, const double *value)
{
    textbuf_puts(text, before);
    if (value != NULL) {
        textbuf_real(text, *value);
    } else {
        textbuf_puts(text, "null");
    }
}

/* The mean over outputs, or null. */
static void put_mean(struct textbuf *text, const char *before, const double *values, size_t o)
{
    double sum = 0.0;
    for (size_t j = 0; values != NULL && j < o; j++) {
        sum += values[j] / (double)o;
    }
    put_number(text, before, values != NULL ? &sum : NULL);
}

static void put_coverage(struct textbuf *text, const struct scores *s, size_t j)
{
    if (s->coverage == NULL) {
        textbuf_puts(text, ",\"coverage\":null,\"calibration\":null");
        return;
    }
    textbuf_puts(text, ",\"coverage\":[");
    for (size_t k = 0; k < SCORES_INTERVALS; k++) {
        put_number(text, k > 0 ? ",{\"level\":" : "{\"level\":", &scores_intervals[k]);
        put_number(text, ",\"observed\":", &s->coverage[j * SCORES_INTERVALS + k]);
        put_number(text, ",\"width\":", &s->width[j * SCORES_INTERVALS + k]);
        textbuf_puts(text, "}");
    }
    textbuf_puts(text, "],\"calibration\":[");
    for (size_t k = 0; k < SCORES_LEVELS; k++) {
        double level = (double)(k + 1) / (SCORES_LEVELS + 1);
        put_number(text, k > 0 ? ",{\"level\":" : "{\"level\":", &level);
        put_number(text, ",\"observed\":", &s->calibration[j * SCORES_LEVELS + k]);
        textbuf_puts(text, "}");
    }
    textbuf_puts(text, "]");
}

/* Null where the calibration is too small for the level; nothing where there is none. */
static void put_conformal(struct textbuf *text, const struct evaluation *e, size_t j)
{
    enum conformal_method method = e->served->model->conformal.method;
    if (method == CONFORMAL_NONE) {
        return;
    }
    if (!e->intervals) {
        textbuf_puts(text, ",\"conformal\":null");
        return;
    }
    double observed = (double)e->covered[j] / (double)e->rows.n;
    double width = e->width[j] / (double)e->rows.n;
    put_number(text, ",\"conformal\":{\"level\":", &conformal_level);
    textbuf_puts(text, ",\"method\":");
    textbuf_json_string(text, conformal_method_name(method));
    put_number(text, ",\"observed\":", &observed);
    put_number(text, ",\"width\":", &width);
    textbuf_puts(text, "}");
}

static void put_output(struct textbuf *text, const struct evaluation *e, const struct scores *s,
                       size_t j)
{
    const struct model *model = e->served->model;
    textbuf_puts(text, j > 0 ? ",{\"name\":" : "{\"name\":");
    if (model->output_names != NULL && model->output_names[j] != NULL) {
        textbuf_json_string(text, model->output_names[j]);
    } else {
        textbuf_puts(text, "null");
    }
    put_number(text, ",\"rmse\":", &s->rmse[j]);
    put_number(text, ",\"nll\":", s->nll != NULL ? &s->nll[j] : NULL);
    put_number(text, ",\"nll_draws\":", s->nll_draws != NULL ? &s->nll_draws[j] : NULL);
    put_number(text, ",\"crps\":", s->crps != NULL ? &s->crps[j] : NULL);
    put_coverage(text, s, j);
    put_conformal(text, e, j);
    textbuf_puts(text, "}");
}

static enum err_code answer(struct evaluation *e, struct response *res, struct err *err)
{
    struct textbuf text = textbuf_in(e->req->arena);
    struct scores s = {.n_rows = 0};
    size_t o = (size_t)e->rows.o;
    if (e->err.code != ERR_OK) {
        *err = e->err;
        return err->code;
    }
    if (calib_end(&e->calib, &s, err) != ERR_OK) {
        return err->code;
    }
    metrics_add(&e->app->metrics->predicted_rows, e->rows.n);
    textbuf_puts(&text, "{\"model\":");
    textbuf_json_string(&text, e->served->name);
    textbuf_printf(&text, ",\"version\":%lld,\"rows\":%d", (long long)e->served->version, s.n_rows);
    put_number(&text, ",\"relative_error\":", &s.relative_error);
    put_mean(&text, ",\"nll\":", s.nll, o);
    put_mean(&text, ",\"nll_draws\":", s.nll_draws, o);
    put_mean(&text, ",\"crps\":", s.crps, o);
    textbuf_puts(&text, ",\"outputs\":[");
    for (size_t j = 0; j < o; j++) {
        put_output(&text, e, &s, j);
    }
    textbuf_puts(&text, "]}");
    scores_release(&s);
    return reply_json(res, 200, &text, err);
}

/* ---- the request ---- */

static void drop(void *ctx)
{
    struct evaluation *e = ctx;
    calib_release(&e->calib);
    arena_release(&e->arena);
    served_unref(e->served);
}

static enum err_code finish(void *ctx, struct response *res, struct err *err)
{
    err_kept(answer(ctx, res, err));
    drop(ctx);
    return err->code;
}

/* Scores now, or leaves the first block for the batcher: *later. */
static enum err_code start(struct evaluation *e, bool *later, struct err *err)
{
    struct batcher *batcher = e->app->batcher;
    aim(e);
    if (predict_check(e->served->model, &e->block, err) != ERR_OK) {
        return err->code;
    }
    if (e->block.n == e->rows.n && batcher_run(batcher, &e->item)) {
        take(e);
        return ERR_OK;
    }
    if (e->req->ops != NULL) {
        *later = true;
        return batcher_admit(batcher, &e->item, err);
    }
    e->block.n_threads = e->app->config->predict_threads;
    while (e->err.code == ERR_OK && e->first < e->rows.n) {
        aim(e);
        err_kept(predict_run(e->served->model, &e->block, &e->arena, &e->result, &e->item.err));
        take(e);
    }
    return ERR_OK;
}

enum err_code handle_evaluate(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    struct evaluation *e = arena_zalloc_array(req->arena, 1, sizeof *e);
    const char *name;
    struct version_ref version = {.kind = VERSION_DEFAULT};
    bool later = false;
    if (e == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    e->app = app;
    e->req = req;
    err_clear(&e->err);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        (req->n_params > 1 && version_ref_parse(req->params[1], &version, err) != ERR_OK) ||
        wish_deadline(req, &e->deadline_ns, err) != ERR_OK ||
        registry_find(app->registry, name, &version, &e->served, err) != ERR_OK) {
        return err->code;
    }
    if (read_rows(e, err) != ERR_OK || begin(e, err) != ERR_OK || start(e, &later, err) != ERR_OK) {
        drop(e);
        return err->code;
    }
    if (!later) {
        return finish(e, res, err);
    }
    res->later = (struct later){.run = finish, .drop = drop, .ctx = e};
    req->ops->suspend(req->exchange);
    batcher_submit(app->batcher, &e->item);
    return ERR_OK;
}
