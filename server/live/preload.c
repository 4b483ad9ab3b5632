/* SPDX-License-Identifier: Apache-2.0 */
#include "live/preload.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/name_patterns.h"
#include "predict/predict.h"

#define WARM_ROWS 96 /* of each thread: a call as large as they usually are */

/* Rows in the middle of the training range, or of ones where that is not known. The caller frees
 * them; NULL: no memory. */
static double *make_rows(const struct model *model, int n)
{
    double *x = mem_alloc_array((size_t)n * (size_t)model->d, sizeof *x);
    for (int i = 0; x != NULL && i < n * model->d; i++) {
        const double *range = model->training_range;
        int column = i % model->d;
        x[i] = range != NULL ? 0.5 * (range[2 * column] + range[2 * column + 1]) : 1.0;
    }
    return x;
}

/* Predicts one row, as a small request does, and then as many as all threads take at a time. An
 * error does no harm: what it takes to compute is there all the same. */
static void warm(const struct model *model, int n_threads)
{
    int n = WARM_ROWS * n_threads;
    double *x = make_rows(model, n);
    struct arena arena = ARENA_INIT;
    struct predict_request request = {
        .n = 1, .x = x, .want = PREDICT_MEAN | PREDICT_VARIANCE, .n_threads = 1};
    struct predict_result result;
    struct err ignored = ERR_INIT;
    if (x != NULL && predict_run(model, &request, &arena, &result, &ignored) == ERR_OK) {
        request.n = n;
        request.n_threads = n_threads;
        err_kept(predict_run(model, &request, &arena, &result, &ignored));
    }
    arena_release(&arena);
    mem_free(x);
}

static void load_one(const struct preload_settings *s, const char *name)
{
    struct served *served = NULL;
    struct err err = ERR_INIT;
    int64_t begin_ns = clock_ns();
    if (models_get(s->models, name, 0, &served, &err) != ERR_OK) {
        log_warn(s->log, "model not preloaded", "model", name, "reason", err_msg(&err), NULL);
        return;
    }
    warm(served->model, s->n_threads);
    log_info(s->log, "model preloaded", "model", name, "version", LOG_INT(served->version), "ms",
             LOG_INT((clock_ns() - begin_ns) / CLOCK_MS), NULL);
    served_unref(served);
}

enum err_code preload_run(const struct preload_settings *settings, struct err *err)
{
    struct model_row *rows = NULL;
    size_t n_rows = 0;
    int n_matched = 0;
    uint64_t n_evicted = models_totals(settings->models).n_evicted;
    if (model_store_list(settings->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].default_version != 0 &&
            name_patterns_match(settings->patterns, rows[i].model)) {
            load_one(settings, rows[i].model);
            n_matched++;
        }
    }
    mem_free(rows);
    if (n_matched == 0) {
        log_warn(settings->log, "no model to preload", "preload", settings->patterns, NULL);
    } else if (models_totals(settings->models).n_evicted > n_evicted) {
        log_warn(settings->log, "preloaded models do not fit models_mb", "preload",
                 settings->patterns, NULL);
    }
    return ERR_OK;
}
