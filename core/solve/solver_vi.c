/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variational inference with independent Gaussians, Bayes by Backprop [1], like QUiNN's NN_VI: the
 * posterior of weight k is N(mu_k, exp(rho_k)^2), and
 *
 *   loss = (log q(w) - log p(w)) n / N + negative log likelihood of n of N rows at w
 *   w = mu + exp(rho) epsilon,  epsilon ~ N(0, 1)
 *
 * is minimised over mu and rho; each minibatch has vi_samples draws of epsilon, averaged.
 *
 * Along a draw log q depends on rho alone (epsilon is held): d log q / d mu = 0 and d log q / d
 * rho_k = -1. With g = d/dw (nll - log p n/N), the gradient with respect to mu_k is g_k, and that
 * with respect to rho_k is g_k exp(rho_k) epsilon_k - n/N.
 *
 * The mixture prior's logarithm is summed by its larger term first (log-sum-exp): either density
 * underflows a few dozen standard deviations out.
 *
 * exp(rho) is what QUiNN's code has; [1] and QUiNN's documentation say log(1 + exp(rho)). Where we
 * differ: the share of the prior is n/N, not one over the number of minibatches, which differ only
 * when the last minibatch is smaller. Learned log s_j are plain parameters without a width, under
 * the weak prior of objective.h. The prior of the weights is this solver's own (prior_pi,
 * prior_sigma1, prior_sigma2), not the one of the beliefs. The validation loss is taken at mu.
 *
 * [1] C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra, Weight uncertainty in neural
 *     networks, ICML 2015.
 */
#include "solve/solver_vi.h"

#include "base/mem.h"
#include "solve/solver_priv.h"

#include <math.h>
#include <string.h>

#define HALF_LOG_TWO_PI 0.918938533204672742
#define MIN_RHO         (-30.0) /* of an earlier Gaussian, as of log_sigma_start */

/* ---- the loss ---- */

/* The prior's two densities at 0, as logarithms, and their precisions. */
struct mixture {
    double log_a, log_b;
    double precision_a, precision_b;
};

static struct mixture mixture_of(const struct vi_prior *prior)
{
    return (struct mixture){
        .log_a = log(prior->pi) - log(prior->sigma1) - HALF_LOG_TWO_PI,
        .log_b = log1p(-prior->pi) - log(prior->sigma2) - HALF_LOG_TWO_PI,
        .precision_a = 1.0 / (prior->sigma1 * prior->sigma1),
        .precision_b = 1.0 / (prior->sigma2 * prior->sigma2),
    };
}

/* log p(w) of one weight; *slope is its derivative with respect to w. A component of weight 0 has
 * log density -inf. */
static double log_prior(const struct mixture *m, double w, double *slope)
{
    double a = m->log_a - 0.5 * w * w * m->precision_a;
    double b = m->log_b - 0.5 * w * w * m->precision_b;
    double larger = fmax(a, b);
    double by_a = exp(a - larger);
    double by_b = exp(b - larger);
    double sum = by_a + by_b;
    *slope = -w * (by_a * m->precision_a + by_b * m->precision_b) / sum;
    return larger + log(sum);
}

enum err_code vi_loss_init(struct vi_loss *self, const struct objective *objective,
                           const struct resnet *net, const struct vi_prior *prior, int n_samples,
                           struct err *err)
{
    size_t n = (size_t)objective_n_params(objective, net);
    *self = (struct vi_loss){.prior = *prior, .n_samples = n_samples};
    if (objective_loss_init(&self->inner, objective, net, err) != ERR_OK) {
        return err->code;
    }
    self->epsilon = mem_zalloc_array((size_t)net->n_params, sizeof *self->epsilon);
    self->weights = mem_alloc_array(n, sizeof *self->weights);
    self->part = mem_alloc_array(n, sizeof *self->part);
    if (self->epsilon == NULL || self->weights == NULL || self->part == NULL) {
        vi_loss_release(self);
        return err_set(err, ERR_NOMEM, "no memory for the variational loss");
    }
    return ERR_OK;
}

void vi_loss_release(struct vi_loss *self)
{
    objective_loss_release(&self->inner);
    mem_free(self->epsilon);
    mem_free(self->weights);
    mem_free(self->part);
    *self = (struct vi_loss){.epsilon = NULL};
}

int vi_n_params(const struct vi_loss *self)
{
    const struct resnet *net = self->inner.net;
    return net->n_params + objective_n_params(&self->inner.objective, net);
}

/* self->weights: mu or a draw around it, and the learned log s_j. */
static void set_weights(struct vi_loss *self, const double *params, bool draw)
{
    int k = self->inner.net->n_params;
    int learned = objective_n_params(&self->inner.objective, self->inner.net) - k;
    for (int i = 0; i < k; i++) {
        self->weights[i] = params[i] + (draw ? exp(params[k + i]) * self->epsilon[i] : 0.0);
    }
    memcpy(self->weights + k, params + 2 * (ptrdiff_t)k, (size_t)learned * sizeof *params);
}

double vi_loss_eval(struct vi_loss *self, const struct data *rows, const double *params,
                    double *grad, struct vi_parts *parts)
{
    double scale = 1.0 / (double)self->n_samples;
    int k = self->inner.net->n_params;
    int all = objective_n_params(&self->inner.objective, self->inner.net);
    double share = (double)rows->n / (double)self->inner.objective.n_total;
    struct mixture mixture = mixture_of(&self->prior);
    struct vi_parts found = {.log_q = 0.0};
    set_weights(self, params, true);
    found.nll =
        objective_loss_eval(&self->inner, rows, self->weights, grad != NULL ? self->part : NULL);
    for (int i = 0; i < k; i++) {
        double slope;
        double epsilon = self->epsilon[i];
        found.log_q -= HALF_LOG_TWO_PI + params[k + i] + 0.5 * epsilon * epsilon;
        found.log_prior += log_prior(&mixture, self->weights[i], &slope);
        if (grad != NULL) {
            double g = self->part[i] - share * slope;
            double offset = exp(params[k + i]) * epsilon;
            grad[i] += scale * g;
            grad[k + i] += scale * (g * offset - share);
        }
    }
    for (int i = k; i < all; i++) {
        double dev = (params[k + i] - OBJECTIVE_LOG_S_MEAN) / OBJECTIVE_LOG_S_SD;
        found.log_prior -= HALF_LOG_TWO_PI + log(OBJECTIVE_LOG_S_SD) + 0.5 * dev * dev;
        if (grad != NULL) {
            grad[k + i] += scale * (self->part[i] + share * dev / OBJECTIVE_LOG_S_SD);
        }
    }
    if (parts != NULL) {
        *parts = found;
    }
    return scale * (share * (found.log_q - found.log_prior) + found.nll);
}

static double train_loss(void *ctx, const struct data *rows, const double *params, double *grad,
                         struct rng *rng)
{
    struct vi_loss *self = ctx;
    double value = 0.0;
    if (grad != NULL) {
        memset(grad, 0, (size_t)vi_n_params(self) * sizeof *grad);
    }
    for (int s = 0; s < self->n_samples; s++) {
        for (int i = 0; i < self->inner.net->n_params; i++) {
            self->epsilon[i] = rng_normal(rng);
        }
        value += vi_loss_eval(self, rows, params, grad, NULL);
    }
    return value;
}

static double validation_loss(void *ctx, const struct data *rows, const double *params)
{
    struct vi_loss *self = ctx;
    set_weights(self, params, false);
    return objective_loss_eval(&self->inner, rows, self->weights, NULL);
}

struct loss vi_loss_as_loss(struct vi_loss *self)
{
    return (struct loss){
        .ctx = self,
        .n_params = vi_n_params(self),
        .is_mean = false,
        .is_random = true,
        .train = train_loss,
        .value = validation_loss,
    };
}

/* ---- the solver ---- */

struct vi {
    struct solver_members members;
    struct objective objective;
    struct gauss_mixture *mixture;
};

/* The fitted Gaussian. */
static void keep_gaussian(const struct vi *vi, int member, const double *params)
{
    struct gauss *g = &vi->mixture->members[member];
    memcpy(g->mean, params, (size_t)g->n * sizeof *g->mean);
    for (int i = 0; i < g->n; i++) {
        g->std[i] = exp(params[g->n + i]);
    }
}

/* mu, rho, and learned log s_j; rho is an earlier Gaussian's where that has one. */
static void set_start(const struct vi *vi, int member, double *params)
{
    const struct solver_problem *p = vi->members.tasks.problem;
    const struct solver_settings *s = vi->members.settings;
    int k = p->net->n_params;
    solver_start(p, s, member, k, params);
    for (int i = 0; i < k; i++) {
        params[k + i] = s->log_sigma_start;
    }
    for (int i = 2 * k; i < vi->members.n_params; i++) {
        params[i] = solver_start_log_s(p, i - 2 * k);
    }
    if (p->start != NULL && p->start->gaussian->n_members > 0) {
        const struct gauss_mixture *mixture = p->start->gaussian;
        const struct gauss *g = &mixture->members[member % mixture->n_members];
        for (int i = 0; g->std != NULL && i < g->n; i++) {
            params[k + g->first + i] = fmax(log(g->std[i]), MIN_RHO);
        }
    }
}

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct vi *vi = ctx;
    struct solver_members *members = &vi->members;
    const struct solver_problem *p = members->tasks.problem;
    const struct solver_settings *s = members->settings;
    double *params = solver_members_params(members, member);
    struct vi_loss loss = {.epsilon = NULL};
    struct vi_prior prior = {
        .pi = s->prior_pi, .sigma1 = s->prior_sigma1, .sigma2 = s->prior_sigma2};
    (void)worker;
    if (vi_loss_init(&loss, &vi->objective, p->net, &prior, s->vi_samples, err) == ERR_OK) {
        struct loss as_loss = vi_loss_as_loss(&loss);
        set_start(vi, member, params);
        if (solver_members_fit(members, member, &as_loss, NULL, err) == ERR_OK) {
            keep_gaussian(vi, member, params);
        }
    }
    vi_loss_release(&loss);
    return err->code;
}

static enum err_code run_vi(const struct solver_problem *problem,
                            const struct solver_settings *settings, struct solver_result *result,
                            struct err *err)
{
    struct vi vi = {.objective = solver_objective(problem), .mixture = &result->gaussian};
    int k = problem->net->n_params;
    vi.objective.kind = OBJECTIVE_NLL;
    int n_params = k + objective_n_params(&vi.objective, problem->net);
    const struct gauss_shape shape = {.n_params = k, .n = k, .with_std = true};
    if (solver_gaussians_new(result, problem, settings, &shape, err) != ERR_OK) {
        return err->code;
    }
    if (solver_members_init(&vi.members, problem, settings, n_params, err) == ERR_OK &&
        solver_members_run(&vi.members, run_member, &vi, result, err) == ERR_OK &&
        solver_check_gaussian(&result->gaussian, k, err) == ERR_OK) {
        err_kept(solver_members_tell(&vi.members, 2 * k, result, err));
    }
    solver_members_release(&vi.members);
    return err->code;
}

const struct solver_ops solver_vi_ops = {
    .poor_for_few = true,
    .run = run_vi,
    .weighs = true,
    .terms = true,
    .draws = DRAWS_OF_MEMBERS,
    .one_member = true,
    .noises = NOISES_ALL,
    .noise = NOISE_LEARNED,
    .random_loss = true,
};
