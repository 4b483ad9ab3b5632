/* SPDX-License-Identifier: Apache-2.0 */
#include "uq.h"

#include "mem.h"
#include "names.h"
#include "uq_priv.h"

static const char *const uq_names[] = {
#define UQ(code, name, ops) name,
#include "uq.def"
#undef UQ
};
static const struct uq_ops *const uq_ops[] = {
#define UQ(code, name, ops) &ops,
#include "uq.def"
#undef UQ
};

NAMES_DEFINE(uq, enum uq_kind, uq_names)

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
        uq_ops[kind]->run(problem, settings, result, err) != ERR_OK) {
        uq_result_release(result);
    }
    return err->code;
}
