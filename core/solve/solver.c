/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/solver.h"

#include "base/mem.h"
#include "base/names.h"
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

/* Few Gaussian solvers want many members; and each solver its own number of draws. */
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
    if (kind != SOLVER_ENSEMBLE && kind != SOLVER_RMS) {
        s.members = 1;
    }
    if (kind == SOLVER_MALA) {
        s.target_accept = 0.574; /* Roberts and Rosenthal 1998 */
    }
    if (kind == SOLVER_PBP) {
        s.epochs = 40; /* Hernandez-Lobato and Adams 2015 */
    }
    return s;
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
    return ((SOLVER_BIT(AMCMC) | SOLVER_BIT(MALA) | SOLVER_BIT(HMC) | SOLVER_BIT(NUTS)) >> kind &
            1u) != 0;
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
    if (kind == SOLVER_SWAG && s->swag_rank == 1) {
        return err_set(err, ERR_INVALID, "swag_rank is 1, 0 (diagonal) or at least 2 is needed");
    }
    if (s->optim.kind == OPTIM_LBFGS && solver_ops[kind]->random_loss) {
        return err_set(err, ERR_INVALID,
                       "%s has a random loss, which lbfgs cannot minimise; adam and sgd can",
                       solver_name(kind));
    }
    return optim_validate(&s->optim, err);
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
        return err_set(err, ERR_UNSUPPORTED, "%s cannot have %s noise", solver_name(kind),
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
    if (ops->needs_post && !arch->layer_post) {
        return err_set(err, ERR_INVALID, "%s needs an architecture with layer_post", name);
    }
    if (ops->needs_no_final && arch->final != FINAL_NONE) {
        return err_set(err, ERR_UNSUPPORTED, "%s needs an architecture whose final is none, not %s",
                       name, arch_final_name(arch->final));
    }
    return ERR_OK;
}

enum err_code solver_check_start(enum solver_kind kind, const struct solver_start *start,
                                 struct err *err)
{
    if (start->known && start->solver == SOLVER_MC_DROPOUT && start->networks == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "a warm start needs the networks that mc_dropout fitted, and the model's "
                       "draws do not give them: it does not tell its dropout, or leaves some unit "
                       "out of every draw; a new one with more draws does");
    }
    return solver_ops[kind]->check_start != NULL ? solver_ops[kind]->check_start(start, err)
                                                 : ERR_OK;
}

int solver_n_draws(enum solver_kind kind, const struct solver_settings *s)
{
    switch (kind) {
    case SOLVER_ENSEMBLE:
    case SOLVER_RMS:
        return s->members;
    case SOLVER_AMCMC:
    case SOLVER_MALA:
    case SOLVER_HMC:
    case SOLVER_NUTS:
        return s->chains * s->draws;
    case SOLVER_SWAG:
    case SOLVER_MC_DROPOUT:
    case SOLVER_LAPLACE:
    case SOLVER_VI:
    case SOLVER_BLL:
    case SOLVER_PBP:
    case SOLVER_DUQ:
        break;
    }
    return s->members * s->draws;
}

void solver_result_release(struct solver_result *result)
{
    mem_free(result->draws);
    mem_free(result->noise_sigma);
    gauss_mixture_release(&result->gaussian);
    report_release(&result->report);
    *result = (struct solver_result){.draws = NULL};
}

enum err_code solver_run(enum solver_kind kind, const struct solver_problem *problem,
                         const struct solver_settings *settings, struct solver_result *result,
                         struct err *err)
{
    *result = (struct solver_result){.draws = NULL};
    if (solver_validate(kind, settings, err) != ERR_OK ||
        solver_check_noise(kind, problem->beliefs.noise, err) != ERR_OK ||
        solver_check_network(kind, &problem->net->arch,
                             problem->beliefs.flat || problem->beliefs.prior_sigmas == NULL,
                             err) != ERR_OK ||
        (problem->start != NULL && solver_check_start(kind, problem->start, err) != ERR_OK)) {
        return err->code;
    }
    enum noise_kind noise = problem->beliefs.noise;
    if (problem->beliefs.noise_sigmas == NULL &&
        (noise == NOISE_GIVEN || (noise == NOISE_ESTIMATED && solver_needs_sigma(kind)))) {
        return err_set(err, ERR_INVALID, "%s needs a sigma for its %s noise", solver_name(kind),
                       noise_kind_name(noise));
    }
    result->m = solver_n_draws(kind, settings);
    if (solver_ops[kind]->run(problem, settings, result, err) == ERR_OK) {
        return ERR_OK;
    }
    /* A loss that is told to stop is NaN, which looks like a failure where nobody asked why. */
    if (err->code == ERR_NUMERIC && cancel_is_requested(problem->cancel)) {
        err_clear(err);
        err_set(err, ERR_CANCELLED, "cancelled");
    }
    solver_result_release(result);
    return err->code;
}
