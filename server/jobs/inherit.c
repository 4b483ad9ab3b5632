/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/inherit.h"

#include "documents/job_json.h"

#include <string.h>

static enum err_code take_settings(const struct served *served, struct job_spec *spec,
                                   struct job_new *job, struct err *err)
{
    struct job_spec before = {.promote = false};
    const char *settings = served->model->settings;
    if (settings == NULL) {
        return ERR_OK;
    }
    if (job_json_parse(settings, strlen(settings), &before, err) != ERR_OK) {
        if (err->code != ERR_NOMEM) {
            err_clear(err); /* the settings of a registered version may be any text */
        }
        return err->code;
    }
    if (!spec->gives_seed) {
        spec->train.seed = before.train.seed;
        job->seed_from = served->version;
    }
    /* What was chosen, rather than asked for, is chosen again. */
    bool chosen = before.choice.chosen && (before.choice.fixed & AUTO_FIXED_VALIDATION) == 0;
    if (!spec->gives_split && before.train.validation > 0.0 && !(spec->choice.on && chosen)) {
        spec->train.validation = before.train.validation;
        spec->choice.fixed |= spec->choice.on ? AUTO_FIXED_VALIDATION : 0u;
        job->split_from = served->version;
    }
    train_spec_release(&before.train);
    return ERR_OK;
}

enum err_code inherit_split(struct models *models, const char *model, struct job_spec *spec,
                            struct job_new *job, struct err *err)
{
    struct served *served = NULL;
    if (spec->gives_seed && spec->gives_split) {
        return ERR_OK;
    }
    if (models_get(models, model, 0, &served, err) != ERR_OK) {
        if (err->code == ERR_NOT_FOUND || err->code == ERR_CORRUPT) {
            err_clear(err); /* there is none, or it is damaged: the defaults */
        }
        return err->code;
    }
    err_kept(take_settings(served, spec, job, err));
    served_unref(served);
    return err->code;
}
