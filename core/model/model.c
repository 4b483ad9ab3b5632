/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include "base/mem.h"
#include "base/mem_budget.h"
#include "model/space_rows.h"

#include <math.h>
#include <string.h>

#define MEGABYTE 1000000

char **model_names_new(int k)
{
    return mem_zalloc_array((size_t)k, sizeof(char *));
}

static void names_free(char **names, int k)
{
    for (int i = 0; names != NULL && i < k; i++) {
        mem_free(names[i]);
    }
    mem_free(names);
}

static void model_free(struct model *model)
{
    names_free(model->input_names, model->d);
    names_free(model->input_units, model->d);
    names_free(model->output_names, model->o);
    names_free(model->output_units, model->o);
    space_unref(model->space);
    mem_free(model->in);
    mem_free(model->out);
    mem_free(model->exponents);
    mem_free(model->noise_sigma);
    reduction_unref(model->reduction);
    mem_free(model->coefficient_out);
    mem_free(model->coefficient_noise);
    mem_free(model->draws);
    mem_free(model->training_range);
    mem_free(model->solver);
    mem_free(model->settings);
    mem_free(model->provenance);
    gauss_mixture_release(&model->gaussian);
    conformal_release(&model->conformal);
    model_unref(model->feasible);
    scores_release(&model->scores);
    report_release(&model->report);
    plan_release(&model->plan);
    resnet_release(&model->net);
    mem_free(model);
}

/* Bytes of draws and packs; false when beyond what any model may have. */
static bool payload_bytes(const struct resnet *net, int m, size_t *bytes)
{
    size_t per_draw = ((size_t)net->n_params + net->pack_size) * sizeof(double);
    return size_mul(per_draw, (size_t)m, bytes) && *bytes <= MODEL_MAX_BYTES;
}

/* Refuses a model that is too large before any of it is allocated. */
static enum err_code check_size(const struct resnet *net, int m, struct err *err)
{
    size_t bytes;
    size_t limit = mem_budget_limit(MEM_MODELS);
    if (!payload_bytes(net, m, &bytes)) {
        return err_set(err, ERR_LIMIT, "%d draws of %d parameters need more than %zu bytes", m,
                       net->n_params, MODEL_MAX_BYTES);
    }
    if (limit != 0 && bytes > limit) {
        return err_set(err, ERR_TOO_LARGE,
                       "%d draws of %d parameters need %zu MB of memory to be served, a model may "
                       "have %zu MB (models_mb)",
                       m, net->n_params, bytes / MEGABYTE + 1, limit / MEGABYTE);
    }
    return ERR_OK;
}

enum err_code model_new(const struct arch *arch, int m, struct model **out, struct err *err)
{
    enum mem_kind kind = mem_kind_use(MEM_MODELS);
    struct model *model = mem_zalloc(sizeof *model);
    if (model == NULL) {
        mem_kind_use(kind);
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    atomic_init(&model->refs, 1);
    if (resnet_init(&model->net, arch, err) != ERR_OK) {
        goto done;
    }
    if (m < 1 || m > MODEL_MAX_DRAWS) {
        err_set(err, ERR_LIMIT, "%d posterior draws, 1 to %d are allowed", m, MODEL_MAX_DRAWS);
        goto done;
    }
    if (check_size(&model->net, m, err) != ERR_OK) {
        goto done;
    }
    model->d = arch->inputs;
    model->o = model->net.n_out;
    model->m = m;
    model->in = mem_zalloc_array((size_t)model->d, sizeof *model->in);
    model->out = mem_zalloc_array((size_t)model->o, sizeof *model->out);
    model->draws = mem_alloc_array((size_t)m * (size_t)model->net.n_params, sizeof *model->draws);
    if (model->in == NULL || model->out == NULL || model->draws == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %d draws", m);
        goto done;
    }
    for (int j = 0; j < model->d; j++) {
        model->in[j].scale = 1.0;
    }
    for (int j = 0; j < model->o; j++) {
        model->out[j].scale = 1.0;
    }
    *out = model;
done:
    mem_kind_use(kind);
    if (err->code != ERR_OK) {
        model_unref(model);
    }
    return err->code;
}

void model_predict_noise(struct model *model)
{
    model->noise_predicted = true;
    model->o = model->net.n_out / 2;
}

enum err_code model_set_reduction(struct model *model, struct reduction *reduction, struct err *err)
{
    if (model->o != reduction->k) {
        return err_set(err, ERR_SHAPE,
                       "output_reduction has %d modes, but the network has %d coefficients",
                       reduction->k, model->o);
    }
    struct scaler *out = mem_zalloc_array((size_t)reduction->p, sizeof *out);
    if (out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d outputs", reduction->p);
    }
    for (int j = 0; j < reduction->p; j++) {
        out[j].scale = 1.0;
    }
    model->reduction = reduction_ref(reduction);
    model->coefficient_out = model->out;
    model->coefficient_noise = model->noise_sigma;
    model->noise_sigma = NULL;
    model->out = out;
    model->o = reduction->p;
    return ERR_OK;
}

void model_view_coefficients(const struct model *model, struct model *view)
{
    *view = *model;
    view->o = model->reduction->k;
    view->reduction = NULL;
    view->out = model->coefficient_out;
    view->noise_sigma = model->coefficient_noise;
    view->coefficient_out = NULL;
    view->coefficient_noise = NULL;
    view->conformal = (struct conformal){.method = CONFORMAL_NONE};
    view->scores = (struct scores){.n_rows = 0};
    view->output_names = view->output_units = NULL;
    view->exponents = NULL; /* check_reduction refuses coefficients that need them */
}

/* A copy of the names or units of the space; *out NULL when there are none. False: no memory. */
static bool copy_texts(const struct space *space, bool inputs, bool units, char ***out)
{
    int k = inputs ? space->d : space->o;
    bool any = false;
    char **list = model_names_new(k);
    for (int j = 0; list != NULL && j < k; j++) {
        const char *name = inputs ? space->inputs[j].name : space->outputs[j].name;
        const char *unit = inputs ? space->inputs[j].unit : space->outputs[j].unit;
        const char *text = units ? unit : name;
        any = any || text != NULL;
        list[j] = text != NULL ? mem_strdup(text) : NULL;
        if (text != NULL && list[j] == NULL) {
            names_free(list, k);
            return false;
        }
    }
    if (list != NULL && !any) {
        mem_free(list);
        *out = NULL;
        return true;
    }
    *out = list;
    return list != NULL;
}

enum err_code model_set_space(struct model *model, struct space *space, struct err *err)
{
    int width = space_width(space);
    if (width != model->net.arch.inputs || space->o != model->o) {
        return err_set(err, ERR_SHAPE,
                       "the space needs a network of %d inputs and %d outputs, the model has %d "
                       "and %d",
                       width, space->o, model->net.arch.inputs, model->o);
    }
    /* Nothing is kept half: a model that is freed gives them back by its number of inputs. */
    model->d = space->d;
    if (!copy_texts(space, true, false, &model->input_names) ||
        !copy_texts(space, true, true, &model->input_units) ||
        !copy_texts(space, false, false, &model->output_names) ||
        !copy_texts(space, false, true, &model->output_units)) {
        return err_set(err, ERR_NOMEM, "no memory for the names of a model");
    }
    if (!space_is_plain(space)) {
        model->space = space_ref(space);
    }
    return ERR_OK;
}

void model_drop_space(struct model *model)
{
    names_free(model->input_names, model->d);
    names_free(model->input_units, model->d);
    names_free(model->output_names, model->o);
    names_free(model->output_units, model->o);
    model->input_names = model->input_units = model->output_names = model->output_units = NULL;
    space_unref(model->space);
    model->space = NULL;
}

enum err_code model_scale_inputs(const struct model *model, const struct scaler_rows *rows,
                                 double *z, struct err *err)
{
    /* The scaled numbers stand at the end of the room, so that expanding them, from the first to
     * the last, never writes over one that is still to be read. */
    size_t more = (size_t)(model->net.arch.inputs - model->d);
    double *scaled = z + rows->n * more;
    if (scaler_apply(model->in, rows, scaled, err) == ERR_OK && more > 0) {
        space_expand(model->space, rows->n, scaled, z);
    }
    return err->code;
}

/* The place of a member is what the network is given, so that it is not scaled. */
static enum err_code check_space(const struct model *model, struct err *err)
{
    for (int j = 0; model->space != NULL && j < model->d; j++) {
        if (model->space->inputs[j].type == SPACE_CATEGORY && model->in[j].kind != SCALER_NONE) {
            return err_set(err, ERR_INVALID, "scaling of input %d is %s, a category has none", j,
                           scaler_kind_name(model->in[j].kind));
        }
    }
    return ERR_OK;
}

static enum err_code check_scaling(const struct model *model, struct err *err)
{
    for (int j = 0; j < model->d; j++) {
        if (scaler_validate(&model->in[j], "an input", err) != ERR_OK) {
            err_prefix(err, "scaling of input %d", j);
            return err->code;
        }
    }
    for (int j = 0; j < model->o; j++) {
        if (scaler_validate(&model->out[j], "an output", err) != ERR_OK) {
            err_prefix(err, "scaling of output %d", j);
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code check_values(const struct model *model, struct err *err)
{
    size_t k = (size_t)model->net.n_params;
    for (size_t i = 0; i < (size_t)model->m * k; i++) {
        if (!isfinite(model->draws[i])) {
            return err_set_at(err, ERR_NONFINITE, (int)(i / k), (int)(i % k),
                              "draw %zu, parameter %zu is not a finite number", i / k, i % k);
        }
    }
    for (int j = 0; model->noise_sigma != NULL && j < model->o; j++) {
        if (!isfinite(model->noise_sigma[j]) || model->noise_sigma[j] < 0.0) {
            return err_set(err, ERR_INVALID, "noise sigma of output %d must be finite and >= 0", j);
        }
    }
    for (int j = 0; model->training_range != NULL && j < model->d; j++) {
        double low = model->training_range[2 * j];
        double high = model->training_range[2 * j + 1];
        if (!isfinite(low) || !isfinite(high) || low > high) {
            return err_set(err, ERR_INVALID,
                           "training_range of input %d must be two finite numbers, low <= high", j);
        }
    }
    return ERR_OK;
}

/* When a second head predicts the noise, nothing else may state it. */
static enum err_code check_noise(const struct model *model, struct err *err)
{
    bool logs = false;
    for (int j = 0; j < model->o; j++) {
        logs = logs || model->out[j].kind == SCALER_LOG;
    }
    if (model->noise_of_logs && (!logs || model->noise_sigma == NULL)) {
        return err_set(err, ERR_INVALID,
                       "noise of logarithms needs a sigma, and an output that is scaled by log");
    }
    if (!model->noise_predicted) {
        return ERR_OK;
    }
    if (model->net.arch.outputs % 2 != 0 || model->net.arch.final != FINAL_NONE) {
        return err_set(err, ERR_INVALID,
                       "predicted noise needs an even number of outputs (means and log "
                       "variances) and final none; there are %d outputs, and final is %s",
                       model->net.arch.outputs, arch_final_name(model->net.arch.final));
    }
    if (model->noise_sigma != NULL) {
        return err_set(err, ERR_INVALID, "the noise cannot be both predicted and constant");
    }
    for (int j = 0; j < model->o; j++) {
        if (model->out[j].kind == SCALER_LOG) {
            return err_set(err, ERR_UNSUPPORTED,
                           "scaling of output %d is log, with which noise cannot be predicted", j);
        }
    }
    return ERR_OK;
}

/* Coefficients have both signs, and squares that are numbers. */
static enum err_code check_reduction(const struct model *model, struct err *err)
{
    const struct reduction *r = model->reduction;
    for (int i = 0; r != NULL && i < r->k; i++) {
        const struct scaler *s = &model->coefficient_out[i];
        if (scaler_validate(s, "a coefficient", err) != ERR_OK) {
            err_prefix(err, "scaling of coefficient %d", i);
            return err->code;
        }
        if (s->kind == SCALER_LOG || scaler_exponent(s) != 0) {
            return err_set(err, s->kind == SCALER_LOG ? ERR_INVALID : ERR_UNSUPPORTED,
                           "output_reduction: coefficient %d is %s", i,
                           s->kind == SCALER_LOG
                               ? "scaled by log, and coefficients have both signs"
                               : "too large or too small for its square: train on another unit");
        }
        if (model->coefficient_noise != NULL &&
            !(isfinite(model->coefficient_noise[i]) && model->coefficient_noise[i] >= 0.0)) {
            return err_set(err, ERR_INVALID,
                           "noise sigma of coefficient %d must be finite and >= 0", i);
        }
    }
    for (int j = 0; r != NULL && j < model->o; j++) {
        if (model->out[j].kind != SCALER_NONE) {
            return err_set(err, ERR_INVALID,
                           "scaling of output %d is %s; outputs that are decoded have none", j,
                           scaler_kind_name(model->out[j].kind));
        }
    }
    return r != NULL ? reduction_check(r, err) : ERR_OK;
}

/* Drops empty parts, so that equal posteriors have equal bytes. */
static void tidy_gaussian(struct gauss *g)
{
    bool has_factor = g->factor != NULL && g->rank > 0;
    if (g->n > 0 && (g->std != NULL || has_factor)) {
        g->rank = has_factor ? g->rank : 0;
        gauss_find_upper(g);
        return;
    }
    mem_free(g->std);
    mem_free(g->factor);
    *g = (struct gauss){.mean = g->mean};
}

static enum err_code check_gaussians(struct model *model, struct err *err)
{
    struct gauss_mixture *mixture = &model->gaussian;
    if (mixture->n_members == 0) {
        return ERR_OK;
    }
    if (mixture->n_draws < 1 || model->m % mixture->n_members != 0 ||
        model->m / mixture->n_members != mixture->n_draws) {
        return err_set(err, ERR_INVALID, "%d Gaussians with %d draws each do not make %d draws",
                       mixture->n_members, mixture->n_draws, model->m);
    }
    for (int i = 0; i < mixture->n_members; i++) {
        tidy_gaussian(&mixture->members[i]);
    }
    return gauss_mixture_check(mixture, model->net.n_params, err);
}

static enum err_code check_calibration(struct model *model, struct err *err)
{
    struct conformal *c = &model->conformal;
    int parts = model->gaussian.n_members > 0 ? model->gaussian.n_members : model->m;
    return conformal_check(c, parts, model->o, err) == ERR_OK ? conformal_count(c, model->o, err)
                                                              : err->code;
}

/* What stands for P(run succeeds) must be a logit of the same inputs and nothing more. */
static enum err_code check_feasible(const struct model *model, struct err *err)
{
    const struct model *f = model->feasible;
    if (f == NULL) {
        return ERR_OK;
    }
    bool plain = f->feasible == NULL && f->conformal.method == CONFORMAL_NONE &&
                 !f->noise_predicted && f->noise_sigma == NULL && f->out[0].kind == SCALER_NONE;
    if (f->d != model->net.arch.inputs || f->o != 1 || !plain) {
        return err_set(err, ERR_INVALID,
                       "the probability of success must be a model of the same %d inputs with one "
                       "output that is not scaled, a logit",
                       model->net.arch.inputs);
    }
    return ERR_OK;
}

static enum err_code find_exponents(struct model *model, struct err *err)
{
    bool any = false;
    for (int j = 0; j < model->o; j++) {
        any = any || scaler_exponent(&model->out[j]) != 0;
    }
    if (!any || model->exponents != NULL) {
        return ERR_OK;
    }
    model->exponents = mem_alloc_array((size_t)model->o, sizeof *model->exponents);
    if (model->exponents == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    for (int j = 0; j < model->o; j++) {
        model->exponents[j] = scaler_exponent(&model->out[j]);
    }
    return ERR_OK;
}

enum err_code model_publish(struct model *model, struct err *err)
{
    if (check_noise(model, err) != ERR_OK || check_scaling(model, err) != ERR_OK ||
        check_reduction(model, err) != ERR_OK || check_space(model, err) != ERR_OK ||
        find_exponents(model, err) != ERR_OK || check_feasible(model, err) != ERR_OK ||
        check_gaussians(model, err) != ERR_OK || check_calibration(model, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0; model->gaussian.n_members > 0 && j < model->m; j++) {
        gauss_mixture_draw(&model->gaussian, model->net.n_params, j,
                           model->draws + (size_t)j * (size_t)model->net.n_params);
    }
    if (check_values(model, err) != ERR_OK) {
        return err->code;
    }
    if (model->solver == NULL) {
        model->solver = mem_strdup("unknown");
    }
    if (model->solver == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    enum mem_kind kind = mem_kind_use(MEM_MODELS);
    err_kept(plan_init(&model->plan, &model->net, model->m, model->draws, model->precision, err));
    model->precision = model->plan.precision;
    bool single = model->precision == PRECISION_FLOAT32 && model->gaussian.linearised;
    for (int i = 0; single && i < model->gaussian.n_members && err->code == ERR_OK; i++) {
        err_kept(gauss_round(&model->gaussian.members[i], err));
    }
    mem_kind_use(kind);
    return err->code;
}

struct model *model_ref(struct model *model)
{
    atomic_fetch_add_explicit(&model->refs, 1, memory_order_relaxed);
    return model;
}

void model_unref(struct model *model)
{
    if (model != NULL && atomic_fetch_sub_explicit(&model->refs, 1, memory_order_acq_rel) == 1) {
        model_free(model);
    }
}

static size_t count_gaussians(const struct model *model)
{
    size_t numbers = 0;
    for (int i = 0; i < model->gaussian.n_members; i++) {
        const struct gauss *g = &model->gaussian.members[i];
        numbers += (size_t)model->net.n_params + (g->std != NULL ? (size_t)g->n : 0) +
                   (size_t)g->n * (size_t)g->rank;
    }
    return numbers;
}

size_t model_n_stored(const struct model *model)
{
    return model->gaussian.n_members > 0 ? count_gaussians(model)
                                         : (size_t)model->m * (size_t)model->net.n_params;
}

size_t model_bytes(const struct model *model)
{
    size_t bytes = 0;
    size_t rounded = 0;
    for (int i = 0; i < model->gaussian.n_members; i++) {
        const struct gauss *g = &model->gaussian.members[i];
        rounded += g->rounded != NULL ? gauss_n_rounded(g) * sizeof *g->rounded : 0;
    }
    size_t parts = model->feasible != NULL ? model_bytes(model->feasible) : 0;
    parts += model->reduction != NULL
                 ? reduction_bytes(model->reduction) + (size_t)model->o * sizeof *model->out
                 : 0;
    return payload_bytes(&model->net, model->m, &bytes)
               ? bytes + count_gaussians(model) * sizeof(double) + rounded + parts
               : 0;
}
