/* SPDX-License-Identifier: Apache-2.0 */
#include "api/dispatch.h"

#include "api/aside.h"
#include "api/compress.h"
#include "api/content.h"
#include "api/errors.h"
#include "api/handlers.h"
#include "api/primary.h"
#include "api/head/query_keys.h"
#include "api/quota.h"
#include "api/registry_version.h"
#include "api/request_times.h"
#include "api/head/trace.h"
#include "base/clock.h"
#include "http/router.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct route routes[] = {
#define ROUTE(method, pattern, handler, label, role, query) {HTTP_##method, pattern},
#include "api/routes.def"
#undef ROUTE
};

static handler_fn *const handlers[] = {
#define ROUTE(method, pattern, handler, label, role, query) handle_##handler,
#include "api/routes.def"
#undef ROUTE
};

/* The last label counts requests that match no route. */
static const char *const labels[] = {
#define ROUTE(method, pattern, handler, label, role, query) label,
#include "api/routes.def"
#undef ROUTE
    "other",
};

static const enum role roles[] = {
#define ROUTE(method, pattern, handler, label, role, query) ROLE_##role,
#include "api/routes.def"
#undef ROUTE
};

static const char *const queries[] = {
#define ROUTE(method, pattern, handler, label, role, query) query,
#include "api/routes.def"
#undef ROUTE
};

#define N_ROUTES ((int)(sizeof routes / sizeof *routes))

const char *const *dispatch_labels(int *n)
{
    *n = N_ROUTES + 1;
    return labels;
}

/* Probes send no token. They learn whether the server lives and is ready, and if not, why. */
static bool is_open(const char *path)
{
    return strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0 ||
           strcmp(path, "/v2/health/live") == 0 || strcmp(path, "/v2/health/ready") == 0;
}

/* The page for browsers and its files. Who opens it has yet to sign in; limits of addresses hold.
 */
static bool is_page(const char *path)
{
    return strncmp(path, "/ui", 3) == 0 && (path[3] == '/' || path[3] == '\0');
}

/* What orchestrators look at. It is answered until the server has stopped. */
static bool is_probe(const char *path)
{
    return is_open(path) || strcmp(path, "/metrics") == 0;
}

static bool needs_token(const char *path)
{
    return !is_open(path) && !is_page(path);
}

/* The handlers of UM-Bridge: they change nothing, and leave the thread by themselves. */
static bool is_umbridge(handler_fn *handler)
{
    return handler == handle_umbridge_info || handler == handle_umbridge_model_info ||
           handler == handle_umbridge_input_sizes || handler == handle_umbridge_output_sizes ||
           handler == handle_umbridge_evaluate || handler == handle_umbridge_gradient ||
           handler == handle_umbridge_apply_jacobian || handler == handle_umbridge_apply_hessian;
}

/* Handlers that themselves leave out what a token of some models may not see. */
static bool filters_models(handler_fn *handler)
{
    return is_umbridge(handler) || handler == handle_index || handler == handle_openapi ||
           handler == handle_predict || handler == handle_healthz || handler == handle_readyz ||
           handler == handle_models_list || handler == handle_jobs_list ||
           handler == handle_jobs_cancel || handler == handle_job_get ||
           handler == handle_job_curves || handler == handle_job_result ||
           handler == handle_job_delete || handler == handle_job_events ||
           handler == handle_oip_server || handler == handle_oip_server_slash ||
           handler == handle_oip_live || handler == handle_oip_ready ||
           handler == handle_oip_models || handler == handle_oip_all_stats ||
           handler == handle_oip_index || handler == handle_token_own;
}

static enum err_code check_role(const struct request *req, enum role role, struct err *err)
{
    if (role < roles[req->route]) {
        return err_set(err, ERR_FORBIDDEN,
                       "this needs a token with the role %s; the token \"%s\" has the role %s",
                       role_name(roles[req->route]), req->caller.who, role_name(role));
    }
    if (req->caller.models == NULL) {
        return ERR_OK;
    }
    if (strstr(routes[req->route].pattern, "/models/{m}") != NULL) {
        return access_check_model(req, req->params[0], err);
    }
    if (filters_models(handlers[req->route])) {
        return ERR_OK;
    }
    return err_set(err, ERR_FORBIDDEN,
                   "this concerns all models, and the token \"%s\" is limited to some",
                   req->caller.who);
}

/* Handlers that describe a version, for which it, or its record of rows, is read. */
static bool reads_version(handler_fn *handler)
{
    return handler == handle_version_get || handler == handle_version_export ||
           handler == handle_version_diagnostics || handler == handle_model_diagnostics ||
           handler == handle_version_rows || handler == handle_oip_model ||
           handler == handle_oip_model_ready || handler == handle_oip_config ||
           handler == handle_oip_stats;
}

/*
 * May the request spend long reading or writing the disk? Predictions and evaluations leave the
 * thread by themselves.
 */
static bool may_use_disk(const struct request *req)
{
    return req->method != HTTP_GET && req->method != HTTP_HEAD &&
           handlers[req->route] != handle_predict && handlers[req->route] != handle_evaluate &&
           handlers[req->route] != handle_oip_infer && !is_umbridge(handlers[req->route]);
}

/* Does its route change something? A request refused before its route was found changed nothing. */
static bool may_change(const struct request *req)
{
    return req->route < N_ROUTES && may_use_disk(req) && handlers[req->route] != handle_compare &&
           handlers[req->route] != handle_optimize && handlers[req->route] != handle_oip_index &&
           handlers[req->route] != handle_replica_note;
}

/*
 * Is it a change of the registry on any server? A design and suggestions are so only when their
 * points are to be kept, as their handlers find out; loading a version is a matter of each server.
 */
static bool changes_registry(const struct request *req)
{
    return may_change(req) && handlers[req->route] != handle_design &&
           handlers[req->route] != handle_suggest && handlers[req->route] != handle_oip_load &&
           handlers[req->route] != handle_oip_unload;
}

/* Does the answer come of models in memory, or of nothing of the registry? */
static bool answers_from_memory(const struct request *req)
{
    handler_fn *handler = handlers[req->route];
    return handler == handle_predict || handler == handle_oip_infer || is_umbridge(handler) ||
           handler == handle_metrics || handler == handle_index || handler == handle_openapi ||
           handler == handle_token_own;
}

static void write_down(struct app *app, struct request *req, int status)
{
    if (app->audit != NULL && !req->audited && may_change(req)) {
        req->audited = true;
        audit_add(app->audit, app->log, req, routes[req->route].pattern, status);
    }
}

/* A change is written down as soon as it is made: its client may be gone before the answer. */
static enum err_code call_handler(void *ctx, struct request *req, struct response *res,
                                  struct err *err)
{
    if (handlers[req->route](ctx, req, res, err) != ERR_OK) {
        write_down(ctx, req, error_status(err->code));
    } else if (res->status != 0) {
        write_down(ctx, req, res->status);
    }
    return err->code;
}

/* ---- the head ---- */

/* All that the head decides: whom the request is meant for, who sends it, and whether he may. */
static enum err_code admit(struct app *app, struct request *req, struct response *res,
                           struct err *err)
{
    const char *allow = NULL;
    enum role role = ROLE_NONE;
    req->given_path = req->path;
    req->path = config_strip_base(app->config, req->path);
    if (app->origin != NULL &&
        (origin_check(app->origin, req, is_probe(req->path), res, err) != ERR_OK ||
         res->status != 0)) {
        return err->code;
    }
    if (!is_open(req->path) && quota_admit_address(app, req, err) != ERR_OK) {
        return err->code;
    }
    if (needs_token(req->path) && (access_identify(app->access, req, &role, err) != ERR_OK ||
                                   quota_admit_token(app, req, err) != ERR_OK)) {
        return err->code;
    }
    if (router_find(routes, N_ROUTES, req, &req->route, &allow, err) != ERR_OK) {
        if (allow != NULL) {
            response_header(res, "Allow", allow);
        }
        return err->code;
    }
    if (check_role(req, role, err) == ERR_OK &&
        query_keys_check(req, queries[req->route], err) == ERR_OK && app->db != NULL &&
        db_is_read_only(app->db) && changes_registry(req)) {
        db_refuse_change(err); /* before its body is read */
    }
    return err->code;
}

/* The token was good when the head came. Since then it may have ended, or may do less. */
static enum err_code check_again(struct app *app, struct request *req, struct err *err)
{
    enum role role = ROLE_NONE;
    if (!needs_token(req->path) || access_still_holds(app->access, req)) {
        return ERR_OK;
    }
    return access_identify(app->access, req, &role, err) == ERR_OK ? check_role(req, role, err)
                                                                   : err->code;
}

/* ---- the whole request ---- */

static enum err_code call_where_it_belongs(struct app *app, struct request *req,
                                           struct response *res, struct err *err)
{
    if (!may_use_disk(req) && !reads_version(handlers[req->route])) {
        return call_handler(app, req, res, err);
    }
    return aside_run(app, call_handler, app, req, res, err);
}

static enum err_code decode_and_call(struct app *app, struct request *req, struct response *res,
                                     struct err *err)
{
    return content_decode(app, req, call_where_it_belongs, res, err);
}

static enum err_code handle_request(struct app *app, struct request *req, struct response *res,
                                    struct err *err)
{
    if (!req->admitted) {
        req->route = N_ROUTES;
    }
    if (req->transport.code != ERR_OK) {
        *err = req->transport;
        return err->code;
    }
    if (!req->admitted) {
        if (admit(app, req, res, err) != ERR_OK || res->status != 0) {
            return err->code;
        }
    } else if (check_again(app, req, err) != ERR_OK) {
        return err->code;
    }
    if (atomic_load_explicit(&app->draining, memory_order_relaxed) && !is_probe(req->path)) {
        return err_set(err, ERR_DRAINING, "the server is stopping");
    }
    return registry_version_await(app, req, decode_and_call, res, err);
}

/* ---- answers ---- */

struct outcome {
    double seconds;
    bool slow;
    struct trace trace;
    const struct err *err;
};

static void log_request(const struct app *app, const struct request *req,
                        const struct response *res, struct outcome *outcome)
{
    char status[16];
    char ms[32];
    bool refused = res->status == 503 || res->status == 504;
    bool failed = res->status >= 500 && !refused;
    const char *message = refused ? "request refused" : outcome->slow ? "slow request" : "request";
    enum log_level level = failed ? LOG_ERROR : refused || outcome->slow ? LOG_WARN : LOG_DEBUG;
    if (level < log_level_get(app->log)) {
        return;
    }
    snprintf(status, sizeof status, "%d", res->status);
    snprintf(ms, sizeof ms, "%.3f", 1e3 * outcome->seconds);
    log_line(app->log, level, message, "method", req->method_text, "path", req->path, "status",
             status, "ms", ms, "request_id", trace_id(&outcome->trace), "traceparent",
             outcome->trace.parent, "detail",
             outcome->err->code != ERR_OK ? err_msg(outcome->err) : "", NULL);
}

/* The phases are measured from here. */
static void start_times(struct request *req)
{
    req->arrived_ns = clock_ns();
    if (req->times == NULL) {
        req->times = arena_zalloc_array(req->arena, 1, sizeof *req->times);
    }
    if (req->times != NULL) {
        req->times->parse_ns = -1;
        req->times->compute_ns = -1;
    }
}

/* A new request from its beginning, one that was put aside from where its handler left off. */
static enum err_code begin_or_continue(struct app *app, struct request *req, struct response *res,
                                       struct err *err)
{
    struct later later = req->later;
    req->later = (struct later){.run = NULL};
    if (later.run != NULL) {
        quota_charge_body(app, req); /* its body may have been inflated meanwhile */
        return later.run(later.ctx, res, err);
    }
    start_times(req);
    quota_charge_body(app, req); /* before the answer, behind which the next request may come */
    return handle_request(app, req, res, err);
}

/* Counts an answer that has just been made, and leaves its status for dispatch_sent. */
static void count_answer(struct metrics *metrics, const struct request *req,
                         const struct response *res, int64_t now_ns)
{
    struct request_times *times = req->times;
    struct metrics_answer answer = {.route = req->route,
                                    .status = res->status,
                                    .total_ns = now_ns - req->arrived_ns,
                                    .phase_ns = {-1, -1, -1, -1}};
    if (times != NULL) {
        times->answering_ns = times->answering_ns != 0 ? times->answering_ns : now_ns;
        times->status = res->source.endless ? 0 : res->status;
        answer.phase_ns[METRICS_PARSE] = times->parse_ns;
        answer.phase_ns[METRICS_QUEUE] = times->queue_ns;
        answer.phase_ns[METRICS_COMPUTE] =
            times->compute_ns >= 0 ? times->compute_ns
                                   : times->answering_ns - req->arrived_ns - times->queue_ns -
                                         (times->parse_ns > 0 ? times->parse_ns : 0);
    }
    metrics_requests_answered(&metrics->requests, &answer);
}

void dispatch_sent(void *ctx, const struct request *req)
{
    struct app *app = ctx;
    if (req->times != NULL && req->times->status != 0) {
        metrics_requests_sent(&app->metrics->requests, req->route, req->times->status,
                              clock_ns() - req->times->answering_ns);
    }
}

static void answer_error(struct app *app, struct request *req, struct response *res,
                         struct err *err)
{
    const char *primary = err->code == ERR_READ_ONLY ? primary_address(app) : NULL;
    const char *path = req->given_path != NULL ? req->path
                       : req->path != NULL     ? config_strip_base(app->config, req->path)
                                               : "";
    metrics_add(&app->metrics->errors[err->code], 1);
    if (err->code == ERR_QUEUE_FULL) {
        quota_count_full_queue(app, req->route < N_ROUTES && handlers[req->route] == handle_train);
    }
    if (primary == NULL || !primary_redirect(app, req, res)) {
        error_body_write(error_family_of(path), err, primary, req->arena, res);
    }
}

/* What every answer has, errors too. */
static void finish_answer(struct app *app, struct request *req, struct response *res,
                          struct err *err)
{
    if (err->code != ERR_OK) {
        answer_error(app, req, res, err);
    }
    write_down(app, req, res->status);
    if (req->route < N_ROUTES && !is_open(req->path)) {
        registry_version_tell(app, req, !answers_from_memory(req), res);
    }
    origin_add_limits(res);
    if (app->origin != NULL) {
        origin_allow(app->origin, req, res);
    }
    compress_answer(app, req, res);
    int64_t now_ns = clock_ns();
    struct outcome outcome = {
        .seconds = 1e-9 * (double)(now_ns - req->arrived_ns), .trace = trace_of(req), .err = err};
    int slow_ms = app->config->slow_ms;
    outcome.slow = slow_ms > 0 && 1e3 * outcome.seconds >= slow_ms;
    count_answer(app->metrics, req, res, now_ns);
    trace_answer(&outcome.trace, res->status >= 500, req, res);
    log_request(app, req, res, &outcome);
}

void dispatch_head(void *ctx, struct request *req, struct response *res)
{
    struct app *app = ctx;
    struct err err = ERR_INIT;
    start_times(req);
    req->route = N_ROUTES;
    err_kept(admit(app, req, res, &err));
    req->admitted = err.code == ERR_OK && res->status == 0;
    if (!req->admitted) {
        finish_answer(app, req, res, &err);
    }
}

void dispatch(void *ctx, struct request *req, struct response *res)
{
    struct app *app = ctx;
    struct err err = ERR_INIT;
    metrics_add(&app->metrics->requests_active, 1);
    err_kept(begin_or_continue(app, req, res, &err));
    metrics_add(&app->metrics->requests_active, -1);
    if (err.code == ERR_OK && res->status == 0 && res->later.run != NULL) {
        req->later = res->later;
        return;
    }
    finish_answer(app, req, res, &err);
}

void dispatch_over(void *ctx, struct request *req)
{
    quota_end(ctx, req);
}
