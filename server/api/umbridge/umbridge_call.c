/* SPDX-License-Identifier: Apache-2.0 */
#include "api/umbridge/umbridge_call.h"

#include "api/aside.h"
#include "api/native/answer_room.h"
#include "api/native/prediction_request.h"
#include "api/quota.h"
#include "api/request_times.h"
#include "api/umbridge/umbridge_answer.h"
#include "api/umbridge/umbridge_request.h"
#include "base/mem_budget.h"

/* A call under way; in the request's arena. */
struct umbridge_call {
    struct app *app;
    const struct request *req;
    enum umbridge_kind kind;
    struct umbridge_request request;
    struct umbridge_name name;
    struct served *served;
    struct predict_result result;
    struct batch_item item;
    struct answer_claim claim;
    int64_t deadline_ns;
    int64_t parsed_ns;
    bool is_read; /* as far as the config */
};

static void drop_call(void *ctx)
{
    struct umbridge_call *call = ctx;
    answer_room_release(&call->claim);
    served_unref(call->served);
}

/* ---- what is computed ---- */

static void note_times(const struct umbridge_call *call)
{
    int64_t now_ns = clock_ns();
    int64_t at_once_ns = call->item.err.code == ERR_OK ? call->parsed_ns : now_ns;
    int64_t begun_ns = call->item.begun_ns != 0 ? call->item.begun_ns : at_once_ns;
    request_times_waited(call->req, begun_ns - call->parsed_ns);
    request_times_computed(call->req, begun_ns, now_ns);
}

static enum err_code write_computed(struct umbridge_call *call, struct response *res,
                                    struct err *err)
{
    long outside = 0;
    note_times(call);
    if (call->item.err.code != ERR_OK) {
        *err = call->item.err;
        return err->code;
    }
    if (predict_answer_headers(call->served, &call->request.predict, call->req->arena, res,
                               &outside, err) != ERR_OK ||
        umbridge_answer_computed(&call->request, call->served->model, &call->result,
                                 call->req->arena, res, err) != ERR_OK) {
        return err->code;
    }
    metrics_add(&call->app->metrics->predicted_rows, 1);
    metrics_add(&call->app->metrics->extrapolated_rows, outside);
    metrics_add(&call->served->n_rows, 1);
    metrics_add(&call->served->n_outside, outside);
    return ERR_OK;
}

static enum err_code answer_and_release(void *ctx, struct response *res, struct err *err)
{
    struct umbridge_call *call = ctx;
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    if (write_computed(call, res, err) == ERR_OK) {
        answer_room_hand_over(&call->claim, res);
    } else {
        answer_room_release(&call->claim);
    }
    served_unref(call->served);
    mem_kind_use(kind);
    return err->code;
}

static bool client_is_gone(const void *ctx)
{
    const struct umbridge_call *call = ctx;
    return call->req->ops->gone(call->req->exchange);
}

static void resume_exchange(void *ctx)
{
    struct umbridge_call *call = ctx;
    call->req->ops->resume(call->req->exchange);
}

/* Computes a small call at once, or gets a place in the queue; *later says which. */
static enum err_code compute_or_queue(struct umbridge_call *call, bool *later, struct err *err)
{
    const struct model *model = call->served->model;
    struct predict_request *request = &call->request.predict;
    if (predict_check(model, request, err) != ERR_OK ||
        answer_room_claim(call->app, predict_bytes(model, request), &call->claim, err) != ERR_OK) {
        return err->code;
    }
    call->item = (struct batch_item){.model = model,
                                     .request = request,
                                     .result = &call->result,
                                     .arena = call->req->arena,
                                     .deadline_ns = call->deadline_ns,
                                     .gone = client_is_gone,
                                     .done = resume_exchange,
                                     .ctx = call,
                                     .err = ERR_INIT};
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    bool done = batcher_run(call->app->batcher, &call->item);
    mem_kind_use(kind);
    *later = !done && call->req->ops != NULL;
    if (done || *later) {
        return done ? ERR_OK : batcher_admit(call->app->batcher, &call->item, err);
    }
    request->n_threads = 1;
    return predict_run(model, request, call->req->arena, &call->result, err);
}

static enum err_code compute(struct umbridge_call *call, struct response *res, struct err *err)
{
    bool later = false;
    call->parsed_ns = clock_ns();
    request_times_parsed_at(call->req, call->parsed_ns);
    if (compute_or_queue(call, &later, err) != ERR_OK) {
        drop_call(call);
        return err->code;
    }
    if (!later) {
        return answer_and_release(call, res, err);
    }
    res->later = (struct later){.run = answer_and_release, .drop = drop_call, .ctx = call};
    call->req->ops->suspend(call->req->exchange);
    batcher_submit(call->app->batcher, &call->item);
    return ERR_OK;
}

/* ---- what comes before ---- */

/* The rest of the body, for the model that was found. */
static enum err_code read_rest(struct umbridge_call *call, struct err *err)
{
    static const enum derivative_kind kinds[] = {[UMBRIDGE_GRADIENT] = DERIVATIVE_GRADIENT,
                                                 [UMBRIDGE_APPLY_JACOBIAN] = DERIVATIVE_JACOBIAN,
                                                 [UMBRIDGE_APPLY_HESSIAN] = DERIVATIVE_HESSIAN};
    const struct model *model = call->served->model;
    struct arena *arena = call->req->arena;
    if (call->kind > UMBRIDGE_EVALUATE &&
        umbridge_request_directions(&call->request, model, kinds[call->kind], arena, err) !=
            ERR_OK) {
        return err->code;
    }
    return umbridge_request_input(&call->request, model, arena, err);
}

/* On the connection's thread, once the model is there. */
static enum err_code go_on(void *ctx, struct response *res, struct err *err)
{
    struct umbridge_call *call = ctx;
    if (call->kind < UMBRIDGE_EVALUATE) {
        err_kept(umbridge_answer_described(call->kind, &call->request, call->served->model,
                                           call->req->arena, res, err));
    } else if (read_rest(call, err) == ERR_OK) {
        return compute(call, res, err);
    }
    drop_call(call);
    return err->code;
}

/* Whether a model exists is nothing that a token of other models may learn. */
static enum err_code find_name(struct umbridge_call *call, struct err *err)
{
    struct err absent = ERR_INIT;
    bool found =
        umbridge_name_find(call->app->models, call->request.name, &call->name, &absent) == ERR_OK;
    const char *model = found ? call->name.model : call->request.name;
    if (access_check_model(call->req, model, err) == ERR_OK && !found) {
        *err = absent;
    }
    return err->code;
}

/* Reads the body as far as it concerns no model. */
static enum err_code read_beginning(struct umbridge_call *call, struct err *err)
{
    const struct request *req = call->req;
    if (umbridge_request_parse(req->body, req->n_body, req->arena, &call->request, err) != ERR_OK ||
        find_name(call, err) != ERR_OK ||
        umbridge_request_config(&call->request, call->name.view, req->arena, err) != ERR_OK) {
        return err->code;
    }
    call->is_read = true;
    if (call->kind >= UMBRIDGE_EVALUATE) {
        quota_charge_rows(call->app, req, 1);
    }
    return ERR_OK;
}

/* On another thread: what takes long. */
static enum err_code prepare_aside(void *ctx, struct request *req, struct response *res,
                                   struct err *err)
{
    struct umbridge_call *call = ctx;
    (void)req;
    if ((!call->is_read && read_beginning(call, err) != ERR_OK) ||
        models_find(call->app->models, call->name.model, &call->request.version, &call->served,
                    err) != ERR_OK) {
        return err->code;
    }
    res->later = (struct later){.run = go_on, .drop = drop_call, .ctx = call};
    return ERR_OK;
}

enum err_code umbridge_call_answer(struct app *app, enum umbridge_kind kind,
                                   const struct request *req, struct response *res, struct err *err)
{
    struct umbridge_call *call = arena_zalloc_array(req->arena, 1, sizeof *call);
    if (call == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    call->app = app;
    call->req = req;
    call->kind = kind;
    if (prediction_request_deadline(req, &call->deadline_ns, err) != ERR_OK) {
        return err->code;
    }
    if (req->n_body <= ASIDE_TEXT_BYTES) {
        if (read_beginning(call, err) != ERR_OK) {
            return err->code;
        }
        if (models_find_loaded(app->models, call->name.model, &call->request.version,
                               &call->served)) {
            return go_on(call, res, err);
        }
    } else if (!aside_is_large(req)) {
        aside_count_large(app);
    }
    return aside_run(app, prepare_aside, call, req, res, err);
}
