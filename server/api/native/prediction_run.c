/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/prediction_run.h"

#include "api/native/run_place.h"
#include "api/request_times.h"
#include "base/mem_budget.h"

static void note_times(struct prediction_run *run)
{
    const struct batch_item *item = &run->item;
    run->computed_ns = clock_ns();
    run->leads = item->leads;
    /* One that failed without having begun was in the queue to its end. */
    run->begun_ns = item->begun_ns != 0        ? item->begun_ns
                    : item->err.code == ERR_OK ? run->parsed_ns
                                               : run->computed_ns;
    request_times_waited(run->req, run->begun_ns - run->parsed_ns);
    request_times_computed(run->req, run->begun_ns, run->computed_ns);
}

static void end_run(struct prediction_run *run, const struct err *err)
{
    if (run->note != NULL) {
        run->note(run, err);
    }
    if (err->code != ERR_OK) {
        answer_room_release(&run->claim);
    }
    served_unref(run->served);
    run->served = NULL;
}

static enum err_code write_answer(struct prediction_run *run, struct response *res, struct err *err)
{
    long outside = 0;
    if (run->item.err.code != ERR_OK) {
        *err = run->item.err;
        return err->code;
    }
    if (run->write(run, res, &outside, err) == ERR_OK) {
        answer_room_hand_over(&run->claim, res);
        metrics_add(&run->app->metrics->predicted_rows, run->predict->n);
        metrics_add(&run->app->metrics->extrapolated_rows, outside);
        metrics_add(&run->served->n_rows, run->predict->n);
        metrics_add(&run->served->n_outside, outside);
    }
    return err->code;
}

static enum err_code answer(void *ctx, struct response *res, struct err *err)
{
    struct prediction_run *run = ctx;
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    note_times(run);
    err_kept(write_answer(run, res, err));
    end_run(run, err);
    mem_kind_use(kind);
    return err->code;
}

/* The client has gone. */
static void drop(void *ctx)
{
    struct prediction_run *run = ctx;
    struct err gone = ERR_INIT;
    err_set(&gone, ERR_ABANDONED, "the client went away before the answer");
    end_run(run, &gone);
}

static bool client_is_gone(const void *ctx)
{
    const struct prediction_run *run = ctx;
    return run->req->ops->gone(run->req->exchange);
}

static void resume_exchange(void *ctx)
{
    struct prediction_run *run = ctx;
    run->req->ops->resume(run->req->exchange);
}

/* Computes it here, leaves it with others, or gets a place in the queue. */
static enum err_code compute_or_queue(struct prediction_run *run, enum run_place *place,
                                      struct err *err)
{
    struct batcher *batcher = run->app->batcher;
    if (predict_check(run->served->model, run->predict, err) != ERR_OK ||
        answer_room_claim(run->app,
                          predict_bytes(run->served->model, run->predict) + run->n_answer_bytes,
                          &run->claim, err) != ERR_OK) {
        return err->code;
    }
    run->item = (struct batch_item){.model = run->served->model,
                                    .request = run->predict,
                                    .result = &run->result,
                                    .arena = run->req->arena,
                                    .deadline_ns = run->deadline_ns,
                                    .gone = client_is_gone,
                                    .done = resume_exchange,
                                    .ctx = run,
                                    .counts_calls = run->counts_calls,
                                    .leads = run->counts_calls,
                                    .err = ERR_INIT};
    *place = run_find_place(batcher, run->req, &run->item);
    if (*place != RUN_QUEUED) {
        return ERR_OK;
    }
    if (run->req->ops == NULL) {
        struct predict_request alone = *run->predict;
        alone.n_threads = run->app->config->predict_threads;
        *place = RUN_DONE;
        return predict_run(run->served->model, &alone, run->req->arena, &run->result, err);
    }
    return batcher_admit(batcher, &run->item, err);
}

enum err_code prediction_run_start(struct prediction_run *run, struct response *res,
                                   struct err *err)
{
    enum run_place place = RUN_DONE;
    run->parsed_ns = clock_ns();
    request_times_parsed_at(run->req, run->parsed_ns);
    if (compute_or_queue(run, &place, err) != ERR_OK) {
        end_run(run, err);
        return err->code;
    }
    if (place == RUN_DONE) {
        return answer(run, res, err);
    }
    res->later = (struct later){.run = answer, .drop = drop, .ctx = run};
    if (place == RUN_QUEUED) {
        run->req->ops->suspend(run->req->exchange);
        batcher_submit(run->app->batcher, &run->item);
    }
    return ERR_OK;
}
