/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/model_space.h"

#include "base/mem.h"
#include "documents/space_json.h"
#include "model/model.h"
#include "store/data/space_change.h"
#include "store/models/space_store.h"

#include <string.h>

void model_space_release(struct model_space *space)
{
    space_unref(space->space);
    *space = (struct model_space){.space = NULL};
}

enum err_code model_space_load(struct db *db, const char *model, struct model_space *out,
                               struct err *err)
{
    struct space_row row;
    *out = (struct model_space){.space = NULL};
    if (space_store_find(db, model, &row, err) != ERR_OK) {
        if (err->code == ERR_NOT_FOUND) {
            err_clear(err);
        }
        return err->code;
    }
    if (row.document != NULL) {
        memcpy(out->digest, row.digest, sizeof out->digest);
        if (space_json_parse(row.document, strlen(row.document), &out->space, err) != ERR_OK &&
            err->code != ERR_NOMEM) {
            err_clear(err);
            err_set(err, ERR_CORRUPT, "the stored space of model %.64s is damaged; PUT it again",
                    model);
        }
    }
    space_row_release(&row);
    return err->code;
}

/* names [d + o]; false when one is missing. */
static bool collect_names(const struct model *model, const char **names, const char **units)
{
    for (int j = 0; j < model->d + model->o; j++) {
        bool input = j < model->d;
        int k = input ? j : j - model->d;
        char *const *name_list = input ? model->input_names : model->output_names;
        char *const *unit_list = input ? model->input_units : model->output_units;
        names[j] = name_list != NULL ? name_list[k] : NULL;
        units[j] = unit_list != NULL ? unit_list[k] : NULL;
        if (names[j] == NULL) {
            return false;
        }
    }
    return true;
}

enum err_code model_space_of_version(const struct model *model, struct space **out, struct err *err)
{
    size_t k = (size_t)model->d + (size_t)model->o;
    *out = NULL;
    if (model->space != NULL) {
        *out = space_ref(model->space);
        return ERR_OK;
    }
    if (model->input_names == NULL || model->output_names == NULL) {
        return ERR_OK;
    }
    const char **names = mem_alloc_array(2 * k, sizeof *names);
    if (names == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of a model");
    }
    if (collect_names(model, names, names + k) &&
        space_of_names(model->d, model->o, names, names + k, out, err) != ERR_OK &&
        err->code != ERR_NOMEM) {
        err_clear(err); /* names of older versions may be any text, and may be the same */
    }
    mem_free(names);
    return err->code;
}

enum err_code model_space_adopt(struct db *db, const char *name, const struct model *model,
                                struct err *err)
{
    struct space *space = NULL;
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    bool done = false;
    if (model_space_of_version(model, &space, err) != ERR_OK || space == NULL) {
        return err->code;
    }
    struct json_write json = json_write_to(&text);
    space_json_write(&json, NULL, space);
    json_write_end(&json);
    struct space_put put = {.model = name,
                            .document = text.data,
                            .origin = "model",
                            .seen = {.digest = "", .n_rows = 0}};
    if (textbuf_failed(&text)) {
        err_set(err, ERR_NOMEM, "no memory for an input space");
    } else {
        err_kept(space_change_put(db, &put, &done, err));
    }
    arena_release(&arena);
    space_unref(space);
    return err->code;
}
