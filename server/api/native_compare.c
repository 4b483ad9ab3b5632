/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/models/{m}/compare: versions of a model on the same rows, sent or stored. Each is scored
 * as evaluate does it, one after the other and block by block, and for each after the first the
 * differences of the rows' losses to the first one's are told (core/paired).
 */
#include "handlers.h"

#include "batch_call.h"
#include "labelled.h"
#include "mem.h"
#include "paired.h"
#include "predict_wish.h"
#include "reply.h"
#include "scoring.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COMPARE_LEAST_VERSIONS 2
#define COMPARE_MOST_VERSIONS  8
#define COMPARE_USUAL_ROWS     1000   /* stored ones */
#define COMPARE_MOST_ROWS      100000 /* stored ones */

struct comparison {
    struct app *app;
    const struct request *req;
    const char *model;
    struct labelled labelled;
    const json_t *stored; /* "data": rows of the store; NULL: they were sent */
    int64_t after_batch;
    int64_t limit;
    struct version_ref refs[COMPARE_MOST_VERSIONS];
    struct served *served[COMPARE_MOST_VERSIONS];
    int n_versions;
    struct data rows;
    double *first; /* [rows.n x PAIRED_N] losses of the first version */
    double *other; /* the same of a block of another one */
    struct paired_rule rule;
    struct batch_item waiter; /* tells whether anybody waits for the answer */
};

/* One version at work. */
struct contender {
    struct comparison *c;
    struct scoring scoring;
    struct paired paired;
    bool is_first;
};

/* ---- what is asked ---- */

static enum err_code check_count(size_t n, struct err *err)
{
    if (n < COMPARE_LEAST_VERSIONS || n > COMPARE_MOST_VERSIONS) {
        return err_set(err, ERR_INVALID, "versions must be a list of %d to %d versions",
                       COMPARE_LEAST_VERSIONS, COMPARE_MOST_VERSIONS);
    }
    return ERR_OK;
}

static enum err_code read_versions(struct comparison *c, const json_t *list, struct err *err)
{
    size_t n = json_array_size(list); /* 0 when it is none */
    if (check_count(n, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n; i++) {
        char where[32];
        snprintf(where, sizeof where, "versions[%zu]", i);
        if (reply_version(json_array_get(list, i), where, &c->refs[i], err) != ERR_OK) {
            return err->code;
        }
    }
    c->n_versions = (int)n;
    return ERR_OK;
}

/* In the query they are separated by commas; NULL: there are none. */
static enum err_code read_query(struct comparison *c, const char *from, struct err *err)
{
    size_t n = 0;
    while (from != NULL && n <= COMPARE_MOST_VERSIONS) {
        size_t len = strcspn(from, ",");
        char *text = arena_strndup(c->req->arena, from, len);
        if (text == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the request");
        }
        if (n < COMPARE_MOST_VERSIONS && version_ref_parse(text, &c->refs[n], err) != ERR_OK) {
            return err->code;
        }
        n++;
        from = from[len] == ',' ? from + len + 1 : NULL;
    }
    if (check_count(n, err) == ERR_OK) {
        c->n_versions = (int)n;
    }
    return err->code;
}

static enum err_code read_stored(struct comparison *c, struct err *err)
{
    static const char *const keys[] = {"after_batch", "limit", NULL};
    c->limit = COMPARE_USUAL_ROWS;
    if (c->labelled.x.found || c->labelled.y.found) {
        return err_set(err, ERR_INVALID,
                       "rows are either in inputs and outputs or those that data names, not both");
    }
    if (json_io_check_keys(c->stored, "data", keys, err) != ERR_OK ||
        json_io_get_int(c->stored, "data", "after_batch", false, 0, INT64_MAX, &c->after_batch,
                        err) != ERR_OK) {
        return err->code;
    }
    return json_io_get_int(c->stored, "data", "limit", false, 1, COMPARE_MOST_ROWS, &c->limit, err);
}

static enum err_code read_request(struct comparison *c, struct err *err)
{
    static const char *const keys[] = {"versions", "inputs", "outputs", "data", NULL};
    const json_t *body = NULL;
    const char *query = request_query(c->req, "versions");
    if (wish_deadline(c->req, &c->waiter.deadline_ns, err) != ERR_OK ||
        labelled_parse(c->req, c->app->config->max_rows, &c->labelled, err) != ERR_OK) {
        return err->code;
    }
    if (c->labelled.is_csv) {
        return read_query(c, query, err);
    }
    body = c->labelled.body;
    if (json_io_check_keys(body, "body", keys, err) != ERR_OK) {
        return err->code;
    }
    if (query != NULL && json_object_get(body, "versions") != NULL) {
        return err_set(err, ERR_INVALID, "versions are in the query and in the body");
    }
    if ((query != NULL ? read_query(c, query, err)
                       : read_versions(c, json_object_get(body, "versions"), err)) != ERR_OK) {
        return err->code;
    }
    c->stored = json_object_get(body, "data");
    return c->stored != NULL ? read_stored(c, err) : ERR_OK;
}

/* ---- versions and rows ---- */

static enum err_code find_versions(struct comparison *c, struct err *err)
{
    for (int i = 0; i < c->n_versions; i++) {
        if (registry_find(c->app->registry, c->model, &c->refs[i], &c->served[i], err) != ERR_OK) {
            return err->code;
        }
        const struct model *first = c->served[0]->model;
        const struct model *m = c->served[i]->model;
        if (m->d != first->d || m->o != first->o) {
            return err_set(err, ERR_SHAPE,
                           "version %lld has %d inputs and %d outputs, version %lld has %d and %d",
                           (long long)c->served[i]->version, m->d, m->o,
                           (long long)c->served[0]->version, first->d, first->o);
        }
    }
    return ERR_OK;
}

static enum err_code load_stored(struct comparison *c, struct err *err)
{
    const struct model *model = c->served[0]->model;
    struct data_newest newest = {.rows = NULL};
    if (data_store_newest(c->app->db, c->model, c->after_batch, c->limit, &newest, err) != ERR_OK) {
        return err->code;
    }
    if (newest.d != model->d || newest.o != model->o) {
        err_set(err, ERR_SHAPE,
                "stored rows have %d inputs and %d outputs, version %lld has %d and %d", newest.d,
                newest.o, (long long)c->served[0]->version, model->d, model->o);
    } else {
        const struct data shape = {.n = (int)newest.n, .d = newest.d, .o = newest.o};
        err_kept(labelled_split(newest.rows, &shape, c->req->arena, &c->rows, err));
    }
    mem_free(newest.rows);
    return err->code;
}

static enum err_code find_rows(struct comparison *c, struct err *err)
{
    const struct model *model = c->served[0]->model;
    if ((c->stored != NULL
             ? load_stored(c, err)
             : labelled_rows(&c->labelled, c->req, model->d, model->o, &c->rows, err)) != ERR_OK) {
        return err->code;
    }
    size_t n = (size_t)c->rows.n * PAIRED_N;
    c->first = arena_alloc_array(c->req->arena, n, sizeof *c->first);
    c->other = arena_alloc_array(c->req->arena, n, sizeof *c->other);
    return c->first != NULL && c->other != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the comparison");
}

/* ---- the work ---- */

static bool gone(const void *ctx)
{
    const struct comparison *c = ctx;
    return c->req->ops->gone(c->req->exchange);
}

static enum err_code take_block(void *ctx, const struct predict_result *f, const double *y, int n,
                                struct err *err)
{
    struct contender *v = ctx;
    struct comparison *c = v->c;
    double *first = c->first + (size_t)v->scoring.n * PAIRED_N;
    if (batch_item_is_void(&c->waiter, err)) {
        return err->code;
    }
    scoring_add(&v->scoring, f, y, n);
    paired_losses(&c->rule, f, y, n, v->is_first ? first : c->other);
    if (!v->is_first) {
        paired_add(&v->paired, first, c->other, n);
    }
    return ERR_OK;
}

static void put_real(struct textbuf *text, const char *before, double value)
{
    textbuf_puts(text, before);
    if (isfinite(value)) {
        textbuf_real(text, value);
    } else {
        textbuf_puts(text, "null");
    }
}

static void write_differences(struct textbuf *text, const struct paired *paired)
{
    static const char *const names[PAIRED_N] = {
        [PAIRED_SQUARE] = "squared_error", [PAIRED_NLL] = "nll", [PAIRED_CRPS] = "crps"};
    textbuf_puts(text, ",\"difference\":{");
    for (int k = 0; k < PAIRED_N; k++) {
        textbuf_printf(text, "%s\"%s\":", k > 0 ? "," : "", names[k]);
        if (!isfinite(paired->mean[k])) {
            textbuf_puts(text, "null");
            continue;
        }
        put_real(text, "{\"mean\":", paired->mean[k]);
        put_real(text, ",\"standard_error\":", paired_standard_error(paired, (enum paired_loss)k));
        put_real(text, ",\"better\":", (double)paired->better[k] / (double)paired->n);
        textbuf_puts(text, "}");
    }
    textbuf_puts(text, "}");
}

/* Scores a version and appends what is to be told of it. */
static enum err_code compare_one(struct comparison *c, int i, struct textbuf *text, struct err *err)
{
    const struct served *served = c->served[i];
    struct contender v = {.c = c, .is_first = i == 0};
    if (scoring_begin(&v.scoring, served->model, &c->rows, c->req->arena, err) != ERR_OK) {
        goto done;
    }
    if (i == 0) {
        /* One unit for all, or their residuals could not be compared. */
        size_t n_range = 2 * (size_t)c->rows.o;
        double *range = arena_alloc_array(c->req->arena, n_range, sizeof *range);
        if (range == NULL) {
            err_set(err, ERR_NOMEM, "no memory for the comparison");
            goto done;
        }
        memcpy(range, scoring_range(&v.scoring), n_range * sizeof *range);
        c->rule = (struct paired_rule){.o = c->rows.o, .range = range};
    }
    c->rule.noise = v.scoring.calib.noise;
    v.scoring.block.n_threads = c->app->config->predict_threads;
    textbuf_printf(text, "%s{\"version\":%lld,", i > 0 ? "," : "", (long long)served->version);
    if (calib_blocks(served->model, &c->rows, &v.scoring.block, take_block, &v, err) != ERR_OK ||
        scoring_write(&v.scoring, text, err) != ERR_OK) {
        err_prefix(err, "version %lld", (long long)served->version);
        goto done;
    }
    if (i > 0) {
        write_differences(text, &v.paired);
    }
    textbuf_puts(text, "}");
done:
    scoring_release(&v.scoring);
    return err->code;
}

static enum err_code compare(struct comparison *c, struct textbuf *text, struct err *err)
{
    textbuf_puts(text, "{\"model\":");
    textbuf_json_string(text, c->model);
    textbuf_printf(text, ",\"rows\":%d", c->rows.n);
    if (c->stored != NULL) {
        textbuf_printf(text,
                       ",\"data\":{\"after_batch\":%lld,\"limit\":%lld},\"warnings\":[{\"code\":"
                       "\"seen\",\"text\":\"the versions may have been trained on these rows\"}]",
                       (long long)c->after_batch, (long long)c->limit);
    }
    textbuf_puts(text, ",\"versions\":[");
    for (int i = 0; i < c->n_versions; i++) {
        if (compare_one(c, i, text, err) != ERR_OK) {
            return err->code;
        }
        metrics_add(&c->app->metrics->predicted_rows, c->rows.n);
    }
    textbuf_puts(text, "]}");
    return ERR_OK;
}

enum err_code handle_compare(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct comparison *c = arena_zalloc_array(req->arena, 1, sizeof *c);
    struct textbuf text = textbuf_in(req->arena);
    if (c == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    c->app = app;
    c->req = req;
    c->waiter.gone = req->ops != NULL ? gone : NULL;
    c->waiter.ctx = c;
    if (reply_model_name(req->params[0], &c->model, err) == ERR_OK &&
        read_request(c, err) == ERR_OK && find_versions(c, err) == ERR_OK &&
        find_rows(c, err) == ERR_OK && compare(c, &text, err) == ERR_OK) {
        err_kept(reply_json(res, 200, &text, err));
    }
    for (int i = 0; i < c->n_versions; i++) {
        served_unref(c->served[i]);
    }
    return err->code;
}
