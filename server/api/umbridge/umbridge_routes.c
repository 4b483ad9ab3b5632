/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of UM-Bridge 1.0, a protocol between models and codes for uncertainty quantification.
 */
#include "api/handlers.h"

#include "api/reply.h"
#include "api/umbridge/umbridge_call.h"
#include "api/umbridge/umbridge_name.h"
#include "base/mem.h"
#include "store/models/model_store.h"

#include <stdlib.h>
#include <string.h>

#define PROTOCOL_VERSION "1.0" /* a number, written as other servers do */

/* The names of a model and of its views. */
static void write_names(struct app *app, struct json_write *json, const char *model)
{
    char name[UMBRIDGE_NAME_CHARS];
    int n_views = umbridge_output_names().n;
    for (int view = 0; view < n_views; view++) {
        if (umbridge_name_of_view(app->models, model, (enum derivative_of)view, name)) {
            json_write_text(json, NULL, name);
        }
    }
}

/* Default versions in memory, by name. */
struct loaded {
    struct served **list; /* [n] */
    size_t n;
};

/* Takes references, which release_loaded gives back. ERR_NOMEM. */
static enum err_code find_loaded(struct app *app, struct arena *arena, struct loaded *out,
                                 struct err *err)
{
    size_t room = models_served(app->models, NULL, 0);
    out->list = arena_alloc_array(arena, room + 1, sizeof(struct served *));
    if (out->list == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the list of models");
    }
    size_t found = models_served(app->models, out->list, room);
    out->n = found < room ? found : room;
    return ERR_OK;
}

static void release_loaded(struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->n; i++) {
        served_unref(loaded->list[i]);
    }
}

static int compare_served(const void *name, const void *served)
{
    return strcmp(name, (*(struct served *const *)served)->name);
}

/* Both by name. */
struct listed {
    const struct loaded *loaded;
    const struct model_row *rows; /* [n_rows] of the file */
    size_t n_rows;
};

/* Models that can answer; those in memory first, since clients try out the first one. */
static void write_models(struct app *app, struct json_write *json, const struct request *req,
                         struct listed listed)
{
    const struct loaded *loaded = listed.loaded;
    const struct model_row *rows = listed.rows;
    json_write_array(json, "models");
    for (size_t i = 0; i < loaded->n; i++) {
        if (access_sees(req, loaded->list[i]->name)) {
            write_names(app, json, loaded->list[i]->name);
        }
    }
    for (size_t i = 0; i < listed.n_rows; i++) {
        bool others = rows[i].default_version != 0 && access_sees(req, rows[i].model) &&
                      (loaded->n == 0 || bsearch(rows[i].model, loaded->list, loaded->n,
                                                 sizeof *loaded->list, compare_served) == NULL);
        if (others) {
            write_names(app, json, rows[i].model);
        }
    }
    json_write_array_end(json);
}

enum err_code handle_umbridge_info(struct app *app, const struct request *req, struct response *res,
                                   struct err *err)
{
    struct model_row *rows = NULL;
    size_t n_rows = 0;
    struct loaded loaded = {.n = 0};
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (!models_is_loaded(app->models)) { /* launchers ask until there is an answer */
        return err_set(err, ERR_BUSY, "models are being loaded");
    }
    if (model_store_list(app->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    if (find_loaded(app, req->arena, &loaded, err) != ERR_OK) {
        mem_free(rows);
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_raw(&json, "protocolVersion", PROTOCOL_VERSION);
    write_models(app, &json, req, (struct listed){&loaded, rows, n_rows});
    json_write_object_end(&json);
    release_loaded(&loaded);
    mem_free(rows);
    return reply_json(res, 200, &json, err);
}

/* The routes that send a body, by the kind of their call. */
#define HANDLER(name, kind)                                                                        \
    enum err_code handle_umbridge_##name(struct app *app, const struct request *req,               \
                                         struct response *res, struct err *err)                    \
    {                                                                                              \
        return umbridge_call_answer(app, kind, req, res, err);                                     \
    }
HANDLER(model_info, UMBRIDGE_MODEL_INFO)
HANDLER(input_sizes, UMBRIDGE_INPUT_SIZES)
HANDLER(output_sizes, UMBRIDGE_OUTPUT_SIZES)
HANDLER(evaluate, UMBRIDGE_EVALUATE)
HANDLER(gradient, UMBRIDGE_GRADIENT)
HANDLER(apply_jacobian, UMBRIDGE_APPLY_JACOBIAN)
HANDLER(apply_hessian, UMBRIDGE_APPLY_HESSIAN)
