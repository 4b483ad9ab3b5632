/* SPDX-License-Identifier: Apache-2.0 */
/* Probes and metrics for operators. */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/log_writer.h"
#include "base/version.h"
#include "store/sqlite/db.h"

/* Alive: the process can answer. */
enum err_code handle_healthz(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    json_write_text(&json, "status", "ok");
    json_write_text(&json, "version", SURROGATED_VERSION);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

/* Ready: models are loaded, the registry answers, and the server is not stopping. */
enum err_code handle_readyz(struct app *app, const struct request *req, struct response *res,
                            struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (atomic_load_explicit(&app->draining, memory_order_relaxed)) {
        return err_set(err, ERR_DRAINING, "the server is stopping");
    }
    if (!models_is_loaded(app->models)) {
        return err_set(err, ERR_BUSY, "models are being loaded");
    }
    if (!db_is_alive(app->db)) {
        return err_set(err, ERR_BUSY, "the registry file cannot be read");
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "status", "ready");
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

enum err_code handle_metrics(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    int n_models = 0;
    size_t n_bytes = 0;
    models_totals(app->models, &n_models, &n_bytes);
    metrics_set(&app->metrics->models_loaded, n_models);
    metrics_set(&app->metrics->model_bytes, (long long)n_bytes);
    if (app->log->writer != NULL) {
        struct log_counts lines = log_writer_counts(app->log->writer);
        metrics_set(&app->metrics->log_dropped, lines.dropped);
        metrics_set(&app->metrics->log_left_out, lines.left_out);
    }
    metrics_write(app->metrics, SURROGATED_VERSION, &text);
    return reply_text(res, "text/plain; version=0.0.4; charset=utf-8", &text, err);
}
