/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/models/{m}/design: points that fill the model's space. */
#include "api/explore/explore_task.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "base/mem.h"

#include <string.h>

/* Existing points of an extension: the newest rows, and what is pending. */
static enum err_code find_existing(struct explore_task *task, struct design_spec *spec,
                                   struct err *err)
{
    size_t d = (size_t)task->space->d;
    double *rows = NULL;
    int n_rows = 0;
    if (explore_task_pending(task, DESIGN_MAX_EXISTING / 2, err) != ERR_OK ||
        explore_task_rows(task, DESIGN_MAX_EXISTING / 2, &n_rows, &rows, err) != ERR_OK) {
        return err->code;
    }
    size_t n = (size_t)n_rows + (size_t)task->n_pending;
    double *all = arena_alloc_array(task->req->arena, n * d + 1, sizeof *all);
    if (all == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    if (n_rows > 0) {
        memcpy(all, rows, (size_t)n_rows * d * sizeof *all);
    }
    if (task->n_pending > 0) {
        memcpy(all + (size_t)n_rows * d, task->pending, (size_t)task->n_pending * d * sizeof *all);
    }
    spec->n_existing = (int)n;
    spec->existing = all;
    return ERR_OK;
}

static enum err_code answer_design(struct explore_task *task, struct response *res, struct err *err)
{
    struct design_spec spec;
    struct region region;
    struct design design;
    bool extend = false;
    struct textbuf text = textbuf_in(task->req->arena);
    struct json_write json = json_write_to(&text);
    if (explore_design_read(&task->request, &spec, &extend, err) != ERR_OK) {
        return err->code;
    }
    spec.cancel = &task->watch.cancel;
    if (explore_task_region(task, &region, err) != ERR_OK ||
        (extend && find_existing(task, &spec, err) != ERR_OK) ||
        design_make(&region, &spec, task->req->arena, &design, err) != ERR_OK) {
        return err->code;
    }
    explore_task_write_head(task, &json);
    json_write_text(&json, "kind", design_kind_name(spec.kind));
    json_write_int(&json, "existing", spec.n_existing);
    explore_points_write(&json, "points", task->space, design.n, design.x);
    const struct explore_handed handed = {"design", design.n, design.x};
    if (explore_task_hand_out(task, &handed, &json, err) != ERR_OK) {
        return err->code;
    }
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

enum err_code handle_design(struct app *app, const struct request *req, struct response *res,
                            struct err *err)
{
    struct explore_task task;
    if (explore_task_begin(&task, app, req, false, err) == ERR_OK) {
        err_kept(answer_design(&task, res, err));
    }
    explore_task_release(&task, err);
    return err->code;
}
