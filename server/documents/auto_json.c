/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/auto_json.h"

#include "documents/request_fields.h"
#include "formats/json_read.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAME    64
#define IN_SETTINGS "settings."

/* Parts of a request that leave less to be chosen; object NULL: at its top. */
static const struct part {
    const char *name; /* as "fixed" has it */
    const char *object, *key;
    unsigned bit;
} parts[] = {
    {"architecture.width", "architecture", "width", AUTO_FIXED_WIDTH},
    {"architecture.layers", "architecture", "layers", AUTO_FIXED_LAYERS},
    {"architecture.basis", "architecture", "basis", AUTO_FIXED_BASIS},
    {"noise", NULL, "noise", AUTO_FIXED_NOISE},
    {"prior", NULL, "prior", AUTO_FIXED_PRIOR},
    {"scaling.outputs", "scaling", "outputs", AUTO_FIXED_OUTPUT_SCALING},
    {"optimizer", NULL, "optimizer", AUTO_FIXED_OPTIMIZER},
    {"split.validation", "split", "validation", AUTO_FIXED_VALIDATION},
};
enum { N_PARTS = sizeof parts / sizeof *parts };

void auto_json_read_given(const json_t *request, struct job_auto *choice)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    const json_t *settings = json_object_get(request, "settings");
    for (int i = 0; i < N_PARTS; i++) {
        const json_t *object =
            parts[i].object != NULL ? json_object_get(request, parts[i].object) : request;
        choice->fixed |= json_object_get(object, parts[i].key) != NULL ? parts[i].bit : 0u;
    }
    for (int i = 0; i < n; i++) {
        bool given = json_object_get(settings, list[i].name) != NULL;
        choice->settings |= (uint64_t)given << i;
    }
}

/* Notes a name of "fixed"; false: there is none such. */
static bool take_fixed(const char *name, struct job_auto *choice)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    for (int i = 0; i < N_PARTS; i++) {
        if (strcmp(name, parts[i].name) == 0) {
            choice->fixed |= parts[i].bit;
            return true;
        }
    }
    for (int i = 0; i < n && strncmp(name, IN_SETTINGS, strlen(IN_SETTINGS)) == 0; i++) {
        if (strcmp(name + strlen(IN_SETTINGS), list[i].name) == 0) {
            choice->settings |= (uint64_t)1 << i;
            return true;
        }
    }
    return false;
}

enum err_code auto_json_read_origin(const json_t *request, struct job_auto *choice, struct err *err)
{
    const struct json_place place = request_place(REQUEST_CHOICE, -1);
    const json_t *object = json_object_get(request, "auto");
    const json_t *name;
    size_t i;
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (json_fields_read(object, &place, choice, err) != ERR_OK) {
        return err->code;
    }
    choice->chosen = true;
    const json_t *fixed = json_object_get(object, "fixed");
    if (fixed != NULL && !json_is_array(fixed)) {
        return err_set(err, ERR_INVALID, "auto: fixed is %s, an array of names is needed",
                       json_read_kind(fixed));
    }
    json_array_foreach(fixed, i, name)
    {
        if (!json_is_string(name) || !take_fixed(json_string_value(name), choice)) {
            return err_set(err, ERR_INVALID,
                           "auto: fixed[%zu] is no part of a request such as \"noise\", "
                           "\"architecture.width\" or \"settings.epochs\"",
                           i);
        }
    }
    return ERR_OK;
}

static void write_failed(struct json_write *json, const struct auto_table *table)
{
    json_write_object(json, "failed");
    for (int i = 0; table != NULL && i < table->n; i++) {
        if (table->candidates[i].outcome == AUTO_FAILED) {
            json_write_text(json, table->candidates[i].name, table->candidates[i].why);
        }
    }
    json_write_object_end(json);
}

void auto_json_write_origin(struct json_write *json, const struct job_auto *choice)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    json_write_object(json, "auto");
    json_write_real(json, "budget_s", choice->seconds);
    json_write_int(json, "budget_fits", choice->fits);
    json_write_array(json, "fixed");
    for (int i = 0; i < N_PARTS; i++) {
        if ((choice->fixed & parts[i].bit) != 0) {
            json_write_text(json, NULL, parts[i].name);
        }
    }
    for (int i = 0; i < n; i++) {
        char name[MAX_NAME];
        snprintf(name, sizeof name, IN_SETTINGS "%s", list[i].name);
        if ((choice->settings >> i & 1u) != 0) {
            json_write_text(json, NULL, name);
        }
    }
    json_write_array_end(json);
    write_failed(json, choice->table);
    json_write_object_end(json);
}
