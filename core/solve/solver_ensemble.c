/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deep ensemble (B. Lakshminarayanan, A. Pritzel, C. Blundell, NeurIPS 2017, without the
 * adversarial part), like QUiNN's NN_Ens: the spread comes from random starts, random order of the
 * rows and, with dfrac < 1, different rows.
 *
 * With estimated noise the loss is the mean squared error, as QUiNN's; with given, learned or
 * predicted noise the negative log likelihood, without a prior.
 *
 * Each member owns the streams (seed, purpose, member), so members may run in any order on any
 * number of threads. Where we differ from QUiNN: members are trained at the same time, and keep
 * their state of the lowest validation loss.
 */
#include "solve/solver_priv.h"

struct ensemble {
    struct solver_members members;
    struct objective objective;
};

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct ensemble *ensemble = ctx;
    struct solver_members *members = &ensemble->members;
    const struct solver_problem *p = members->tasks.problem;
    struct objective_loss loss = {.net = NULL};
    struct solver_rows rows = {.x = NULL};
    (void)worker;
    if (solver_rows_choose(&rows, p, members->settings->dfrac, member, err) == ERR_OK &&
        objective_loss_init(&loss, &ensemble->objective, p->net, err) == ERR_OK) {
        struct loss as_loss = objective_loss_as_loss(&loss);
        solver_start(p, members->settings, member, members->n_params,
                     solver_members_params(members, member));
        err_kept(solver_members_fit(members, member, &as_loss, &rows.data, err));
    }
    objective_loss_release(&loss);
    solver_rows_release(&rows);
    return err->code;
}

static enum err_code run_ensemble(const struct solver_problem *problem,
                                  const struct solver_settings *settings,
                                  struct solver_result *result, struct err *err)
{
    struct ensemble ensemble = {.objective = solver_objective(problem)};
    struct solver_members *members = &ensemble.members;
    if (ensemble.objective.kind == OBJECTIVE_NLP) {
        ensemble.objective.kind = OBJECTIVE_NLL;
    }
    if (solver_draws_new(result, problem->net, err) == ERR_OK &&
        solver_members_init(members, problem, settings,
                            objective_n_params(&ensemble.objective, problem->net), err) == ERR_OK &&
        solver_members_run(members, run_member, &ensemble, result, err) == ERR_OK) {
        solver_members_as_draws(members, result);
        err_kept(solver_members_tell(members, problem->net->n_params, result, err));
    }
    solver_members_release(members);
    return err->code;
}

const struct solver_ops solver_ensemble_ops = {
    .run = run_ensemble,
    .draws = DRAWS_ARE_MEMBERS,
    .noises = NOISES_ALL,
    .noise = NOISE_ESTIMATED,
    .squared_error = true,
};
