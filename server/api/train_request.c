/* SPDX-License-Identifier: Apache-2.0 */
#include "api/train_request.h"

#include "api/job_json.h"
#include "store/data/data_read.h"

#include <string.h>

/* The settings the default version was trained with. */
static enum err_code spec_of_default(struct app *app, const char *model, struct job_spec *spec,
                                     struct err *err)
{
    struct served *served = NULL;
    if (models_get(app->models, model, 0, &served, err) != ERR_OK) {
        if (err->code == ERR_NOT_FOUND) {
            err_clear(err);
            err_set(err, ERR_INVALID,
                    "model %s has no version whose settings could be used again; "
                    "say at least {\"solver\":\"ensemble\"}",
                    model);
        }
        return err->code;
    }
    const char *settings = served->model->settings;
    if (settings == NULL) {
        err_set(err, ERR_INVALID,
                "the default version of model %s was not trained here; say at "
                "least {\"solver\":\"ensemble\"}",
                model);
    } else if (job_json_parse(settings, strlen(settings), spec, err) != ERR_OK) {
        err_prefix(err, "settings of the default version");
    }
    served_unref(served);
    return err->code;
}

/* A warm start is possible only from a version of the same network. */
static enum err_code check_base(struct app *app, const char *model, const struct train_spec *spec,
                                struct err *err)
{
    struct served *served = NULL;
    if (spec->start == TRAIN_COLD) {
        return ERR_OK;
    }
    if (models_get(app->models, model, 0, &served, err) != ERR_OK) {
        if (err->code == ERR_NOT_FOUND) {
            err_clear(err);
            err_set(err, ERR_CONFLICT,
                    "model %s has no version to start from; \"start\":\"cold\" needs none", model);
        }
        return err->code;
    }
    err_kept(train_check_base(spec, served->model, err));
    served_unref(served);
    return err->code;
}

static enum err_code check(struct app *app, const char *model, const struct train_request *request,
                           struct train_spec *spec, struct err *err)
{
    struct data_summary summary;
    if (data_store_summary(app->db, model, &summary, err) != ERR_OK) {
        return err->code;
    }
    if (summary.n_rows < 2) {
        return err_set(err, ERR_CONFLICT,
                       "model %s has %lld training rows, at least 2 are needed; "
                       "POST rows to /v1/models/%s/data",
                       model, (long long)summary.n_rows, model);
    }
    if (train_resolve(spec, summary.n_inputs, summary.n_outputs, err) != ERR_OK) {
        return err->code;
    }
    enum err_code code = check_base(app, model, spec, err);
    if (request->cold_if_need &&
        (code == ERR_CONFLICT || code == ERR_INVALID || code == ERR_UNSUPPORTED)) {
        err_clear(err);
        spec->start = TRAIN_COLD;
    }
    return err->code;
}

enum err_code train_request_write(struct app *app, const char *model, struct train_request *request,
                                  struct textbuf *out, struct err *err)
{
    struct job_spec spec = {.promote = false};
    enum err_code code = request->len == 0
                             ? spec_of_default(app, model, &spec, err)
                             : job_json_parse(request->text, request->len, &spec, err);
    if (code == ERR_OK && check(app, model, request, &spec.train, err) == ERR_OK) {
        job_json_write(out, &spec);
        request->priority = spec.priority;
    }
    train_spec_release(&spec.train);
    return textbuf_failed(out) ? err_set(err, ERR_NOMEM, "no memory for a job") : err->code;
}
