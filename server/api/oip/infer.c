/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v2/models/{m}/infer, and the same with a version: as /predict, in the words of the Open
 * Inference Protocol. */
#include "api/handlers.h"

#include "api/aside.h"
#include "api/native/prediction_request.h"
#include "api/native/prediction_run.h"
#include "api/oip/infer_answer.h"
#include "api/oip/oip_model.h"
#include "api/quota.h"

#include <stdio.h>

/* A request under way; in its arena. */
struct inference {
    struct prediction_run run; /* first: the pointer to one is that to the other */
    const char *model;
    struct version_ref version;
    size_t n_json;
    struct infer_request request;
    bool is_read;
};

static void count_time(atomic_llong *of, int64_t ns)
{
    metrics_add(of, ns > 0 ? ns : 0);
}

/* Statistics of the version. */
static void note_end(const struct prediction_run *run, const struct err *err)
{
    struct served_stats *stats = &run->served->stats;
    int64_t now_ns = clock_ns();
    int64_t whole_ns = now_ns - run->req->arrived_ns;
    metrics_set(&stats->last_ms, db_now_ms());
    if (err->code != ERR_OK) {
        metrics_add(&stats->n_fail, 1);
        count_time(&stats->fail_ns, whole_ns);
        return;
    }
    metrics_add(&stats->n_success, 1);
    metrics_add(&stats->n_rows, run->predict->n);
    metrics_add(&stats->n_calls, run->leads);
    count_time(&stats->success_ns, whole_ns);
    count_time(&stats->input_ns, run->parsed_ns - run->req->arrived_ns);
    count_time(&stats->queue_ns, run->begun_ns - run->parsed_ns);
    count_time(&stats->compute_ns, run->computed_ns - run->begun_ns);
    count_time(&stats->output_ns, now_ns - run->computed_ns);
}

static enum err_code write_answer(struct prediction_run *run, struct response *res, long *outside,
                                  struct err *err)
{
    struct inference *inference = (struct inference *)run;
    const struct infer_answer answer = {.request = &inference->request,
                                        .served = run->served,
                                        .result = &run->result,
                                        .arena = run->req->arena};
    return infer_answer_write(&answer, res, outside, err);
}

static enum err_code read_request(struct inference *inference, size_t max_text, struct err *err)
{
    const struct request *req = inference->run.req;
    const struct infer_body body = {req->body, req->n_body, inference->n_json};
    if (infer_request_parse(body, max_text, req->arena, &inference->request, err) != ERR_OK) {
        return err->code;
    }
    inference->is_read = !inference->request.unread;
    if (inference->request.timeout_ns > 0) {
        int64_t deadline_ns = req->arrived_ns + inference->request.timeout_ns;
        int64_t *earliest = &inference->run.deadline_ns;
        *earliest = *earliest == 0 || deadline_ns < *earliest ? deadline_ns : *earliest;
    }
    return ERR_OK;
}

/* The rows as the model has them; without it, the model is released. */
static enum err_code fit_request(struct inference *inference, struct err *err)
{
    struct prediction_run *run = &inference->run;
    const struct model *model = run->served->model;
    if (infer_request_fit(&inference->request, model, run->app->config->max_rows, run->req->arena,
                          err) != ERR_OK) {
        note_end(run, err);
        served_unref(run->served);
        return err->code;
    }
    quota_charge_rows(run->app, run->req, inference->request.predict.n);
    run->predict = &inference->request.predict;
    /* Results that are not there have no size, so what the answer takes is asked for later. */
    if (predict_check(model, run->predict, err) != ERR_OK) {
        note_end(run, err);
        served_unref(run->served);
        return err->code;
    }
    run->n_answer_bytes = infer_answer_bytes(&inference->request, model);
    return ERR_OK;
}

static enum err_code start_run(void *ctx, struct response *res, struct err *err)
{
    struct inference *inference = ctx;
    return prediction_run_start(&inference->run, res, err);
}

static void release_model(void *ctx)
{
    struct inference *inference = ctx;
    served_unref(inference->run.served);
}

/* On another thread: what takes long. */
static enum err_code prepare_aside(void *ctx, struct request *req, struct response *res,
                                   struct err *err)
{
    struct inference *inference = ctx;
    struct prediction_run *run = &inference->run;
    (void)req;
    if ((!inference->is_read && read_request(inference, 0, err) != ERR_OK) ||
        models_find(run->app->models, inference->model, &inference->version, &run->served, err) !=
            ERR_OK ||
        fit_request(inference, err) != ERR_OK) {
        return err->code;
    }
    res->later = (struct later){.run = start_run, .drop = release_model, .ctx = inference};
    return ERR_OK;
}

static enum err_code read_head(struct inference *inference, struct err *err)
{
    const struct request *req = inference->run.req;
    const char *length = request_header(req, "Inference-Header-Content-Length");
    return oip_model_target(inference->run.app, req, &inference->model, &inference->version, err) ==
                       ERR_OK &&
                   infer_body_split(length, req->n_body, &inference->n_json, err) == ERR_OK
               ? prediction_request_deadline(req, &inference->run.deadline_ns, err)
               : err->code;
}

enum err_code handle_oip_infer(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    struct inference *inference = arena_zalloc_array(req->arena, 1, sizeof *inference);
    if (inference == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    inference->run = (struct prediction_run){
        .app = app, .req = req, .counts_calls = true, .write = write_answer, .note = note_end};
    if (read_head(inference, err) != ERR_OK) {
        return err->code;
    }
    if (!aside_is_large(req)) {
        if (read_request(inference, ASIDE_TEXT_BYTES, err) != ERR_OK) {
            return err->code;
        }
        if (!inference->is_read) {
            aside_count_large(app);
        } else if (models_find_loaded(app->models, inference->model, &inference->version,
                                      &inference->run.served)) {
            return fit_request(inference, err) == ERR_OK ? start_run(inference, res, err)
                                                         : err->code;
        }
    }
    return aside_run(app, prepare_aside, inference, req, res, err);
}
