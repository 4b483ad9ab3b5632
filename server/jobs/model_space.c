/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/model_space.h"

#include "base/mem.h"
#include "base/phrase.h"
#include "documents/space_json.h"
#include "jobs/rows/row_roles.h"
#include "model/model.h"
#include "store/data/data_read.h"
#include "store/data/space_change.h"
#include "store/models/space_store.h"

#include <stdio.h>
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

#define MAX_LISTED 60 /* bytes of a list of names in a message */

/* " (k, T; y)": the columns of a space; empty: it has no names. */
static void list_columns(const struct space *space, char out[MAX_LISTED])
{
    size_t used = 0;
    out[0] = '\0';
    for (int j = 0; space != NULL && j < space->d + space->o; j++) {
        const char *name = space_column_name(space, j);
        size_t len = strnlen(name, 20);
        if (used + len + 8 > MAX_LISTED) {
            snprintf(out + used, MAX_LISTED - used, ", ..)");
            return;
        }
        used += (size_t)snprintf(out + used, MAX_LISTED - used, "%s%.20s",
                                 j == 0          ? " ("
                                 : j == space->d ? "; "
                                                 : ", ",
                                 name);
    }
    snprintf(out + used, MAX_LISTED - used, "%s", used > 0 ? ")" : "");
}

enum err_code model_space_check_version(struct db *db, const char *name, const struct model *model,
                                        struct err *err)
{
    struct data_summary rows;
    struct model_space stored = {.space = NULL};
    struct space *own = NULL;
    char of_rows[MAX_LISTED];
    char of_version[MAX_LISTED];
    if (data_store_summary(db, name, &rows, err) != ERR_OK) {
        if (err->code == ERR_NOT_FOUND) {
            err_clear(err);
        }
        return err->code;
    }
    int outputs = model->o;
    if (rows.n_rows == 0 || (rows.n_inputs == model->d && rows.n_outputs == model->o)) {
        return ERR_OK;
    }
    if (row_roles_count_outputs(model, &outputs, err) != ERR_OK ||
        (rows.n_inputs == model->d && rows.n_outputs == outputs)) {
        return err->code;
    }
    if (model_space_load(db, name, &stored, err) == ERR_OK &&
        model_space_of_version(model, &own, err) == ERR_OK) {
        list_columns(stored.space, of_rows);
        list_columns(own, of_version);
        err_set(err, ERR_CONFLICT,
                "rows are stored with %s and %s%s, the document has %d and %d%s; delete the rows "
                "first (DELETE .../data), or use a model of another name",
                phrase_count(rows.n_inputs, "input").text,
                phrase_count(rows.n_outputs, "output").text, of_rows, model->d, model->o,
                of_version);
    }
    space_unref(own);
    model_space_release(&stored);
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
