/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/solver.h"

#include "base/mem.h"
#include "base/names.h"
#include "solve/solver_priv.h"

#include <stdio.h>
#include <string.h>

static const char *const uq_names[] = {
#define UQ(code, name, ops) name,
#include "solve/solver.def"
#undef UQ
};
static const struct uq_ops *const uq_ops[] = {
#define UQ(code, name, ops) &ops,
#include "solve/solver.def"
#undef UQ
};

NAMES_DEFINE(uq, enum uq_kind, uq_names)

#define AT(field) offsetof(struct uq_settings, field)
static const struct uq_setting settings_list[] = {
#define SETTING_INT(field, least, most, value, solvers)                                            \
    {#field, UQ_SETTING_INT, AT(field), least, most, NULL, solvers},
#define SETTING_REAL(field, least, most, value, solvers)                                           \
    {#field, UQ_SETTING_REAL, AT(field), least, most, NULL, solvers},
#define SETTING_FLAG(field, value, solvers)                                                        \
    {#field, UQ_SETTING_FLAG, AT(field), 0, 1, NULL, solvers},
#define SETTING_CHOICE(field, names, value, solvers)                                               \
    {#field, UQ_SETTING_CHOICE, AT(field), 0, 0, names, solvers},
#include "solve/solver_settings.def"
#undef SETTING_INT
#undef SETTING_REAL
#undef SETTING_FLAG
#undef SETTING_CHOICE
};

const struct uq_setting *uq_setting_list(int *n)
{
    *n = (int)(sizeof settings_list / sizeof *settings_list);
    return settings_list;
}

bool uq_choice_name(const char *choices, int index, char *name)
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

int uq_choice_find(const char *choices, const char *name)
{
    char candidate[32];
    for (int i = 0; uq_choice_name(choices, i, candidate); i++) {
        if (strcmp(candidate, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Few Gaussian solvers want many members; and each solver its own number of draws. */
struct uq_settings uq_defaults(enum uq_kind kind)
{
    struct uq_settings s = {
#define SETTING_INT(field, least, most, value, solvers)  .field = (value),
#define SETTING_REAL(field, least, most, value, solvers) .field = (value),
#define SETTING_FLAG(field, value, solvers)              .field = (value),
#define SETTING_CHOICE(field, names, value, solvers)     .field = (value),
#include "solve/solver_settings.def"
#undef SETTING_INT
#undef SETTING_REAL
#undef SETTING_FLAG
#undef SETTING_CHOICE
        .optim = optim_defaults(),
    };
    if (kind != UQ_ENSEMBLE && kind != UQ_RMS) {
        s.members = 1;
    }
    if (kind == UQ_MALA) {
        s.target_accept = 0.574; /* Roberts and Rosenthal 1998 */
    }
    if (kind == UQ_PBP) {
        s.epochs = 40; /* Hernandez-Lobato and Adams 2015 */
    }
    return s;
}

static enum err_code check_limits(enum uq_kind kind, const struct uq_settings *s, struct err *err)
{
    for (size_t i = 0; i < sizeof settings_list / sizeof *settings_list; i++) {
        const struct uq_setting *setting = &settings_list[i];
        const char *field = (const char *)s + setting->offset;
        double value;
        if (!uq_setting_used(setting, kind)) {
            continue;
        }
        if (setting->type == UQ_SETTING_INT) {
            value = *(const int *)(const void *)field;
        } else if (setting->type == UQ_SETTING_REAL) {
            value = *(const double *)(const void *)field;
        } else {
            continue;
        }
        if (!(value >= setting->least && value <= setting->most)) {
            return err_set(err, ERR_INVALID, "%s is %.10g, %.10g to %.10g is needed", setting->name,
                           value, setting->least, setting->most);
        }
    }
    return ERR_OK;
}

bool uq_samples(enum uq_kind kind)
{
    return ((UQ_BIT(AMCMC) | UQ_BIT(MALA) | UQ_BIT(HMC) | UQ_BIT(NUTS)) >> kind & 1u) != 0;
}

enum err_code uq_validate(enum uq_kind kind, const struct uq_settings *s, struct err *err)
{
    if (check_limits(kind, s, err) != ERR_OK) {
        return err->code;
    }
    if (s->epochs < 1 && !uq_samples(kind)) {
        return err_set(err, ERR_INVALID, "epochs is %d, at least 1 is needed", s->epochs);
    }
    if (kind == UQ_SWAG && s->swag_rank == 1) {
        return err_set(err, ERR_INVALID, "swag_rank is 1, 0 (diagonal) or at least 2 is needed");
    }
    if (s->optim.kind == OPTIM_LBFGS && uq_ops[kind]->random_loss) {
        return err_set(err, ERR_INVALID,
                       "%s has a random loss, which lbfgs cannot minimise; adam and sgd can",
                       uq_name(kind));
    }
    return optim_validate(&s->optim, err);
}

enum noise_kind uq_default_noise(enum uq_kind kind)
{
    return uq_ops[kind]->noise;
}

bool uq_needs_sigma(enum uq_kind kind)
{
    return !uq_ops[kind]->squared_error;
}

enum err_code uq_check_noise(enum uq_kind kind, enum noise_kind noise, struct err *err)
{
    if ((uq_ops[kind]->noises >> noise & 1u) == 0) {
        return err_set(err, ERR_UNSUPPORTED, "%s cannot have %s noise", uq_name(kind),
                       noise_kind_name(noise));
    }
    return ERR_OK;
}

enum err_code uq_check_network(enum uq_kind kind, const struct arch *arch, bool flat,
                               struct err *err)
{
    const struct uq_ops *ops = uq_ops[kind];
    const char *name = uq_name(kind);
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

enum err_code uq_check_start(enum uq_kind kind, const struct uq_start *start, struct err *err)
{
    if (start->known && start->solver == UQ_MC_DROPOUT && start->networks == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "a warm start needs the networks that mc_dropout fitted, and the model's "
                       "draws do not give them: it does not tell its dropout, or leaves some unit "
                       "out of every draw; a new one with more draws does");
    }
    return uq_ops[kind]->check_start != NULL ? uq_ops[kind]->check_start(start, err) : ERR_OK;
}

int uq_n_draws(enum uq_kind kind, const struct uq_settings *s)
{
    switch (kind) {
    case UQ_ENSEMBLE:
    case UQ_RMS:
        return s->members;
    case UQ_AMCMC:
    case UQ_MALA:
    case UQ_HMC:
    case UQ_NUTS:
        return s->chains * s->draws;
    case UQ_SWAG:
    case UQ_MC_DROPOUT:
    case UQ_LAPLACE:
    case UQ_VI:
    case UQ_BLL:
    case UQ_PBP:
    case UQ_DUQ:
        break;
    }
    return s->members * s->draws;
}

void uq_result_release(struct uq_result *result)
{
    mem_free(result->draws);
    mem_free(result->noise_sigma);
    gauss_mixture_release(&result->gaussian);
    report_release(&result->report);
    *result = (struct uq_result){.draws = NULL};
}

enum err_code uq_run(enum uq_kind kind, const struct uq_problem *problem,
                     const struct uq_settings *settings, struct uq_result *result, struct err *err)
{
    *result = (struct uq_result){.draws = NULL};
    if (uq_validate(kind, settings, err) != ERR_OK ||
        uq_check_noise(kind, problem->beliefs.noise, err) != ERR_OK ||
        uq_check_network(kind, &problem->net->arch,
                         problem->beliefs.flat || problem->beliefs.prior_sigmas == NULL,
                         err) != ERR_OK ||
        (problem->start != NULL && uq_check_start(kind, problem->start, err) != ERR_OK)) {
        return err->code;
    }
    enum noise_kind noise = problem->beliefs.noise;
    if (problem->beliefs.noise_sigmas == NULL &&
        (noise == NOISE_GIVEN || (noise == NOISE_ESTIMATED && uq_needs_sigma(kind)))) {
        return err_set(err, ERR_INVALID, "%s needs a sigma for its %s noise", uq_name(kind),
                       noise_kind_name(noise));
    }
    result->m = uq_n_draws(kind, settings);
    if (uq_ops[kind]->run(problem, settings, result, err) == ERR_OK) {
        return ERR_OK;
    }
    /* A loss that is told to stop is NaN, which looks like a failure where nobody asked why. */
    if (err->code == ERR_NUMERIC && cancel_is_requested(problem->cancel)) {
        err_clear(err);
        err_set(err, ERR_CANCELLED, "cancelled");
    }
    uq_result_release(result);
    return err->code;
}
