/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deep ensemble (B. Lakshminarayanan, A. Pritzel, C. Blundell, NeurIPS 2017, without the
 * adversarial part), as QUiNN's NN_Ens: the spread comes from random starts, random order of the
 * rows and, with dfrac < 1, different rows.
 *
 * With estimated noise the loss is the mean squared error, as QUiNN's; with given, learned or
 * predicted noise the negative log likelihood, without a prior.
 *
 * Each member owns the streams (seed, purpose, member), so members may run in any order on any
 * number of threads. Where we differ from QUiNN: members are trained at the same time, and keep
 * their state of the lowest validation loss.
 */
#include "uq_priv.h"

#include "mem.h"

#include <math.h>
#include <string.h>

struct ensemble {
    struct uq_tasks tasks;
    const struct uq_settings *settings;
    struct objective objective;
    size_t stride;           /* parameters of a member, learned noise included */
    double *params;          /* [members x stride] */
    struct fit_result *fits; /* [members] */
};

/* The member's own rows: all of them, or a random share gathered into x and y (mem). */
static enum err_code choose_rows(const struct ensemble *ensemble, int member, struct data *train,
                                 double **x, double **y, struct err *err)
{
    const struct data *all = &ensemble->tasks.problem->train;
    int n = (int)floor(ensemble->settings->dfrac * (double)all->n);
    *train = *all;
    if (n >= all->n) {
        return ERR_OK;
    }
    n = n < 1 ? 1 : n;
    int *order = mem_alloc_array((size_t)all->n, sizeof *order);
    *x = mem_alloc_array((size_t)n * (size_t)all->d, sizeof **x);
    *y = mem_alloc_array((size_t)n * (size_t)all->o, sizeof **y);
    if (order == NULL || *x == NULL || *y == NULL) {
        mem_free(order);
        return err_set(err, ERR_NOMEM, "no memory for the rows of a member");
    }
    struct rng rng;
    rng_init(&rng, ensemble->tasks.problem->seed, RNG_SPLIT, (uint32_t)member + 1);
    rng_permutation(&rng, all->n, order);
    data_gather(all->x, all->d, order, n, *x);
    data_gather(all->y, all->o, order, n, *y);
    mem_free(order);
    train->n = n;
    train->x = *x;
    train->y = *y;
    return ERR_OK;
}

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct ensemble *ensemble = ctx;
    const struct uq_problem *p = ensemble->tasks.problem;
    double *params = ensemble->params + (size_t)member * ensemble->stride;
    struct objective_loss loss = {.net = NULL};
    struct fit_settings settings = uq_fit_settings(ensemble->settings);
    double *x = NULL;
    double *y = NULL;
    struct rng rng;
    (void)worker;
    struct fit_problem fit = {
        .validation = p->validation,
        .cancel = p->cancel,
        .checkpoint = p->checkpoint,
        .task = member,
        .progress = uq_tasks_progress,
        .progress_ctx = &ensemble->tasks,
        .member = member,
        .n_members = ensemble->tasks.n,
        .fraction_to = 1.0,
    };
    if (choose_rows(ensemble, member, &fit.train, &x, &y, err) != ERR_OK ||
        objective_loss_init(&loss, &ensemble->objective, p->net, err) != ERR_OK) {
        goto done;
    }
    fit.loss = objective_loss_as_loss(&loss);
    rng_init(&rng, p->seed, RNG_INIT, (uint32_t)member);
    fit_init_params(p->net, ensemble->settings->init_factor, &rng, params);
    for (size_t k = (size_t)p->net->n_params; k < ensemble->stride; k++) {
        params[k] = OBJECTIVE_LOG_S_MEAN;
    }
    rng_init(&rng, p->seed, RNG_BATCH, (uint32_t)member);
    if (fit_run(&fit, &settings, &rng, params, &ensemble->fits[member], err) != ERR_OK) {
        err_prefix(err, "member %d", member);
    }
done:
    objective_loss_release(&loss);
    mem_free(x);
    mem_free(y);
    return err->code;
}

/* What the trained members leave in the result. */
static enum err_code collect(const struct ensemble *ensemble, struct uq_result *result,
                             struct err *err)
{
    const struct uq_problem *p = ensemble->tasks.problem;
    size_t k = (size_t)p->net->n_params;
    int members = ensemble->tasks.n;
    for (size_t j = 0; j < (size_t)members; j++) {
        memcpy(result->draws + j * k, ensemble->params + j * ensemble->stride,
               k * sizeof *result->draws);
    }
    if (ensemble->objective.noise == NOISE_LEARNED) {
        err_kept(uq_noise_of_draws(p, members, ensemble->params, ensemble->stride, result, err));
    } else if (p->beliefs.noise == NOISE_GIVEN) {
        err_kept(uq_noise_of_beliefs(p, result, err));
    }
    return err->code == ERR_OK ? uq_report_fits(&result->report, members, ensemble->fits, err)
                               : err->code;
}

static enum err_code run(const struct uq_problem *problem, const struct uq_settings *settings,
                         struct uq_result *result, struct err *err)
{
    size_t members = (size_t)settings->members;
    struct ensemble ensemble = {.settings = settings, .objective = uq_objective(problem)};
    ensemble.objective.kind =
        problem->beliefs.noise == NOISE_ESTIMATED ? OBJECTIVE_MSE : OBJECTIVE_NLL;
    ensemble.stride = (size_t)objective_n_params(&ensemble.objective, problem->net);
    if (uq_tasks_init(&ensemble.tasks, problem, settings->members, err) != ERR_OK) {
        return err->code;
    }
    ensemble.params = mem_alloc_array(members * ensemble.stride, sizeof *ensemble.params);
    ensemble.fits = mem_zalloc_array(members, sizeof *ensemble.fits);
    result->draws =
        mem_alloc_array(members * (size_t)problem->net->n_params, sizeof *result->draws);
    if (ensemble.params == NULL || ensemble.fits == NULL || result->draws == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %d members of %d parameters", settings->members,
                problem->net->n_params);
    } else if (par_run(problem->n_threads, settings->members, run_member, &ensemble, err) ==
               ERR_OK) {
        err_kept(collect(&ensemble, result, err));
    }
    mem_free(ensemble.params);
    mem_free(ensemble.fits);
    uq_tasks_release(&ensemble.tasks);
    return err->code;
}

const struct uq_ops uq_ensemble_ops = {
    .run = run,
    .noises =
        1u << NOISE_GIVEN | 1u << NOISE_ESTIMATED | 1u << NOISE_LEARNED | 1u << NOISE_PREDICTED,
    .noise = NOISE_ESTIMATED,
    .squared_error = true,
};
