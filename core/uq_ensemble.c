/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deep ensemble (B. Lakshminarayanan, A. Pritzel, C. Blundell, NeurIPS 2017, without the
 * adversarial part), as QUiNN's NN_Ens: the spread comes from random starts, random order of the
 * rows and, with dfrac < 1, different rows.
 *
 * Each member owns the streams (seed, purpose, member), so members may run in any order on any
 * number of threads. Where we differ from QUiNN: members are trained at the same time, and keep
 * their state of the lowest validation loss.
 */
#include "uq_priv.h"

#include "mem.h"
#include "par.h"

#include <math.h>
#include <pthread.h>

struct ensemble {
    const struct uq_problem *problem;
    const struct uq_settings *settings;
    struct uq_result *result;
    pthread_mutex_t lock;
    double *fraction;    /* [members] guarded by lock: done of each member */
    double fraction_sum; /* guarded by lock */
};

/* Turns a member's own progress into that of the whole and passes it on, one call at a time. */
static void member_progress(void *ctx, const struct progress *progress)
{
    struct ensemble *ensemble = ctx;
    struct progress all = *progress;
    pthread_mutex_lock(&ensemble->lock);
    ensemble->fraction_sum += progress->fraction - ensemble->fraction[progress->member];
    ensemble->fraction[progress->member] = progress->fraction;
    all.fraction = fmin(1.0, ensemble->fraction_sum / (double)ensemble->settings->members);
    ensemble->problem->progress(ensemble->problem->progress_ctx, &all);
    pthread_mutex_unlock(&ensemble->lock);
}

/* The member's own rows: all of them, or a random share gathered into x and y (mem). */
static enum err_code choose_rows(const struct ensemble *ensemble, int member, struct data *train,
                                 double **x, double **y, struct err *err)
{
    const struct data *all = &ensemble->problem->train;
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
    rng_init(&rng, ensemble->problem->seed, RNG_SPLIT, (uint32_t)member + 1);
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
    const struct uq_problem *p = ensemble->problem;
    double *params = ensemble->result->draws + (size_t)member * (size_t)p->net->n_params;
    struct fit_result fit_result = {.train_loss = NULL};
    double *x = NULL;
    double *y = NULL;
    struct rng rng;
    (void)worker;
    struct fit_problem fit = {
        .net = p->net,
        .objective = {.kind = OBJECTIVE_MSE},
        .validation = p->validation,
        .cancel = p->cancel,
        .progress = p->progress != NULL ? member_progress : NULL,
        .progress_ctx = ensemble,
        .member = member,
        .n_members = ensemble->settings->members,
        .fraction_to = 1.0,
    };
    if (choose_rows(ensemble, member, &fit.train, &x, &y, err) != ERR_OK) {
        goto done;
    }
    rng_init(&rng, p->seed, RNG_INIT, (uint32_t)member);
    fit_init_params(p->net, ensemble->settings->init_factor, &rng, params);
    rng_init(&rng, p->seed, RNG_BATCH, (uint32_t)member);
    if (fit_run(&fit, &ensemble->settings->fit, &rng, params, &fit_result, err) != ERR_OK) {
        err_prefix(err, "member %d", member);
        goto done;
    }
    ensemble->result->members[member] = (struct uq_member){
        .best_loss = fit_result.best_loss,
        .best_epoch = fit_result.best_epoch,
        .epochs = fit_result.epochs,
    };
done:
    mem_free(x);
    mem_free(y);
    return err->code;
}

static enum err_code run(const struct uq_problem *problem, const struct uq_settings *settings,
                         struct uq_result *result, struct err *err)
{
    size_t members = (size_t)settings->members;
    struct ensemble ensemble = {.problem = problem, .settings = settings, .result = result};
    if (pthread_mutex_init(&ensemble.lock, NULL) != 0) {
        return err_set(err, ERR_NOMEM, "no lock for the members' progress");
    }
    ensemble.fraction = mem_zalloc_array(members, sizeof *ensemble.fraction);
    result->m = settings->members;
    result->n_members = settings->members;
    result->members = mem_zalloc_array(members, sizeof *result->members);
    result->draws =
        mem_alloc_array(members * (size_t)problem->net->n_params, sizeof *result->draws);
    if (ensemble.fraction == NULL || result->members == NULL || result->draws == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %d members of %d parameters", settings->members,
                problem->net->n_params);
        goto done;
    }
    if (par_run(problem->n_threads, settings->members, run_member, &ensemble, err) != ERR_OK) {
        goto done;
    }
done:
    mem_free(ensemble.fraction);
    pthread_mutex_destroy(&ensemble.lock);
    return err->code;
}

const struct uq_ops uq_ensemble_ops = {.run = run};
