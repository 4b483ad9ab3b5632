/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/models/{m}/optimize: where a model's best answer lies. */
#include "api/explore/explore_task.h"
#include "api/handlers.h"
#include "api/native/row_warnings.h"
#include "api/reply.h"
#include "base/mem.h"

static enum err_code write_warnings_and_reply(const struct explore_task *task, int n,
                                              const double *x, struct json_write *json,
                                              struct response *res, struct err *err)
{
    const struct predict_request rows = {.n = n, .x = x};
    row_warnings_write(json, &rows, task->served);
    json_write_object_end(json);
    return reply_json(res, 200, json, err);
}

/* The front, and those of draws. */
static enum err_code find_fronts(const struct region *region, const struct pareto_spec *spec,
                                 struct arena *arena, struct pareto_front *front,
                                 struct pareto_spread *spread, struct err *err)
{
    return pareto_run(region, spec, arena, front, err) == ERR_OK
               ? pareto_draws(region, spec, front, arena, spread, err)
               : err->code;
}

static enum err_code answer_optimize(struct explore_task *task, struct response *res,
                                     struct err *err)
{
    struct explore_optimize how;
    struct region region;
    struct optimum optimum;
    struct pareto_front front;
    struct pareto_spread spread;
    struct arena *arena = task->req->arena;
    struct textbuf text = textbuf_in(arena);
    struct json_write json = json_write_to(&text);
    if (explore_optimize_read(&task->request, &how, err) != ERR_OK ||
        explore_task_region(task, &region, err) != ERR_OK) {
        return err->code;
    }
    how.optimise.terms.model = how.pareto.terms.model = task->served->model;
    how.optimise.terms.n_threads = how.pareto.terms.n_threads = task->app->config->predict_threads;
    how.optimise.terms.cancel = how.pareto.terms.cancel = &task->watch.cancel;
    bool several = how.n_objectives > 1;
    if ((several ? find_fronts(&region, &how.pareto, arena, &front, &spread, err)
                 : optimise_run(&region, &how.optimise, arena, &optimum, err)) != ERR_OK) {
        return err->code;
    }
    explore_task_write_head(task, &json);
    if (several) {
        explore_front_write(&json, &front, &how, task->space);
        explore_fronts_write(&json, &front, &spread, &how, task->space);
        return write_warnings_and_reply(task, front.n, front.x, &json, res, err);
    }
    explore_optimum_write(&json, &optimum, &how, task->space);
    return write_warnings_and_reply(task, 1, optimum.x, &json, res, err);
}

enum err_code handle_optimize(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    struct explore_task task;
    if (explore_task_begin(&task, app, req, true, err) == ERR_OK) {
        err_kept(answer_optimize(&task, res, err));
    }
    explore_task_release(&task, err);
    return err->code;
}
