/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probability that a run succeeds, in a model document: the network whose output is its logit,
 * with the scaling of its inputs and its draws. Of other models it has nothing.
 */
#include "documents/model_json_priv.h"

#include "base/mem.h"
#include "documents/arch_json.h"

#include <stdio.h>

#define KEY "feasible"

/* The logit of a document's object. */
static enum err_code read_logit(const json_t *object, const struct model_tensors *tensors,
                                struct model **out, struct err *err)
{
    static const char *const keys[] = {"solver",  "seed",      "architecture",
                                       "scaling", "posterior", NULL};
    static const char *const scaled[] = {"inputs", NULL};
    struct model_tensors own = {.of[TENSOR_DRAWS] = tensors->of[TENSOR_FEASIBLE]};
    struct arch arch = arch_default(1, 1);
    const json_t *architecture = NULL;
    const json_t *scaling = NULL;
    const char *solver = NULL;
    const struct json_members members = {object, KEY, err};
    if (json_read_check_keys(object, KEY, keys, err) != ERR_OK ||
        json_read_text(members, "solver", 64, &solver) != ERR_OK ||
        model_json_object(object, "architecture", &architecture, err) != ERR_OK ||
        model_json_object(object, "scaling", &scaling, err) != ERR_OK) {
        return err->code;
    }
    if (architecture == NULL) {
        return err_set(err, ERR_INVALID, "architecture is missing");
    }
    if (arch_json_read(architecture, true, &arch, err) != ERR_OK ||
        arch_validate(&arch, err) != ERR_OK ||
        posterior_json_read(object, &own, &arch, out, err) != ERR_OK ||
        (scaling != NULL && json_read_check_keys(scaling, "scaling", scaled, err) != ERR_OK) ||
        model_json_read_scalers(scaling, "inputs", (*out)->d, (*out)->in, err) != ERR_OK ||
        json_read_int(members, "seed", INT64_MIN, INT64_MAX, &(*out)->seed) != ERR_OK) {
        return err->code;
    }
    (*out)->solver = mem_strdup(solver != NULL ? solver : "unknown");
    return (*out)->solver != NULL ? model_publish(*out, err)
                                  : err_set(err, ERR_NOMEM, "no memory for a model");
}

enum err_code feasible_json_read(const json_t *document, const struct model_tensors *tensors,
                                 struct model *model, struct err *err)
{
    const json_t *object = NULL;
    struct model *logit = NULL;
    if (model_json_object(document, KEY, &object, err) != ERR_OK || object == NULL) {
        return err->code;
    }
    if (read_logit(object, tensors, &logit, err) != ERR_OK) {
        model_unref(logit);
        err_prefix(err, KEY);
        return err->code;
    }
    model->feasible = logit;
    return ERR_OK;
}

void feasible_json_write(struct json_write *json, const struct model *model)
{
    const struct model *logit = model->feasible;
    if (logit == NULL) {
        return;
    }
    json_write_object(json, KEY);
    json_write_text(json, "solver", logit->solver);
    json_write_int(json, "seed", logit->seed);
    arch_json_write(json, "architecture", &logit->net.arch);
    json_write_object(json, "scaling");
    model_json_write_scalers(json, "inputs", logit->in, logit->d);
    json_write_object_end(json);
    posterior_json_write(json, "posterior", logit);
    json_write_object_end(json);
}

void feasible_json_write_summary(struct json_write *json, const struct model *model)
{
    static const char *const items[] = {"train_rows",  "train_failed", "kept_rows",
                                        "kept_failed", "log_loss",     "auc"};
    const struct model *logit = model->feasible;
    if (logit == NULL) {
        return;
    }
    json_write_object(json, KEY);
    json_write_text(json, "solver", logit->solver);
    json_write_int(json, "draws", logit->m);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        char name[REPORT_NAME_CHARS];
        snprintf(name, sizeof name, KEY ".%s", items[i]);
        const struct report_item *item = report_find(&model->report, name);
        if (item != NULL && item->scalar) {
            json_write_real(json, items[i], item->values[0]);
        }
    }
    json_write_object_end(json);
}
