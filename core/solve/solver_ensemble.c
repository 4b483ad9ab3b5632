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
 *
 * With hyperparameters by evidence the members are the networks of evidence_starts.h, fitted to all
 * rows; those far below the best are left out. The spread comes from random starts alone.
 */
#include "base/mem.h"
#include "solve/evidence_starts.h"
#include "solve/solver_priv.h"

#include <math.h>
#include <string.h>

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
    struct solver_rows rows = {.room = {.x = NULL}};
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

/* ---- by evidence ---- */

struct unseen {
    struct evidence_starts starts;
    double *sigmas; /* [n_kept x o] */
};

static enum err_code find_unseen(void *ctx, int worker, int slot, struct err *err)
{
    struct unseen *self = ctx;
    size_t o = (size_t)self->starts.tasks->problem->train.o;
    size_t g = (size_t)self->starts.groups.n;
    const struct checkpoint *checkpoint = self->starts.tasks->problem->checkpoint;
    double *sigmas = self->sigmas + (size_t)slot * o;
    const struct ranks_piece pieces[] = {
        {sigmas, o * sizeof *sigmas},
        {self->starts.gamma + (size_t)slot * g, g * sizeof *self->starts.gamma}};
    struct evidence_opened opened = {.fit = {.memory = NULL}};
    (void)worker;
    if (ranks_hear(checkpoint, slot, pieces, 2)) {
        evidence_starts_tell_end(&self->starts, self->starts.kept[slot], NULL);
        return ERR_OK;
    }
    if (evidence_starts_open(&self->starts, slot, &opened, err) == ERR_OK &&
        evidence_starts_unseen(&self->starts, &opened, sigmas, err) == ERR_OK) {
        evidence_starts_tell_end(&self->starts, self->starts.kept[slot], &opened);
        err_kept(ranks_tell(checkpoint, slot, pieces, 2, err));
    }
    evidence_starts_close(&opened);
    return err->code;
}

/* The networks that are kept, and what they miss on rows that they have not seen as their noise:
 * it has the part of the uncertainty that networks fitted to the same rows have in common. */
static enum err_code take_networks(struct unseen *self, struct solver_result *result,
                                   struct err *err)
{
    const struct evidence_starts *starts = &self->starts;
    const struct solver_problem *p = starts->tasks->problem;
    size_t k = (size_t)p->net->n_params;
    size_t o = (size_t)p->train.o;
    result->m = starts->n_kept;
    self->sigmas = mem_alloc_array((size_t)result->m, o * sizeof *self->sigmas);
    result->noise_sigma = mem_zalloc_array(o, sizeof *result->noise_sigma);
    if (self->sigmas == NULL || result->noise_sigma == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    if (solver_draws_new(result, p->net, err) != ERR_OK ||
        ranks_run(p->checkpoint, p->n_threads, result->m, find_unseen, self, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < (size_t)result->m; i++) {
        memcpy(result->draws + i * k, starts->params + (size_t)starts->kept[i] * k,
               k * sizeof *result->draws);
        for (size_t j = 0; j < o; j++) {
            double sigma = self->sigmas[i * o + j];
            result->noise_sigma[j] += sigma * sigma / (double)result->m;
        }
    }
    for (size_t j = 0; j < o; j++) {
        result->noise_sigma[j] = sqrt(result->noise_sigma[j]);
    }
    return ERR_OK;
}

static enum err_code run_by_evidence(const struct solver_problem *problem,
                                     const struct solver_settings *settings,
                                     struct solver_result *result, struct err *err)
{
    const struct evidence_plan plan = {.settings = settings,
                                       .n = settings->members,
                                       .keep = settings->members,
                                       .gap = settings->evidence_gap};
    struct solver_tasks tasks;
    struct unseen self = {.sigmas = NULL};
    if (solver_tasks_init(&tasks, problem, plan.n, err) != ERR_OK) {
        return err->code;
    }
    if (evidence_starts_run(&self.starts, &tasks, &plan, err) == ERR_OK &&
        take_networks(&self, result, err) == ERR_OK) {
        evidence_starts_tell_left_out(&self.starts);
        err_kept(evidence_starts_report(&self.starts, &result->report, err));
    }
    mem_free(self.sigmas);
    evidence_starts_release(&self.starts);
    solver_tasks_release(&tasks);
    return err->code;
}

/* ---- the whole ---- */

static enum err_code run_ensemble(const struct solver_problem *problem,
                                  const struct solver_settings *settings,
                                  struct solver_result *result, struct err *err)
{
    if (settings->hyperparameters == HYPER_EVIDENCE) {
        return run_by_evidence(problem, settings, result, err);
    }
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
    .weighs = true,
    .terms = true,
    .draws = DRAWS_ARE_MEMBERS,
    .noises = NOISES_ALL,
    .noise = NOISE_ESTIMATED,
    .squared_error = true,
};
