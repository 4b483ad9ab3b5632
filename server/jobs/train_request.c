/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/train_request.h"

#include "documents/job_json.h"
#include "jobs/inherit.h"
#include "jobs/model_space.h"
#include "jobs/rows/rows_check.h"
#include "model/space_rows.h"
#include "store/data/data_read.h"

#include <string.h>

/* Where there is nothing to be taken over: a choice with all defaults. */
static enum err_code spec_of_nothing(struct job_spec *spec, struct err *err)
{
    return job_json_parse("{}", 2, spec, err);
}

/* The settings the default version was trained with. A solver that was chosen is chosen again. */
static enum err_code spec_of_default(const struct train_request *request, struct job_spec *spec,
                                     struct err *err)
{
    struct served *served = NULL;
    if (models_get(request->models, request->model, 0, &served, err) != ERR_OK) {
        if (err->code == ERR_NOT_FOUND) {
            err_clear(err);
            err_kept(spec_of_nothing(spec, err));
        }
        return err->code;
    }
    const char *settings = served->model->settings;
    if (settings == NULL) {
        err_kept(spec_of_nothing(spec, err));
    } else if (job_json_parse(settings, strlen(settings), spec, err) != ERR_OK) {
        err_prefix(err, "settings of the default version");
    } else {
        if (spec->choice.chosen) {
            job_spec_choose_again(spec);
        }
        if (model_has_categories(served->model)) {
            spec->train.arch.inputs = 0; /* a category may have got more values since */
        }
    }
    /* Then they are taken from that version like all the rest, and the job says so. */
    spec->gives_seed = spec->gives_split = false;
    spec->place = JOB_ANYWHERE;
    served_unref(served);
    return err->code;
}

/* A warm start is possible only from a version of the same network. */
static enum err_code check_base(const struct train_request *request, const struct train_spec *spec,
                                const struct space *space, struct served **base, struct err *err)
{
    if (spec->start == TRAIN_COLD) {
        return ERR_OK;
    }
    if (models_get(request->models, request->model, 0, base, err) != ERR_OK) {
        if (err->code == ERR_NOT_FOUND) {
            err_clear(err);
            err_set(err, ERR_CONFLICT,
                    "model %s has no version to start from; \"start\":\"cold\" needs none",
                    request->model);
        }
        return err->code;
    }
    return train_check_base(spec, space, (*base)->model, err);
}

/* A plain warm run has the network of its base, without which it could not begin there. */
static enum err_code follow_base(const struct train_request *request, struct train_spec *spec,
                                 struct err *err)
{
    struct served *base = NULL;
    if (!spec->plain || spec->start != TRAIN_WARM) {
        return ERR_OK;
    }
    if (models_get(request->models, request->model, 0, &base, err) == ERR_OK) {
        spec->arch = base->model->net.arch;
        spec->arch.inputs = 0;
        spec->arch.outputs = 0;
    } else if (err->code == ERR_NOT_FOUND) {
        err_clear(err); /* check_base says so */
    }
    served_unref(base);
    return err->code;
}

/* The rows as they are stored, and what of them a training predicts. */
struct targets {
    struct train_roles_map map; /* targets NULL: all outputs are */
    struct space *space;        /* of inputs and targets; NULL: none */
};

static enum err_code find_targets(const struct train_request *request, const struct job_spec *spec,
                                  struct space *space, struct targets *out, struct err *err)
{
    const struct train_roles *roles = &spec->train.roles;
    struct data_summary summary;
    *out = (struct targets){.space = space != NULL ? space_ref(space) : NULL};
    if (roles->n_columns == 0) {
        return ERR_OK;
    }
    if (data_store_summary(request->db, request->model, &summary, err) != ERR_OK ||
        summary.n_rows == 0 || /* which is refused with all else that is missing */
        train_roles_map(roles, space, summary.n_inputs, summary.n_outputs, &out->map, err) !=
            ERR_OK) {
        return err->code;
    }
    space_unref(out->space);
    out->space = NULL;
    return train_roles_space(&out->map, space, &out->space, err);
}

static void targets_release(struct targets *targets)
{
    train_roles_map_release(&targets->map);
    space_unref(targets->space);
}

static int count_outputs(const struct targets *targets, const struct data_summary *summary)
{
    return targets->map.targets != NULL ? targets->map.o : summary->n_outputs;
}

/* Completes the spec by the rows: where it runs, and its shape. What auto chooses from is completed
 * later. */
static enum err_code fit_to_rows(const struct train_request *request, struct job_spec *spec,
                                 const struct targets *targets, struct err *err)
{
    const struct space *space = targets->space;
    struct data_summary summary;
    if (follow_base(request, &spec->train, err) != ERR_OK) {
        return err->code;
    }
    if (data_store_summary(request->db, request->model, &summary, err) != ERR_OK) {
        return err->code;
    }
    if (summary.n_rows < 2) {
        return err_set(err, ERR_CONFLICT,
                       "model %s has %lld training rows, at least 2 are needed; "
                       "POST rows to /v1/models/%s/data",
                       request->model, (long long)summary.n_rows, request->model);
    }
    if (launch_place_choose(&request->launch, summary.n_rows, request->cold_if_needed, spec, err) !=
        ERR_OK) {
        return err->code;
    }
    int width = space != NULL ? space_width(space) : summary.n_inputs;
    if (spec->choice.on) {
        const struct auto_spec choice = job_spec_auto(spec);
        const struct auto_rows rows = {.load = {.n_rows = summary.n_rows},
                                       .width = width,
                                       .outputs = summary.n_outputs,
                                       .n_threads = request->n_threads};
        return auto_check_memory(&choice, &rows, 0, err); /* do the shapes agree? */
    }
    int outputs = count_outputs(targets, &summary);
    if (train_roles_check_names(&spec->train.roles, space, summary.n_inputs, outputs, err) !=
        ERR_OK) {
        return err->code;
    }
    train_follow_rows(&spec->train, summary.n_rows, width, outputs);
    return train_resolve(&spec->train, width, outputs, err);
}

/* *base: the version that a warm run would begin from; NULL: a cold one. */
static enum err_code fit_to_base(const struct train_request *request, struct train_spec *spec,
                                 const struct space *space, struct served **base, struct err *err)
{
    enum err_code code = check_base(request, spec, space, base, err);
    if (request->cold_if_needed &&
        (code == ERR_CONFLICT || code == ERR_INVALID || code == ERR_UNSUPPORTED)) {
        err_clear(err);
        spec->start = TRAIN_COLD;
        served_unref(*base);
        *base = NULL;
    }
    return err->code;
}

/* Is the training too large? */
static enum err_code check_memory(const struct train_request *request, const struct job_spec *spec,
                                  const struct space *space, const struct train_load *load,
                                  struct err *err)
{
    struct data_summary summary;
    /* Other machines have a memory of their own. */
    int64_t max_bytes = spec->place == JOB_LAUNCHER ? 0 : request->max_bytes;
    if (!spec->choice.on) {
        return train_memory_check(&spec->train, load, request->n_threads, max_bytes, err) == ERR_OK
                   ? train_memory_check_limit(&spec->train, load, spec->limits.bytes, err)
                   : err->code;
    }
    if (data_store_summary(request->db, request->model, &summary, err) != ERR_OK) {
        return err->code;
    }
    const struct auto_spec choice = job_spec_auto(spec);
    const struct auto_rows rows = {.load = *load,
                                   .width = space != NULL ? space_width(space) : summary.n_inputs,
                                   .outputs = summary.n_outputs,
                                   .n_threads = request->n_threads};
    return auto_check_memory(&choice, &rows, job_limits_tighter(max_bytes, spec->limits.bytes),
                             err);
}

/* Rows that the settings cannot take, and a training that is too large. */
static enum err_code check_rows(const struct train_request *request, const struct job_spec *spec,
                                const struct targets *targets, const struct served *base,
                                struct err *err)
{
    const struct space *space = targets->space;
    const struct train_spec *train = &spec->train;
    const struct rows_check check = {.db = request->db,
                                     .model = request->model,
                                     .spec = train,
                                     .space = space,
                                     .map = targets->map.targets != NULL ? &targets->map : NULL,
                                     .base = base != NULL ? base->model : NULL};
    struct train_load load;
    return rows_check(&check, &load, err) == ERR_OK ? check_memory(request, spec, space, &load, err)
                                                    : err->code;
}

enum err_code train_request_write(const struct train_request *request, struct textbuf *out,
                                  struct job_new *job, struct err *err)
{
    struct job_spec of_default = {.promote = false};
    struct model_space space = {.space = NULL};
    struct targets targets = {.space = NULL};
    struct served *base = NULL;
    if (request->spec == NULL && spec_of_default(request, &of_default, err) != ERR_OK) {
        return err->code;
    }
    /* What is completed here is none of what either owns. */
    struct job_spec spec = request->spec != NULL ? *request->spec : of_default;
    if (model_space_load(request->db, request->model, &space, err) == ERR_OK &&
        inherit_split(request->models, request->model, &spec, job, err) == ERR_OK &&
        find_targets(request, &spec, space.space, &targets, err) == ERR_OK &&
        fit_to_rows(request, &spec, &targets, err) == ERR_OK &&
        fit_to_base(request, &spec.train, targets.space, &base, err) == ERR_OK &&
        check_rows(request, &spec, &targets, base, err) == ERR_OK) {
        job_json_write(out, &spec);
        job->priority = spec.priority;
    }
    train_spec_release(&of_default.train);
    model_space_release(&space);
    targets_release(&targets);
    served_unref(base);
    return textbuf_failed(out) ? err_set(err, ERR_NOMEM, "no memory for a job") : err->code;
}
