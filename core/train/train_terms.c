/* SPDX-License-Identifier: Apache-2.0 */
/* The terms of a loss (losses/loss_terms.h) from what a request knows of the function. */
#include "fit/scaler.h"
#include "losses/loss_terms.h"
#include "solve/solver.h"
#include "train/train_roles.h"

#include "base/mem.h"

#include <math.h>

#define LOG_END 0.01 /* of the smallest distance from the shift: loss_terms.h */

void train_terms_release(struct train_terms *terms)
{
    mem_free(terms->terms);
    mem_free(terms->signs);
    mem_free(terms->reals);
    *terms = (struct train_terms){.terms = NULL};
}

/* The network's column of input j, which is a number. */
static int column_of(const struct model *model, int j)
{
    int at = 0;
    for (int k = 0; k < j; k++) {
        const struct space_input *input = model->space != NULL ? &model->space->inputs[k] : NULL;
        at += input != NULL && input->type == SPACE_CATEGORY ? input->n_values : 1;
    }
    return at;
}

static struct train_names names_of(const struct model *model)
{
    return (struct train_names){.inputs = model->input_names, .outputs = model->output_names};
}

static enum err_code find_input(const struct model *model, const char *name, int *input,
                                struct err *err)
{
    const struct train_names names = names_of(model);
    *input = train_names_find(&names, false, model->d, name);
    if (*input < 0) {
        return train_names_refuse("constraints", name, "input", model->d, err);
    }
    if (model->space != NULL && model->space->inputs[*input].type == SPACE_CATEGORY) {
        return err_set(err, ERR_INVALID, "constraints: input %s is a category, a number is needed",
                       name);
    }
    return ERR_OK;
}

/* first .. last: the outputs that a constraint is for. */
static enum err_code find_outputs(const struct model *model, const char *name, int *first,
                                  int *last, struct err *err)
{
    *first = 0;
    *last = model->o - 1;
    if (name == NULL) {
        return ERR_OK;
    }
    const struct train_names names = names_of(model);
    *first = *last = train_names_find(&names, true, model->o, name);
    return *first >= 0 ? ERR_OK : train_names_refuse("constraints", name, "output", model->o, err);
}

/* ---- constraints ---- */

struct making {
    const struct model *model;
    signed char *signs; /* [o x d] */
    double *floors;     /* [o] */
    double *edges;      /* [d x 2] */
    bool any_sign, any_floor, any_edge;
};

static enum err_code add_monotone(struct making *m, const struct train_constraint *c,
                                  struct err *err)
{
    int input, first, last;
    if (find_input(m->model, c->input, &input, err) != ERR_OK ||
        find_outputs(m->model, c->output, &first, &last, err) != ERR_OK) {
        return err->code;
    }
    size_t d = (size_t)m->model->net.arch.inputs;
    int sign = c->falling ? -1 : 1;
    for (int j = first; j <= last; j++) {
        signed char *at = &m->signs[(size_t)j * d + (size_t)column_of(m->model, input)];
        if (*at == -sign) {
            return err_set(err, ERR_INVALID,
                           "constraints: output %d cannot both rise and fall with input %s", j,
                           c->input);
        }
        *at = (signed char)sign;
    }
    m->any_sign = true;
    return ERR_OK;
}

static enum err_code add_positive(struct making *m, const struct train_constraint *c,
                                  struct err *err)
{
    int first, last;
    if (find_outputs(m->model, c->output, &first, &last, err) != ERR_OK) {
        return err->code;
    }
    for (int j = first; j <= last; j++) {
        const struct scaler *s = &m->model->out[j];
        /* What is scaled by its logarithm is positive, and a constant is what it is. */
        if (s->kind != SCALER_LOG && !scaler_is_constant(s)) {
            m->floors[j] = -s->shift / s->scale;
            m->any_floor = true;
        }
    }
    return ERR_OK;
}

static enum err_code add_periodic(struct making *m, const struct train_constraint *c,
                                  struct err *err)
{
    int input;
    if (find_input(m->model, c->input, &input, err) != ERR_OK) {
        return err->code;
    }
    const struct scaler *s = &m->model->in[input];
    if (scaler_is_constant(s)) {
        return ERR_OK; /* what the network never sees change */
    }
    double ends[] = {c->low, c->high};
    double *edges = m->edges + 2 * column_of(m->model, input);
    for (int i = 0; i < 2; i++) {
        const struct scaler_rows one = {.n = 1, .k = 1, .v = &ends[i]};
        if (scaler_apply(s, &one, &edges[i], err) != ERR_OK) {
            err_prefix(err, "constraints: the period of %s", c->input);
            return err->code;
        }
    }
    m->any_edge = true;
    return ERR_OK;
}

static enum err_code add_constraint(struct making *m, const struct train_constraint *c,
                                    struct err *err)
{
    switch (c->kind) {
    case TRAIN_MONOTONE:
        return add_monotone(m, c, err);
    case TRAIN_POSITIVE:
        return add_positive(m, c, err);
    case TRAIN_PERIODIC:
        break;
    }
    return add_periodic(m, c, err);
}

/* ---- logarithms ---- */

/* shifts, ends [o] of the logarithmic loss, from the rows that train. */
static enum err_code find_logs(const struct model *model, const struct data *rows, double shift,
                               double *shifts, double *ends, struct err *err)
{
    for (int j = 0; j < model->o; j++) {
        const struct scaler *s = &model->out[j];
        double least = INFINITY;
        if (s->kind == SCALER_LOG) {
            return err_set(err, ERR_UNSUPPORTED,
                           "residuals of logarithms and outputs that are scaled by their logarithm "
                           "do not go together");
        }
        for (int i = 0; i < rows->n; i++) {
            double y = rows->y[(size_t)i * (size_t)rows->o + (size_t)j];
            least = fmin(least, y); /* a NaN is passed over */
        }
        if (!(least > shift)) {
            return err_set(err, ERR_INVALID,
                           "residual log: output %d has the value %g, and log_shift is %g; all "
                           "values must be above it",
                           j, least, shift);
        }
        bool constant = scaler_is_constant(s);
        shifts[j] = constant ? -1.0 : (shift - s->shift) / s->scale;
        ends[j] = constant ? LOG_END : LOG_END * (least - shift) / s->scale;
    }
    return ERR_OK;
}

/* ---- the whole ---- */

static enum err_code allocate(struct making *m, size_t n_signs, size_t n_reals,
                              struct train_terms *out, struct err *err)
{
    size_t o = (size_t)m->model->o;
    out->terms = mem_zalloc(sizeof *out->terms);
    out->signs = mem_zalloc(n_signs);
    out->reals = mem_alloc_array(n_reals, sizeof *out->reals);
    if (out->terms == NULL || out->signs == NULL || out->reals == NULL) {
        train_terms_release(out);
        return err_set(err, ERR_NOMEM, "no memory for the terms of a loss");
    }
    for (size_t i = 0; i < n_reals; i++) {
        out->reals[i] = NAN;
    }
    m->signs = out->signs;
    m->floors = out->reals;
    m->edges = out->reals + 3 * o;
    return ERR_OK;
}

enum err_code train_terms_make(const struct train_roles *roles,
                               const struct solver_settings *settings, const struct model *model,
                               const struct data *rows, struct train_terms *out, struct err *err)
{
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->net.arch.inputs;
    bool logs = settings->residual == RESIDUAL_LOG;
    struct making m = {.model = model};
    *out = (struct train_terms){.terms = NULL};
    if (roles->n_constraints == 0 && !logs && rows->jacobian == NULL) {
        return ERR_OK;
    }
    if (allocate(&m, o * d, 3 * o + 2 * d, out, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < roles->n_constraints && err->code == ERR_OK; i++) {
        err_kept(add_constraint(&m, &roles->constraints[i], err));
    }
    if (err->code == ERR_OK && logs) {
        err_kept(
            find_logs(model, rows, settings->log_shift, out->reals + o, out->reals + 2 * o, err));
    }
    if (err->code != ERR_OK) {
        train_terms_release(out);
        return err->code;
    }
    *out->terms = (struct loss_terms){.d = (int)d,
                                      .o = (int)o,
                                      .derivatives = settings->derivative_weight,
                                      .monotone = settings->monotone_weight,
                                      .positive = settings->positive_weight,
                                      .periodic = settings->periodic_weight,
                                      .signs = m.any_sign ? m.signs : NULL,
                                      .floors = m.any_floor ? m.floors : NULL,
                                      .edges = m.any_edge ? m.edges : NULL,
                                      .log_shifts = logs ? out->reals + o : NULL,
                                      .log_ends = logs ? out->reals + 2 * o : NULL};
    return ERR_OK;
}
