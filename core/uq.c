/* SPDX-License-Identifier: Apache-2.0 */
#include "uq.h"

#include "mem.h"
#include "uq_priv.h"

#include <string.h>

#define UQ_OPS_ENSEMBLE uq_ensemble_ops

static const struct {
    const char *name;
    const struct uq_ops *ops;
} uq_table[] = {
#define UQ(code, name) {name, &UQ_OPS_##code},
#include "uq.def"
#undef UQ
};

struct uq_settings uq_defaults(enum uq_kind kind)
{
    return (struct uq_settings){
        .members = 8,
        .dfrac = 1.0,
        .init_factor = 1.0,
        .fit = fit_defaults(),
    };
}

enum err_code uq_validate(enum uq_kind kind, const struct uq_settings *s, struct err *err)
{
    if (s->members < 1 || s->members > UQ_MAX_MEMBERS) {
        return err_set(err, ERR_INVALID, "members is %d, 1 to %d is needed", s->members,
                       UQ_MAX_MEMBERS);
    }
    if (!(s->dfrac > 0.0 && s->dfrac <= 1.0)) {
        return err_set(err, ERR_INVALID, "dfrac is %g, a number in (0, 1] is needed", s->dfrac);
    }
    if (!(s->init_factor > 0.0 && s->init_factor <= 100.0)) {
        return err_set(err, ERR_INVALID, "init_factor is %g, a number in (0, 100] is needed",
                       s->init_factor);
    }
    return fit_validate(&s->fit, err);
}

const char *uq_name(enum uq_kind kind)
{
    return uq_table[kind].name;
}

bool uq_find(const char *name, enum uq_kind *kind)
{
    for (int i = 0; i < (int)(sizeof uq_table / sizeof *uq_table); i++) {
        if (strcmp(uq_table[i].name, name) == 0) {
            *kind = (enum uq_kind)i;
            return true;
        }
    }
    return false;
}

void uq_result_release(struct uq_result *result)
{
    mem_free(result->draws);
    mem_free(result->members);
    *result = (struct uq_result){.draws = NULL};
}

enum err_code uq_run(enum uq_kind kind, const struct uq_problem *problem,
                     const struct uq_settings *settings, struct uq_result *result, struct err *err)
{
    *result = (struct uq_result){.draws = NULL};
    if (uq_validate(kind, settings, err) == ERR_OK &&
        uq_table[kind].ops->run(problem, settings, result, err) != ERR_OK) {
        uq_result_release(result);
    }
    return err->code;
}
