/* SPDX-License-Identifier: Apache-2.0 */
/* What solvers share: progress of tasks side by side, fits of one network, noise of a result. */
#include "solve/solver_priv.h"

#include "base/mem.h"
#include "losses/gradient_check.h"

#include <math.h>
#include <string.h>

enum err_code solver_tasks_init(struct solver_tasks *tasks, const struct solver_problem *problem,
                                int n, struct err *err)
{
    *tasks = (struct solver_tasks){.problem = problem, .n = n};
    tasks->fraction = mem_zalloc_array((size_t)n, sizeof *tasks->fraction);
    if (tasks->fraction == NULL || pthread_mutex_init(&tasks->lock, NULL) != 0) {
        mem_free(tasks->fraction);
        tasks->fraction = NULL;
        return err_set(err, ERR_NOMEM, "no memory for the progress of %d tasks", n);
    }
    return ERR_OK;
}

void solver_tasks_release(struct solver_tasks *tasks)
{
    if (tasks->fraction != NULL) {
        pthread_mutex_destroy(&tasks->lock);
        mem_free(tasks->fraction);
        tasks->fraction = NULL;
    }
}

void solver_tasks_progress(void *ctx, const struct progress *progress)
{
    struct solver_tasks *tasks = ctx;
    struct progress all = *progress;
    if (tasks->problem->progress == NULL) {
        return;
    }
    all.n_members = tasks->n;
    pthread_mutex_lock(&tasks->lock);
    tasks->sum += progress->fraction - tasks->fraction[progress->member];
    tasks->fraction[progress->member] = progress->fraction;
    all.fraction = fmin(1.0, tasks->sum / (double)tasks->n);
    tasks->problem->progress(tasks->problem->progress_ctx, &all);
    pthread_mutex_unlock(&tasks->lock);
}

void solver_tasks_tell_end(struct solver_tasks *tasks, int member, const struct fit_result *fit)
{
    const struct progress progress = {
        .member = member,
        .n_members = tasks->n,
        .step = fit->epochs,
        .n_steps = fit->epochs,
        .loss = fit->best_loss,
        .validation_loss = NAN,
        .fraction = 1.0,
    };
    solver_tasks_progress(tasks, &progress);
}

struct objective solver_objective(const struct solver_problem *problem)
{
    const struct solver_beliefs *b = &problem->beliefs;
    bool unknown = b->noise == NOISE_ESTIMATED && b->noise_sigmas == NULL;
    return (struct objective){
        .kind = unknown   ? OBJECTIVE_MSE
                : b->flat ? OBJECTIVE_NLL
                          : OBJECTIVE_NLP,
        .noise = b->noise,
        .noise_sigmas = b->noise_sigmas,
        .prior_sigmas = b->prior_sigmas,
        .n_total = problem->train.n,
        .terms = problem->terms,
        .cancel = problem->cancel,
    };
}

struct fit_settings solver_fit_settings(const struct solver_settings *settings)
{
    return (struct fit_settings){
        .epochs = settings->epochs,
        .batch_size = settings->batch_size,
        .patience = settings->patience,
        .shards = settings->shards,
        .optim = settings->optim,
    };
}

/* Networks have threads of their own where there are more threads than networks, or where the ranks
 * fit one network at a time. */
static int solver_shard_threads(const struct solver_problem *problem, int n)
{
    return ranks_together(problem->checkpoint) != NULL ? problem->n_threads
                                                       : problem->n_threads / n;
}

struct solver_part solver_part_of(struct solver_tasks *tasks,
                                  const struct solver_settings *settings, int member)
{
    return (struct solver_part){.tasks = tasks,
                                .settings = settings,
                                .member = member,
                                .task = member,
                                .from = 0.0,
                                .to = 1.0};
}

struct fit_problem solver_fit_problem(const struct solver_part *part, const struct loss *loss)
{
    const struct solver_problem *p = part->tasks->problem;
    return (struct fit_problem){
        .loss = *loss,
        .train = p->train,
        .validation = p->validation,
        .cancel = p->cancel,
        .checkpoint = p->checkpoint,
        .task = part->task,
        .progress = solver_tasks_progress,
        .progress_ctx = part->tasks,
        .member = part->member,
        .n_members = part->tasks->n,
        .n_threads = solver_shard_threads(p, part->tasks->n),
        .fraction_from = part->from,
        .fraction_to = part->to,
    };
}

enum err_code solver_fit(const struct solver_part *part, const struct loss *loss, struct rng *rng,
                         double *params, struct fit_result *result, struct err *err)
{
    struct fit_settings settings = solver_fit_settings(part->settings);
    struct fit_problem fit = solver_fit_problem(part, loss);
    return fit_run(&fit, &settings, rng, params, result, err);
}

void solver_start(const struct solver_problem *problem, const struct solver_settings *settings,
                  int member, int n_params, double *params)
{
    int k = problem->net->n_params;
    if (problem->start != NULL) {
        memcpy(params, solver_start_fit(problem->start, member, settings->members),
               (size_t)k * sizeof *params);
    } else {
        struct rng rng;
        rng_init(&rng, problem->seed, RNG_INIT, (uint32_t)member);
        fit_init_params(problem->net, settings->init_factor, &rng, params);
    }
    for (int i = k; i < n_params; i++) {
        params[i] = solver_start_log_s(problem, i - k);
    }
}

enum err_code solver_fit_objective(const struct solver_part *part,
                                   const struct objective *objective, double *params,
                                   struct fit_result *result, struct err *err)
{
    const struct solver_problem *p = part->tasks->problem;
    struct objective_loss loss = {.net = NULL};
    struct rng rng;
    if (objective_loss_init(&loss, objective, p->net, err) != ERR_OK) {
        return err->code;
    }
    struct loss as_loss = objective_loss_as_loss(&loss);
    solver_start(p, part->settings, part->member, as_loss.n_params, params);
    rng_init(&rng, p->seed, RNG_BATCH, (uint32_t)part->member);
    err_kept(solver_fit(part, &as_loss, &rng, params, result, err));
    objective_loss_release(&loss);
    return err->code;
}

enum err_code solver_fit_map(const struct solver_part *part, double *params,
                             struct fit_result *result, struct err *err)
{
    struct objective objective = solver_objective(part->tasks->problem);
    return solver_fit_objective(part, &objective, params, result, err);
}

/* ---- the check of a gradient ---- */

/* A wrong term is off by much more, rounding by less than 1e-7. */
#define GRADIENT_TOLERANCE 1e-5

struct checked {
    struct objective_loss loss;
    struct data rows;
};

static double checked_loss(void *ctx, const double *params, double *grad)
{
    struct checked *self = ctx;
    return objective_loss_eval(&self->loss, &self->rows, params, grad);
}

static enum err_code judge_gradient(const struct solver_problem *problem, double error,
                                    struct report *report, struct err *err)
{
    if (cancel_is_requested(problem->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled while the gradient was checked");
    }
    if (!(error <= GRADIENT_TOLERANCE)) {
        return err_set(err, ERR_NUMERIC,
                       "gradient_check: the gradient of the loss differs from differences by %.3g "
                       "of its size, more than %.3g",
                       error, GRADIENT_TOLERANCE);
    }
    return report_add_number(report, "gradient_check", error, err);
}

enum err_code solver_check_gradient(const struct solver_problem *problem,
                                    const struct solver_settings *settings, struct report *report,
                                    struct err *err)
{
    const struct objective objective = solver_objective(problem);
    const struct data *train = &problem->train;
    int n = objective_n_params(&objective, problem->net);
    int rows = train->n < SOLVER_CHECKED_ROWS ? train->n : SOLVER_CHECKED_ROWS;
    struct checked self = {.rows = data_part(train, 0, rows)};
    double error = 0.0;
    struct rng rng;
    double *params = mem_alloc_array((size_t)n, sizeof *params);
    if (params == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to check a gradient of %d parameters", n);
    }
    rng_init(&rng, problem->seed, RNG_CHECK, 0);
    if (objective_loss_init(&self.loss, &objective, problem->net, err) == ERR_OK) {
        solver_start(problem, settings, 0, n, params);
        const struct gradient_check check = {checked_loss, &self, n, params};
        if (gradient_check_run(&check, &rng, &error, err) == ERR_OK) {
            err_kept(judge_gradient(problem, error, report, err));
        }
    }
    objective_loss_release(&self.loss);
    mem_free(params);
    return err->code;
}

enum err_code solver_report_fits(struct report *report, int n, const struct fit_result *fits,
                                 struct err *err)
{
    double *values = mem_alloc_array(3 * (size_t)n, sizeof *values);
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a training report");
    }
    for (int i = 0; i < n; i++) {
        values[i] = fits[i].best_loss;
        values[n + i] = fits[i].best_epoch;
        values[2 * n + i] = fits[i].epochs;
    }
    if (report_add(report, "members.best_loss", n, values, err) == ERR_OK &&
        report_add(report, "members.best_epoch", n, values + n, err) == ERR_OK) {
        err_kept(report_add(report, "members.epochs", n, values + 2 * (size_t)n, err));
    }
    mem_free(values);
    return err->code;
}

static enum err_code new_noise(const struct solver_problem *problem, struct solver_result *result,
                               struct err *err)
{
    result->noise_sigma = mem_zalloc_array((size_t)problem->train.o, sizeof *result->noise_sigma);
    return result->noise_sigma != NULL ? ERR_OK
                                       : err_set(err, ERR_NOMEM, "no memory for the noise");
}

enum err_code solver_noise_of_draws(const struct solver_problem *problem, int m,
                                    const double *vectors, size_t stride,
                                    struct solver_result *result, struct err *err)
{
    if (new_noise(problem, result, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0; j < problem->train.o; j++) {
        double sum = 0.0;
        for (int i = 0; i < m; i++) {
            sum += exp(2.0 * vectors[(size_t)i * stride + (size_t)(problem->net->n_params + j)]);
        }
        result->noise_sigma[j] = sqrt(sum / (double)m);
    }
    return ERR_OK;
}

enum err_code solver_noise_of_beliefs(const struct solver_problem *problem,
                                      struct solver_result *result, struct err *err)
{
    if (problem->beliefs.noise_sigmas == NULL) {
        return ERR_OK;
    }
    if (new_noise(problem, result, err) == ERR_OK) {
        for (int j = 0; j < problem->train.o; j++) {
            result->noise_sigma[j] = problem->beliefs.noise_sigmas[j];
        }
    }
    return err->code;
}
