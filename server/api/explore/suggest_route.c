/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/models/{m}/suggest: the points to simulate next. */
#include "api/explore/explore_task.h"
#include "api/handlers.h"
#include "api/native/row_warnings.h"
#include "api/reply.h"
#include "base/mem.h"

#include <string.h>

#define MAX_KNOWN 5000 /* newest rows among which the best is looked for */

/* What the store has pending, and what the request names besides. */
static enum err_code find_pending(struct explore_task *task, const struct explore_points *named,
                                  struct suggest_spec *spec, struct err *err)
{
    size_t d = (size_t)task->space->d;
    if (explore_task_pending(task, SUGGEST_MAX_PENDING - named->n, err) != ERR_OK) {
        return err->code;
    }
    size_t n = (size_t)named->n + (size_t)task->n_pending;
    double *all = arena_alloc_array(task->req->arena, n * d + 1, sizeof *all);
    if (all == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the pending points");
    }
    if (named->n > 0) {
        memcpy(all, named->x, (size_t)named->n * d * sizeof *all);
    }
    if (task->n_pending > 0) {
        memcpy(all + (size_t)named->n * d, task->pending,
               (size_t)task->n_pending * d * sizeof *all);
    }
    spec->n_pending = (int)n;
    spec->pending = all;
    return ERR_OK;
}

static enum err_code write_answer(struct explore_task *task, const struct suggest_spec *spec,
                                  const struct suggestions *made, struct response *res,
                                  struct err *err)
{
    struct textbuf text = textbuf_in(task->req->arena);
    struct json_write json = json_write_to(&text);
    size_t d = (size_t)task->space->d;
    double *x = arena_alloc_array(task->req->arena, (size_t)made->n * d, sizeof *x);
    if (x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    for (int k = 0; k < made->n; k++) {
        memcpy(x + (size_t)k * d, made->list[k].x, d * sizeof *x);
    }
    explore_task_write_head(task, &json);
    json_write_text(&json, "criterion", criterion_name(spec->criterion));
    json_write_array(&json, "outputs");
    for (int q = 0; q < spec->n_outputs; q++) {
        json_write_text(&json, NULL, task->space->outputs[spec->outputs[q]].name);
    }
    json_write_array_end(&json);
    json_write_int(&json, "pending", spec->n_pending);
    explore_suggestions_write(&json, made, spec, task->space);
    const struct explore_handed handed = {"suggest", made->n, x};
    if (explore_task_hand_out(task, &handed, &json, err) != ERR_OK) {
        return err->code;
    }
    const struct predict_request rows = {.n = made->n, .x = x};
    row_warnings_write(&json, &rows, task->served);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

static enum err_code answer_suggest(struct explore_task *task, struct response *res,
                                    struct err *err)
{
    struct suggest_spec spec = {.n_threads = task->app->config->predict_threads,
                                .cancel = &task->watch.cancel};
    struct explore_points named;
    struct region region;
    struct suggestions made;
    double *known = NULL;
    if (explore_suggest_read(&task->request, &spec, &named, err) != ERR_OK ||
        explore_task_region(task, &region, err) != ERR_OK ||
        find_pending(task, &named, &spec, err) != ERR_OK) {
        return err->code;
    }
    if (spec.criterion == CRITERION_EXPECTED_IMPROVEMENT &&
        explore_task_rows(task, MAX_KNOWN, &spec.n_known, &known, err) != ERR_OK) {
        return err->code;
    }
    spec.known = known;
    if (suggest_run(task->served->model, &region, &spec, task->req->arena, &made, err) != ERR_OK) {
        return err->code;
    }
    return write_answer(task, &spec, &made, res, err);
}

enum err_code handle_suggest(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct explore_task task;
    if (explore_task_begin(&task, app, req, true, err) == ERR_OK) {
        err_kept(answer_suggest(&task, res, err));
    }
    explore_task_release(&task, err);
    return err->code;
}
