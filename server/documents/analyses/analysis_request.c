/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of inputs and outputs are those of the space. The members of a kind are in
 * analysis_members.c.
 */
#include "documents/analyses/analysis_request.h"

#include "base/known.h"
#include "documents/analyses/analysis_members.h"
#include "documents/analyses/calibration_members.h"
#include "documents/analyses/history_members.h"
#include "documents/space_json.h"
#include "formats/json_read.h"
#include "formats/json_write.h"
#include "model/space_rows.h"

#include <string.h>

#define DEFAULT_REPLICATES 16

void analysis_request_release(struct analysis_request *request)
{
    space_unref(request->space);
    arena_release(&request->arena);
    *request = (struct analysis_request){.space = NULL};
}

struct analyse_run analysis_request_run(const struct analysis_request *request)
{
    return (struct analyse_run){.spec = &request->spec,
                                .field = &request->field,
                                .laws = request->laws,
                                .terms.n_threads = 1};
}

struct calibrate_run analysis_request_calibration(const struct analysis_request *request)
{
    return (struct calibrate_run){.spec = &request->calibration,
                                  .field = &request->field,
                                  .laws = request->laws,
                                  .training_range = request->of.model->training_range,
                                  .terms.n_threads = 1};
}

static struct history_run history_from(const struct analysis_request *request, int first)
{
    return (struct history_run){.spec = &request->history,
                                .n_waves = request->n_earlier + 1 - first,
                                .waves = request->waves + first,
                                .laws = request->laws,
                                .terms.n_threads = 1};
}

struct history_run analysis_request_history(const struct analysis_request *request)
{
    return history_from(request, 0);
}

/* ---- space, inputs, outputs ---- */

/* Is the space one of the model? */
static enum err_code check_space(const struct space *space, const struct model *model,
                                 struct err *err)
{
    if (space->d != model->d || space->o != model->o) {
        return err_set(err, ERR_CONFLICT,
                       "the space has %d inputs and %d outputs, the version has %d and %d",
                       space->d, space->o, model->d, model->o);
    }
    bool same = model->space != NULL ? space_same_categories(model->space, space)
                                     : space_first_category(space) < 0;
    return same ? ERR_OK
                : err_set(err, ERR_CONFLICT,
                          "the space has other categories than the version was trained with");
}

static enum err_code take_space(const json_t *object, const struct analysis_subject *subject,
                                struct analysis_request *out, struct err *err)
{
    const json_t *document = json_object_get(object, "space");
    const struct model *model = subject->model;
    if (document != NULL) {
        if (space_json_read(document, &out->space, err) != ERR_OK) {
            err_prefix(err, "space");
            return err->code;
        }
    } else if (subject->space != NULL) {
        out->space = space_ref(subject->space);
    } else {
        return err_set(err, ERR_CONFLICT,
                       "the model has no space, so nothing is known of the distribution of its "
                       "inputs; PUT /v1/models/NAME/space, or give \"space\"");
    }
    return check_space(out->space, model, err);
}

static enum err_code name_all(struct analysis_request *out, struct err *err)
{
    const struct space *space = out->space;
    const char **inputs = arena_alloc_array(&out->arena, (size_t)space->d, sizeof *inputs);
    const char **outputs = arena_alloc_array(&out->arena, (size_t)space->o, sizeof *outputs);
    out->laws = arena_alloc_array(&out->arena, (size_t)space->d, sizeof *out->laws);
    out->outputs = arena_alloc_array(&out->arena, (size_t)space->o, sizeof *out->outputs);
    if (inputs == NULL || outputs == NULL || out->laws == NULL || out->outputs == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    for (int b = 0; b < space->d; b++) {
        inputs[b] = space->inputs[b].name;
    }
    out->spec.input_names = inputs;
    out->spec.output_names = outputs;
    return ERR_OK;
}

static enum err_code take_outputs(const json_t *object, struct analysis_request *out,
                                  struct err *err)
{
    const json_t *list = json_object_get(object, "outputs");
    const struct space *space = out->space;
    const char **names = (const char **)out->spec.output_names;
    size_t n = list != NULL ? json_array_size(list) : (size_t)space->o;
    if (n < 1 || n > (size_t)space->o) {
        return err_set(err, ERR_INVALID, "outputs must be an array of 1 to %d names", space->o);
    }
    for (size_t i = 0; i < n; i++) {
        int at = (int)i;
        if (list != NULL &&
            analysis_find_output(space, json_array_get(list, i), "outputs", &at, err) != ERR_OK) {
            return err->code;
        }
        for (size_t before = 0; before < i; before++) {
            if (out->outputs[before] == at) {
                return err_set(err, ERR_INVALID, "outputs: \"%.60s\" is there twice",
                               space->outputs[at].name);
            }
        }
        out->outputs[i] = at;
        names[i] = space->outputs[at].name;
    }
    out->n_outputs = (int)n;
    return ERR_OK;
}

static enum err_code take_laws(const json_t *object, struct analysis_request *out, struct err *err)
{
    const json_t *fixed = json_object_get(object, "fixed");
    const char *name;
    json_t *value;
    if (fixed != NULL && !json_is_object(fixed)) {
        return err_set(err, ERR_INVALID, "fixed must be an object of inputs and their values");
    }
    json_object_foreach((json_t *)fixed, name, value)
    {
        int at;
        if (analysis_find_input(out->space, name, "fixed", &at, err) != ERR_OK) {
            return err->code;
        }
    }
    for (int b = 0; b < out->space->d; b++) {
        const struct space_input *input = &out->space->inputs[b];
        const json_t *given = json_object_get(fixed, input->name);
        double number = 0.0;
        if (given == NULL && calibration_fixes_everywhere(object, input->name)) {
            out->laws[b] = law_of_value(0.0); /* each experiment has a value of its own */
        } else if (given == NULL) {
            if (law_of_input(input, &out->laws[b], err) != ERR_OK) {
                return err->code;
            }
        } else if (analysis_read_value(input, given, "fixed", &number, err) == ERR_OK) {
            out->laws[b] = law_of_value(number);
        } else {
            return err->code;
        }
    }
    return ERR_OK;
}

/* ---- numbers ---- */

static enum err_code take_kind(const json_t *object, struct analysis_request *out, struct err *err)
{
    const struct json_members members = {object, "the request", err};
    const char *kind = NULL;
    json_read_require(members, "kind");
    if (json_read_text(members, "kind", 64, &kind) != ERR_OK) {
        return err->code;
    }
    int at = names_find(analyse_kind_known(), kind);
    if (at < 0) {
        return known_refuse("kind", kind, analyse_kind_known(), err);
    }
    out->spec.kind = (enum analyse_kind)at;
    return analysis_check_keys(object, out->spec.kind, err);
}

static enum err_code take_numbers(const json_t *object, const struct model *model,
                                  struct analysis_request *out, struct err *err)
{
    const struct json_members members = {object, "the request", err};
    int64_t seed = 1;
    int64_t points = analyse_default_points(out->spec.kind);
    int64_t replicates = DEFAULT_REPLICATES;
    int64_t draws = model->m;
    json_read_int(members, "seed", INT64_MIN, INT64_MAX, &seed);
    if (out->matches) {
        points = HISTORY_POINTS;
    }
    json_read_int(members, "points", 1, ANALYSE_MAX_POINTS, &points);
    json_read_int(members, "replicates", ANALYSE_MIN_REPLICATES, ANALYSE_MAX_REPLICATES,
                  &replicates);
    json_read_int(members, "draws", 1, model->m, &draws);
    json_read_int(members, "priority", -ANALYSIS_MAX_PRIORITY, ANALYSIS_MAX_PRIORITY,
                  &out->priority);
    out->spec.seed = (uint64_t)seed;
    out->spec.n = (int)points;
    out->spec.replicates = (int)replicates;
    out->draws = (int)draws;
    return err->code;
}

static enum err_code bind(const struct model *model, struct analysis_request *out, struct err *err)
{
    out->of = (struct field_model){.model = model, .outputs = out->outputs, .seed = out->spec.seed};
    if (field_of_model(&out->of, out->n_outputs, out->draws, &out->arena, &out->field, err) !=
        ERR_OK) {
        return err->code;
    }
    const struct analyse_run run = analysis_request_run(out);
    const struct calibrate_run calibration = analysis_request_calibration(out);
    if (out->matches) {
        out->waves[out->n_earlier] = out->field;
        const struct history_run last = history_from(out, out->n_earlier);
        return history_check(&last, err);
    }
    return out->calibrates ? calibrate_check(&calibration, err) : analyse_check(&run, err);
}

enum err_code analysis_request_add_wave(struct analysis_request *request, int wave,
                                        const struct model *model, struct err *err)
{
    bool all = request->draws == request->of.model->m || request->draws > model->m;
    int draws = all ? model->m : request->draws;
    struct field_model *of = &request->of_waves[wave];
    *of = (struct field_model){
        .model = model, .outputs = request->outputs, .seed = request->spec.seed};
    if (check_space(request->space, model, err) != ERR_OK ||
        field_of_model(of, request->n_outputs, draws, &request->arena, &request->waves[wave],
                       err) != ERR_OK) {
        err_prefix(err, "earlier version %lld", (long long)request->earlier[wave]);
    }
    return err->code;
}

enum err_code analysis_request_read(const json_t *object, const struct analysis_subject *subject,
                                    struct analysis_request *out, struct err *err)
{
    *out = (struct analysis_request){.calibrates = subject->calibrates};
    if ((out->calibrates ? calibration_check_keys(object, out, err)
                         : take_kind(object, out, err)) != ERR_OK ||
        take_space(object, subject, out, err) != ERR_OK || name_all(out, err) != ERR_OK ||
        take_outputs(object, out, err) != ERR_OK || take_laws(object, out, err) != ERR_OK ||
        take_numbers(object, subject->model, out, err) != ERR_OK ||
        (out->calibrates ? calibration_members_read(object, out, err)
                         : analysis_members_read(object, out, err)) != ERR_OK ||
        bind(subject->model, out, err) != ERR_OK) {
        analysis_request_release(out);
    }
    return err->code;
}

enum err_code analysis_request_parse(const char *text, size_t len,
                                     const struct analysis_subject *subject,
                                     struct analysis_request *out, struct err *err)
{
    json_t *object = NULL;
    struct arena arena = ARENA_INIT;
    *out = (struct analysis_request){.space = NULL};
    if (json_read_parse(text, len, &arena, &object, err) == ERR_OK) {
        err_kept(analysis_request_read(object, subject, out, err));
    }
    arena_release(&arena);
    return err->code;
}

/* ---- writing ---- */

void analysis_request_write(struct textbuf *text, const struct analysis_request *request,
                            int64_t version)
{
    struct json_write json = json_write_to(text);
    const struct space *space = request->space;
    json_write_object(&json, NULL);
    if (!request->calibrates) {
        json_write_text(&json, "kind", analyse_kind_name(request->spec.kind));
    } else {
        json_write_text(&json, "kind", calibration_kind_name(request->matches));
    }
    json_write_int(&json, "version", version);
    json_write_array(&json, "outputs");
    for (int i = 0; i < request->n_outputs; i++) {
        json_write_text(&json, NULL, request->spec.output_names[i]);
    }
    json_write_array_end(&json);
    json_write_object(&json, "fixed");
    for (int b = 0; b < space->d; b++) {
        if (law_is_fixed(&request->laws[b]) && !calibration_sets(request, b)) {
            analysis_write_value(&json, &space->inputs[b], request->laws[b].fixed);
        }
    }
    json_write_object_end(&json);
    json_write_int(&json, "seed", (int64_t)request->spec.seed);
    json_write_int(&json, "draws", request->draws);
    if (!request->calibrates || request->matches) {
        json_write_int(&json, "points", request->spec.n);
        json_write_int(&json, "replicates", request->spec.replicates);
    }
    if (request->matches) {
        history_members_write(&json, request);
    } else if (request->calibrates) {
        calibration_members_write(&json, request);
    } else {
        analysis_members_write(&json, request);
    }
    space_json_write(&json, "space", space);
    json_write_object_end(&json);
    json_write_end(&json);
}
