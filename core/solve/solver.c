/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/solver.h"

#include "base/mem.h"
#include "solve/evidence_starts.h"
#include "solve/solver_priv.h"

#include <stdio.h>
#include <string.h>

static const char *const solver_names[] = {
#define SOLVER(code, name, ops) name,
#include "solve/solver.def"
#undef SOLVER
};
static const struct solver_ops *const solver_ops[] = {
#define SOLVER(code, name, ops) &ops,
#include "solve/solver.def"
#undef SOLVER
};

NAMES_DEFINE(solver, enum solver_kind, solver_names)

/* Steps of a chain in coordinates that suit it, until it knows its step size. */
#define FEW_ROWS_WARMUP 200

/* Of the names of solvers. */
#define LIST_CHARS 256

#define AT(field) offsetof(struct solver_settings, field)
static const struct solver_setting settings_list[] = {
#define SETTING_INT(field, min, max, value, solvers)                                               \
    {#field, SOLVER_SETTING_INT, AT(field), min, max, NULL, solvers},
#define SETTING_REAL(field, min, max, value, solvers)                                              \
    {#field, SOLVER_SETTING_REAL, AT(field), min, max, NULL, solvers},
#define SETTING_FLAG(field, value, solvers)                                                        \
    {#field, SOLVER_SETTING_FLAG, AT(field), 0, 1, NULL, solvers},
#define SETTING_CHOICE(field, names, value, solvers)                                               \
    {#field, SOLVER_SETTING_CHOICE, AT(field), 0, 0, names, solvers},
#include "solve/solver_settings.def"
#undef SETTING_INT
#undef SETTING_REAL
#undef SETTING_FLAG
#undef SETTING_CHOICE
};

const struct solver_setting *solver_setting_list(int *n)
{
    *n = (int)(sizeof settings_list / sizeof *settings_list);
    return settings_list;
}

const struct solver_ops *solver_ops_of(enum solver_kind kind)
{
    return solver_ops[kind];
}

bool solver_choice_name(const char *choices, int index, char *name)
{
    for (; index > 0 && choices != NULL; index--) {
        choices = strchr(choices, '|');
        choices = choices != NULL ? choices + 1 : NULL;
    }
    if (choices == NULL) {
        return false;
    }
    snprintf(name, 32, "%.*s", (int)strcspn(choices, "|"), choices);
    return true;
}

struct solver_settings solver_defaults(enum solver_kind kind)
{
    struct solver_settings s = {
#define SETTING_INT(field, min, max, value, solvers)  .field = (value),
#define SETTING_REAL(field, min, max, value, solvers) .field = (value),
#define SETTING_FLAG(field, value, solvers)           .field = (value),
#define SETTING_CHOICE(field, names, value, solvers)  .field = (value),
#include "solve/solver_settings.def"
#undef SETTING_INT
#undef SETTING_REAL
#undef SETTING_FLAG
#undef SETTING_CHOICE
        .optim = optim_defaults(),
    };
    if (solver_ops[kind]->one_member) {
        s.members = 1;
    }
    if (solver_ops[kind]->set_defaults != NULL) {
        solver_ops[kind]->set_defaults(&s);
    }
    return s;
}

struct solver_request solver_request_defaults(enum solver_kind kind)
{
    struct solver_request request = {
        .arch = arch_default(0, 0), .prior_sigma = 1.0, .output_scaling = SCALER_UNIT};
    if (solver_ops[kind]->set_request != NULL) {
        solver_ops[kind]->set_request(&request);
    }
    return request;
}

bool solver_few_rows(enum solver_kind kind, struct solver_request *request,
                     struct solver_settings *settings)
{
    const struct solver_settings of_evidence = solver_defaults(SOLVER_EVIDENCE);
    bool knows = false;
    for (size_t i = 0; i < sizeof settings_list / sizeof *settings_list; i++) {
        knows = knows || (strcmp(settings_list[i].name, "hyperparameters") == 0 &&
                          solver_setting_used(&settings_list[i], kind));
    }
    if (!knows) {
        return false;
    }
    *request = solver_request_defaults(SOLVER_EVIDENCE);
    settings->hyperparameters = HYPER_EVIDENCE;
    settings->epochs = of_evidence.epochs;
    settings->patience = of_evidence.patience;
    if (solver_samples(kind)) {
        settings->warmup = FEW_ROWS_WARMUP;
    }
    return true;
}

static enum err_code check_limits(enum solver_kind kind, const struct solver_settings *s,
                                  struct err *err)
{
    for (size_t i = 0; i < sizeof settings_list / sizeof *settings_list; i++) {
        const struct solver_setting *setting = &settings_list[i];
        const char *field = (const char *)s + setting->offset;
        double value;
        if (!solver_setting_used(setting, kind)) {
            continue;
        }
        if (setting->type == SOLVER_SETTING_INT) {
            value = *(const int *)(const void *)field;
        } else if (setting->type == SOLVER_SETTING_REAL) {
            value = *(const double *)(const void *)field;
        } else {
            continue;
        }
        if (!(value >= setting->min && value <= setting->max)) {
            return err_set(err, ERR_INVALID, "%s is %.10g, %.10g to %.10g is needed", setting->name,
                           value, setting->min, setting->max);
        }
    }
    return ERR_OK;
}

bool solver_samples(enum solver_kind kind)
{
    return solver_ops[kind]->draws == DRAWS_OF_CHAINS;
}

/* Settings that make no sense with hyperparameters by evidence. */
static enum err_code check_evidence(enum solver_kind kind, const struct solver_settings *s,
                                    struct err *err)
{
    if (s->hyperparameters != HYPER_EVIDENCE) {
        return ERR_OK;
    }
    if (s->epochs < 1) {
        return err_set(err, ERR_INVALID,
                       "epochs is %d; hyperparameters by evidence need a fit, of at least 1",
                       s->epochs);
    }
    if (kind == SOLVER_ENSEMBLE && s->dfrac < 1.0) {
        return err_set(err, ERR_INVALID,
                       "dfrac is %g; with hyperparameters by evidence members have all rows, so 1 "
                       "is needed",
                       s->dfrac);
    }
    if (kind == SOLVER_LAPLACE && (s->marginal_likelihood || s->hessian != LAPLACE_GAUSS_NEWTON)) {
        return err_set(err, ERR_INVALID,
                       "hyperparameters by evidence take hessian gauss_newton, and take the place "
                       "of marginal_likelihood, which must be false");
    }
    return ERR_OK;
}

enum err_code solver_validate(enum solver_kind kind, const struct solver_settings *s,
                              struct err *err)
{
    if (check_limits(kind, s, err) != ERR_OK) {
        return err->code;
    }
    if (s->epochs < 1 && !solver_samples(kind)) {
        return err_set(err, ERR_INVALID, "epochs is %d, at least 1 is needed", s->epochs);
    }
    if (check_evidence(kind, s, err) != ERR_OK) {
        return err->code;
    }
    if (s->shards > 0 &&
        (s->hyperparameters == HYPER_EVIDENCE || s->optim.kind == OPTIM_LEVENBERG)) {
        return err_set(err, ERR_INVALID,
                       "shards is %d: fits by Levenberg-Marquardt have none, so 0 is needed",
                       s->shards);
    }
    const struct solver_ops *ops = solver_ops[kind];
    if (ops->validate != NULL && ops->validate(s, err) != ERR_OK) {
        return err->code;
    }
    if (s->optim.kind == OPTIM_LBFGS && ops->random_loss) {
        return err_set(err, ERR_INVALID,
                       "%s has a random loss, which lbfgs cannot minimise; adam and sgd can",
                       solver_name(kind));
    }
    if (s->optim.kind == OPTIM_LEVENBERG && ops->random_loss) {
        return err_set(
            err, ERR_INVALID,
            "%s has a random loss, which levenberg_marquardt cannot minimise; adam and sgd "
            "can",
            solver_name(kind));
    }
    if (optim_validate(&s->optim, err) != ERR_OK) {
        err_prefix(err, "optimizer");
    }
    return err->code;
}

enum noise_kind solver_default_noise(enum solver_kind kind)
{
    return solver_ops[kind]->noise;
}

bool solver_needs_sigma(enum solver_kind kind)
{
    return !solver_ops[kind]->squared_error;
}

enum err_code solver_check_noise(enum solver_kind kind, enum noise_kind noise, struct err *err)
{
    if ((solver_ops[kind]->noises >> noise & 1u) == 0) {
        return err_set(err, ERR_UNSUPPORTED, "%s does not support %s noise", solver_name(kind),
                       noise_kind_name(noise));
    }
    return ERR_OK;
}

enum err_code solver_check_fit(const struct solver_settings *settings, enum noise_kind noise,
                               struct err *err)
{
    if (settings->optim.kind == OPTIM_LEVENBERG && noise == NOISE_PREDICTED) {
        return err_set(err, ERR_UNSUPPORTED,
                       "optimizer: levenberg_marquardt minimises sums of squares, which predicted "
                       "noise has none of; lbfgs and adam can");
    }
    if (settings->hyperparameters == HYPER_EVIDENCE && noise != NOISE_GIVEN &&
        noise != NOISE_LEARNED) {
        return err_set(err, ERR_UNSUPPORTED,
                       "hyperparameters by evidence find the noise of each output, or take given "
                       "noise; %s noise is not supported: ask for learned noise, or for "
                       "hyperparameters given",
                       noise_kind_name(noise));
    }
    return ERR_OK;
}

/* The solvers that weigh rows, or those whose loss has terms. */
static void list_solvers(bool terms, char list[LIST_CHARS])
{
    size_t at = 0;
    list[0] = '\0';
    for (int i = 0; i < solver_known().n; i++) {
        const struct solver_ops *ops = solver_ops_of((enum solver_kind)i);
        if (terms ? ops->terms : ops->weighs) {
            int n = snprintf(list + at, LIST_CHARS - at, "%s%s", at > 0 ? ", " : "",
                             solver_name((enum solver_kind)i));
            at += n > 0 && (size_t)n < LIST_CHARS - at ? (size_t)n : 0;
        }
    }
}

enum err_code solver_check_asks(enum solver_kind kind, const struct solver_settings *settings,
                                enum noise_kind noise, const struct solver_asks *asks,
                                struct err *err)
{
    const struct solver_ops *ops = solver_ops_of(kind);
    const struct {
        bool asked;
        bool terms;
        const char *what;
    } list[] = {{asks->weights, false, "weights of rows"},
                {asks->sigmas, false, "noise of each row"},
                {asks->derivatives, true, "derivatives of rows"},
                {asks->constraints, true, "constraints"},
                {asks->logs, true, "residuals of logarithms"}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char known[LIST_CHARS];
        if (!list[i].asked) {
            continue;
        }
        if (list[i].terms ? !ops->terms : !ops->weighs) {
            list_solvers(list[i].terms, known);
            return err_set(err, ERR_UNSUPPORTED, "%s does not support %s; these do: %s",
                           solver_name(kind), list[i].what, known);
        }
        if (settings->hyperparameters == HYPER_EVIDENCE) {
            return err_set(err, ERR_UNSUPPORTED,
                           "hyperparameters by evidence do not support %s; hyperparameters given "
                           "do",
                           list[i].what);
        }
        if (settings->optim.kind == OPTIM_LEVENBERG) {
            return err_set(err, ERR_UNSUPPORTED,
                           "optimizer: levenberg_marquardt does not support %s; lbfgs, adam and "
                           "sgd do",
                           list[i].what);
        }
    }
    if (asks->sigmas && noise != NOISE_GIVEN) {
        return err_set(err, ERR_UNSUPPORTED,
                       "noise of each row is given noise, and cannot be %s as well",
                       noise_kind_name(noise));
    }
    if (asks->logs && (noise != NOISE_ESTIMATED || solver_needs_sigma(kind))) {
        return err_set(err, ERR_UNSUPPORTED,
                       "residuals of logarithms have no likelihood: they need estimated noise, "
                       "not %s, which is measured after the fit",
                       noise_kind_name(noise));
    }
    return ERR_OK;
}

enum err_code solver_check_network(enum solver_kind kind, const struct arch *arch, bool flat,
                                   struct err *err)
{
    const struct solver_ops *ops = solver_ops[kind];
    const char *name = solver_name(kind);
    if (ops->needs_prior && flat) {
        return err_set(err, ERR_INVALID, "%s draws from the prior, which must not be flat", name);
    }
    if (ops->needs_pre && !arch->layer_pre) {
        return err_set(err, ERR_INVALID, "%s needs an architecture with layer_pre", name);
    }
    if (ops->needs_outer_bias && !arch->outer_bias) {
        return err_set(err, ERR_INVALID, "%s needs an architecture with outer_bias", name);
    }
    if (ops->needs_post && !arch->layer_post) {
        return err_set(err, ERR_INVALID, "%s needs an architecture with layer_post", name);
    }
    if (ops->needs_no_final && arch->final != FINAL_NONE) {
        return err_set(err, ERR_UNSUPPORTED, "%s needs an architecture whose final is none, not %s",
                       name, arch_final_name(arch->final));
    }
    return ERR_OK;
}

enum err_code solver_check_size(enum solver_kind kind, const struct solver_settings *settings,
                                const struct resnet *net, bool flat, struct err *err)
{
    const struct solver_ops *ops = solver_ops[kind];
    if (settings->hyperparameters == HYPER_EVIDENCE &&
        evidence_check_size(kind, net, err) != ERR_OK) {
        return err->code;
    }
    if (settings->optim.kind == OPTIM_LEVENBERG && net->n_params > LEVENBERG_MAX_PARAMS) {
        return err_set(err, ERR_LIMIT,
                       "the network has %d parameters; levenberg_marquardt takes at most %d; adam "
                       "and lbfgs have no limit",
                       net->n_params, LEVENBERG_MAX_PARAMS);
    }
    return ops->check_size != NULL ? ops->check_size(settings, net, flat, err) : ERR_OK;
}

enum err_code solver_check_start(enum solver_kind kind, const struct solver_start *start,
                                 struct err *err)
{
    const struct solver_ops *from = start->known ? solver_ops[start->solver] : NULL;
    if (from != NULL && from->find_network != NULL && start->networks == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "%s", from->no_network);
    }
    return solver_ops[kind]->check_start != NULL ? solver_ops[kind]->check_start(start, err)
                                                 : ERR_OK;
}

int solver_n_draws(enum solver_kind kind, const struct solver_settings *s)
{
    switch (solver_ops[kind]->draws) {
    case DRAWS_ARE_MEMBERS:
        return s->members;
    case DRAWS_OF_CHAINS:
        return s->chains * s->draws;
    case DRAWS_OF_KEPT:
        return (s->keep < s->members ? s->keep : s->members) * s->draws;
    case DRAWS_OF_MEMBERS:
        break;
    }
    return s->members * s->draws;
}

int solver_n_networks(enum solver_kind kind, const struct solver_settings *s)
{
    return solver_samples(kind) ? s->chains : s->members;
}

double solver_values(enum solver_kind kind, const struct solver_settings *settings,
                     const struct resnet *net, int n_threads)
{
    const struct solver_ops *ops = solver_ops[kind];
    double values = ops->values != NULL ? ops->values(settings, net, n_threads) : 0.0;
    if (settings->optim.kind == OPTIM_LEVENBERG) {
        values += levenberg_values(net, n_threads);
    }
    if (settings->hyperparameters == HYPER_EVIDENCE) {
        int members = solver_samples(kind) ? 1 : settings->members;
        int starts = members > EVIDENCE_STARTS ? members : EVIDENCE_STARTS;
        values += evidence_starts_values(net, starts, members, n_threads);
    }
    return values;
}

double solver_row_values(enum solver_kind kind, const struct resnet *net)
{
    const struct solver_ops *ops = solver_ops[kind];
    return ops->row_values != NULL ? ops->row_values(net) : 0.0;
}

void solver_result_release(struct solver_result *result)
{
    mem_free(result->draws);
    mem_free(result->noise_sigma);
    gauss_mixture_release(&result->gaussian);
    report_release(&result->report);
    *result = (struct solver_result){.draws = NULL};
}

/* A cancelled loss is NaN, which callers take for a numerical failure. */
static enum err_code name_cancellation(const struct solver_problem *problem, struct err *err)
{
    if (err->code == ERR_NUMERIC && cancel_is_requested(problem->cancel)) {
        err_clear(err);
        err_set(err, ERR_CANCELLED, "cancelled");
    }
    return err->code;
}

enum err_code solver_run(enum solver_kind kind, const struct solver_problem *problem,
                         const struct solver_settings *settings, struct solver_result *result,
                         struct err *err)
{
    *result = (struct solver_result){.draws = NULL};
    if (solver_validate(kind, settings, err) != ERR_OK ||
        solver_check_noise(kind, problem->beliefs.noise, err) != ERR_OK ||
        solver_check_fit(settings, problem->beliefs.noise, err) != ERR_OK ||
        solver_check_network(kind, &problem->net->arch,
                             problem->beliefs.flat || problem->beliefs.prior_sigmas == NULL,
                             err) != ERR_OK ||
        solver_check_size(kind, settings, problem->net, problem->beliefs.flat, err) != ERR_OK ||
        (problem->start != NULL && solver_check_start(kind, problem->start, err) != ERR_OK)) {
        return err->code;
    }
    const struct loss_terms *terms = problem->terms;
    const struct solver_asks asks = {
        .weights = problem->train.weights != NULL,
        .sigmas = problem->train.sigmas != NULL,
        .derivatives = problem->train.jacobian != NULL && terms != NULL,
        .constraints = terms != NULL &&
                       (terms->signs != NULL || terms->floors != NULL || terms->edges != NULL),
        .logs = terms != NULL && terms->log_shifts != NULL};
    enum noise_kind noise = problem->beliefs.noise;
    if (solver_check_asks(kind, settings, noise, &asks, err) != ERR_OK) {
        return err->code;
    }
    if (problem->beliefs.noise_sigmas == NULL &&
        (noise == NOISE_GIVEN || (noise == NOISE_ESTIMATED && solver_needs_sigma(kind)))) {
        return err_set(err, ERR_INVALID, "%s needs a sigma for its %s noise", solver_name(kind),
                       noise_kind_name(noise));
    }
    result->m = solver_n_draws(kind, settings);
    if ((!settings->gradient_check ||
         solver_check_gradient(problem, settings, &result->report, err) == ERR_OK) &&
        solver_ops[kind]->run(problem, settings, result, err) == ERR_OK &&
        solver_advise(kind, problem, result, err) == ERR_OK) {
        return ERR_OK;
    }
    solver_result_release(result);
    return name_cancellation(problem, err);
}

enum err_code solver_fit_network(const struct solver_problem *problem,
                                 const struct solver_settings *settings, double *params,
                                 struct err *err)
{
    struct solver_tasks tasks;
    struct fit_result fit = {.train_loss = NULL};
    if (solver_tasks_init(&tasks, problem, 1, err) != ERR_OK) {
        return err->code;
    }
    const struct solver_part part = solver_part_of(&tasks, settings, 0);
    err_kept(solver_fit_map(&part, params, &fit, err));
    solver_tasks_release(&tasks);
    return err->code == ERR_OK ? ERR_OK : name_cancellation(problem, err);
}
