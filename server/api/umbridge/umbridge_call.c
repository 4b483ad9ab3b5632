/* SPDX-License-Identifier: Apache-2.0 */
#include "api/umbridge/umbridge_call.h"

#include "api/aside.h"
#include "api/native/prediction_request.h"
#include "api/native/prediction_run.h"
#include "api/quota.h"
#include "api/umbridge/umbridge_answer.h"
#include "api/umbridge/umbridge_request.h"

/* A call under way; in the request's arena. */
struct umbridge_call {
    struct prediction_run run; /* first: the pointer to one is that to the other */
    enum umbridge_kind kind;
    struct umbridge_request request;
    struct umbridge_name name;
    bool is_read; /* as far as the config */
};

static void release_model(void *ctx)
{
    struct umbridge_call *call = ctx;
    served_unref(call->run.served);
}

static enum err_code write_answer(struct prediction_run *run, struct response *res, long *outside,
                                  struct err *err)
{
    struct umbridge_call *call = (struct umbridge_call *)run;
    struct arena *arena = run->req->arena;
    if (predict_answer_headers(run->served, run->predict, arena, res, outside, err) != ERR_OK) {
        return err->code;
    }
    return umbridge_answer_computed(&call->request, run->served->model, &run->result, arena, res,
                                    err);
}

/* ---- what comes before ---- */

/* The rest of the body, for the model that was found. */
static enum err_code read_rest(struct umbridge_call *call, struct err *err)
{
    static const enum derivative_kind kinds[] = {[UMBRIDGE_GRADIENT] = DERIVATIVE_GRADIENT,
                                                 [UMBRIDGE_APPLY_JACOBIAN] = DERIVATIVE_JACOBIAN,
                                                 [UMBRIDGE_APPLY_HESSIAN] = DERIVATIVE_HESSIAN};
    const struct model *model = call->run.served->model;
    struct arena *arena = call->run.req->arena;
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
    struct prediction_run *run = &call->run;
    if (call->kind < UMBRIDGE_EVALUATE) {
        err_kept(umbridge_answer_described(call->kind, &call->request, run->served->model,
                                           run->req->arena, res, err));
    } else if (read_rest(call, err) == ERR_OK) {
        run->predict = &call->request.predict;
        return prediction_run_start(run, res, err);
    }
    release_model(call);
    return err->code;
}

/* Whether a model exists is nothing that a token of other models may learn. */
static enum err_code find_name(struct umbridge_call *call, struct err *err)
{
    const struct request *req = call->run.req;
    const char *name = call->request.name;
    if (umbridge_name_find(call->run.app->models, name, &call->name) &&
        access_sees(req, call->name.model)) {
        return ERR_OK;
    }
    if (access_check_model(req, name, err) != ERR_OK) {
        return err->code;
    }
    return models_is_loaded(call->run.app->models)
               ? err_set(err, ERR_NOT_FOUND,
                         "there is no model \"%.80s\"; GET /Info lists the models", name)
               : err_set(err, ERR_BUSY, "models are being loaded");
}

/* Reads the body as far as it concerns no model. */
static enum err_code read_beginning(struct umbridge_call *call, struct err *err)
{
    const struct request *req = call->run.req;
    if (umbridge_request_parse(req->body, req->n_body, req->arena, &call->request, err) != ERR_OK ||
        find_name(call, err) != ERR_OK ||
        umbridge_request_config(&call->request, call->name.view, req->arena, err) != ERR_OK) {
        return err->code;
    }
    call->is_read = true;
    if (call->kind >= UMBRIDGE_EVALUATE) {
        quota_charge_rows(call->run.app, req, 1);
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
        models_find(call->run.app->models, call->name.model, &call->request.version,
                    &call->run.served, err) != ERR_OK) {
        return err->code;
    }
    res->later = (struct later){.run = go_on, .drop = release_model, .ctx = call};
    return ERR_OK;
}

enum err_code umbridge_call_answer(struct app *app, enum umbridge_kind kind,
                                   const struct request *req, struct response *res, struct err *err)
{
    struct umbridge_call *call = arena_zalloc_array(req->arena, 1, sizeof *call);
    if (call == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    call->run = (struct prediction_run){.app = app, .req = req, .write = write_answer};
    call->kind = kind;
    if (prediction_request_deadline(req, &call->run.deadline_ns, err) != ERR_OK) {
        return err->code;
    }
    if (req->n_body <= ASIDE_TEXT_BYTES) {
        if (read_beginning(call, err) != ERR_OK) {
            return err->code;
        }
        if (models_find_loaded(app->models, call->name.model, &call->request.version,
                               &call->run.served)) {
            return go_on(call, res, err);
        }
    } else if (!aside_is_large(req)) {
        aside_count_large(app);
    }
    return aside_run(app, prepare_aside, call, req, res, err);
}
