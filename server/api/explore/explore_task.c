/* SPDX-License-Identifier: Apache-2.0 */
#include "api/explore/explore_task.h"

#include "api/reply.h"
#include "base/mem.h"
#include "documents/space_json.h"
#include "jobs/model_space.h"
#include "model/space_rows.h"
#include "store/data/data_newest.h"
#include "store/data/pending_store.h"
#include "store/models/space_store.h"

#include <stdio.h>
#include <string.h>

#define NAME_CHARS 16

/* ---- a place ---- */

static enum err_code take_place(struct explore_task *task, struct err *err)
{
    int threads = task->app->config->write_threads;
    int most = threads > 1 ? threads - 1 : 1;
    if (atomic_fetch_add_explicit(&task->app->exploring, 1, memory_order_relaxed) >= most) {
        atomic_fetch_sub_explicit(&task->app->exploring, 1, memory_order_relaxed);
        err_set(err, ERR_BUSY, "the server computes other designs, suggestions or optima");
        err->retry_s = 1;
        return err->code;
    }
    task->counted = true;
    return ERR_OK;
}

void explore_task_release(struct explore_task *task, struct err *err)
{
    if (task->watched) {
        explore_watch_end(&task->watch, err);
    }
    if (task->counted) {
        atomic_fetch_sub_explicit(&task->app->exploring, 1, memory_order_relaxed);
    }
    served_unref(task->served);
    space_unref(task->space);
    mem_free(task->pending);
    task->counted = false;
    task->watched = false;
    task->served = NULL;
    task->space = NULL;
    task->pending = NULL;
}

/* ---- the space ---- */

/* Names x1, x2, .. and y1, y2, .. for a version that has none. */
static enum err_code number_columns(const struct model *model, struct arena *arena,
                                    struct space **out, struct err *err)
{
    size_t n = (size_t)(model->d + model->o);
    char *text = arena_alloc_array(arena, n, NAME_CHARS);
    const char **names = arena_alloc_array(arena, n, sizeof *names);
    if (text == NULL || names == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names");
    }
    for (int j = 0; j < (int)n; j++) {
        bool input = j < model->d;
        names[j] = text + (size_t)j * NAME_CHARS;
        snprintf(text + (size_t)j * NAME_CHARS, NAME_CHARS, "%c%d", input ? 'x' : 'y',
                 input ? j + 1 : j - model->d + 1);
    }
    return space_of_names(model->d, model->o, names, NULL, out, err);
}

/* The space that the model has now, where it fits the version; else that of the version. */
static enum err_code find_space(struct explore_task *task, struct err *err)
{
    struct model_space now;
    const struct model *model = task->served != NULL ? task->served->model : NULL;
    if (model_space_load(task->app->db, task->model, &now, err) != ERR_OK) {
        return err->code;
    }
    bool fits = now.space != NULL &&
                (model == NULL || (now.space->d == model->d && now.space->o == model->o));
    if (fits && model != NULL && model_has_categories(model)) {
        fits = space_same_categories(now.space, model->space);
    } else if (fits && model != NULL) {
        fits = space_first_category(now.space) < 0;
    }
    if (fits) {
        task->space = now.space;
        return ERR_OK;
    }
    model_space_release(&now);
    if (model == NULL) {
        struct space_row row;
        if (space_store_find(task->app->db, task->model, &row, err) != ERR_OK) {
            return err->code; /* there is no such model */
        }
        space_row_release(&row);
        return err_set(err, ERR_CONFLICT,
                       "model %.64s has no input space to make a design in; PUT one with bounds or "
                       "distributions to /v1/models/%.64s/space",
                       task->model, task->model);
    }
    if (model_space_of_version(model, &task->space, err) == ERR_OK && task->space == NULL) {
        return number_columns(model, task->req->arena, &task->space, err);
    }
    return err->code;
}

/* ---- the beginning ---- */

static enum err_code read_body(struct explore_task *task, struct err *err)
{
    const struct request *req = task->req;
    json_t *body = NULL;
    bool empty = req->n_body == 0; /* every key has a default */
    if (json_read_parse(empty ? "{}" : req->body, empty ? 2 : req->n_body, req->arena, &body,
                        err) != ERR_OK) {
        return err->code;
    }
    if (!json_is_object(body)) {
        return err_set(err, ERR_INVALID, "the body is %s, an object is needed",
                       json_read_kind(body));
    }
    task->request.body = body;
    return ERR_OK;
}

enum err_code explore_task_begin(struct explore_task *task, struct app *app,
                                 const struct request *req, bool needs_version, struct err *err)
{
    *task = (struct explore_task){.app = app, .req = req};
    if (reply_model_name(req->params[0], &task->model, err) != ERR_OK ||
        take_place(task, err) != ERR_OK || read_body(task, err) != ERR_OK) {
        return err->code;
    }
    if (needs_version && models_get(app->models, task->model, 0, &task->served, err) != ERR_OK) {
        return err->code;
    }
    if (find_space(task, err) != ERR_OK) {
        return err->code;
    }
    task->request.space = task->space;
    task->request.arena = req->arena;
    task->fallback = needs_version ? task->served->model->training_range : NULL;
    task->watched = explore_watch_begin(&task->watch, app, req, err) == ERR_OK;
    return err->code;
}

enum err_code explore_task_region(struct explore_task *task, struct region *region, struct err *err)
{
    task->request.region.fallback = task->fallback;
    return region_init(region, &task->request.region, task->req->arena, err);
}

/* ---- points that are there ---- */

enum err_code explore_task_pending(struct explore_task *task, int limit, struct err *err)
{
    struct pending_list list = {.d = task->space->d, .limit = limit};
    if (pending_store_list(task->app->db, task->model, &list, err) == ERR_OK) {
        task->n_pending = list.n;
        task->pending = list.x;
    }
    return err->code;
}

enum err_code explore_task_rows(const struct explore_task *task, int limit, int *n, double **x,
                                struct err *err)
{
    struct err absent = ERR_INIT;
    struct data_newest newest = {.rows = NULL};
    size_t d = (size_t)task->space->d;
    *n = 0;
    *x = NULL;
    if (data_store_newest(task->app->db, task->model, 0, limit, &newest, &absent) != ERR_OK) {
        return absent.code == ERR_NOT_FOUND ? ERR_OK : err_set(err, absent.code, "%s", absent.msg);
    }
    if (newest.d == task->space->d) {
        double *copy = arena_alloc_array(task->req->arena, (size_t)newest.n * d + 1, sizeof *copy);
        if (copy == NULL) {
            err_set(err, ERR_NOMEM, "no memory for the rows");
        } else {
            for (size_t i = 0; i < (size_t)newest.n; i++) {
                memcpy(copy + i * d, newest.rows + i * (d + (size_t)newest.o), d * sizeof *copy);
            }
            *n = (int)newest.n;
            *x = copy;
        }
    }
    mem_free(newest.rows);
    return err->code;
}

/* ---- the answer ---- */

void explore_task_write_head(const struct explore_task *task, struct json_write *json)
{
    json_write_object(json, NULL);
    json_write_text(json, "model", task->model);
    if (task->served != NULL) {
        json_write_int(json, "version", task->served->version);
    }
    space_json_write_names(json, "names", task->space);
    json_write_int(json, "seed", task->request.seed);
}

enum err_code explore_task_hand_out(struct explore_task *task, const struct explore_handed *points,
                                    struct json_write *json, struct err *err)
{
    bool read_only = db_is_read_only(task->app->db);
    const struct pending_points pending = {.origin = points->origin,
                                           .n = points->n,
                                           .d = task->space->d,
                                           .x = points->x,
                                           .expires_ms = db_now_ms() + 1000 * task->request.hold_s};
    int64_t *ids = arena_alloc_array(task->req->arena, (size_t)points->n + 1, sizeof *ids);
    if (task->request.hold_s == 0 || (read_only && !task->request.knows_hold_s)) {
        json_write_null(json, "ids");
        json_write_null(json, "expires");
        return ERR_OK;
    }
    if (ids == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the points");
    }
    if (pending_store_add(task->app->db, task->model, &pending, ids, err) != ERR_OK) {
        return err->code;
    }
    json_write_array(json, "ids");
    for (int i = 0; i < points->n; i++) {
        json_write_int(json, NULL, ids[i]);
    }
    json_write_array_end(json);
    reply_write_time(json, "expires", pending.expires_ms);
    return ERR_OK;
}
