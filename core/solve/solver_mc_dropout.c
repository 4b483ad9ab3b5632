/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dropout that stays on at prediction [1]: a network is trained while random units of its state are
 * left out, and each draw of the posterior leaves out units of its own.
 *
 * Blocks share their weights W(t) = sum_k phi_k(t) W_k, so the masks are shared over depth too, as
 * [2] does for the steps of a recurrent network: unit j is left out of the input of the residual
 * branch of every block, or of none. z <- z + h act(W(t) (m z / (1-p)) + b(t)), with m in {0, 1}
 * independent for each unit, m = 0 with probability p; the skip path is whole. The post layer's
 * input has a mask of its own. So a masked network is a network with other parameters, in which
 * column j of every W_k and of W_post is multiplied by m_j / (1-p):
 *
 *   training    the objective at params * mask, its gradient times the mask
 *   a draw      params * mask, the mask of the stream (seed, RNG_MASK, draw)
 *   validation  the params themselves, the mean network
 *
 * Each minibatch is evaluated in SUB_BATCHES parts, each with a mask of its own. A single mask for
 * all rows of a minibatch makes gradients noisier; one for each row would need separate weights for
 * each row. On four splits of UCI energy and concrete (width 32, 2 blocks, batch 64, 200 epochs,
 * p = 0.05) the test RMSE was
 *
 *   masks      1      2      4      8
 *   energy     0.60   0.55   0.57   0.55
 *   concrete   5.37   5.31   5.34   5.29
 *
 * The prior applies to the parameters themselves, not to the masked ones.
 *
 * With estimated noise the loss is the squared error. Every member is a network of its own with
 * `draws` masks. QUiNN has no dropout solver.
 *
 * [1] Y. Gal, Z. Ghahramani, Dropout as a Bayesian approximation, ICML 2016.
 * [2] Y. Gal, Z. Ghahramani, A theoretically grounded application of dropout in recurrent neural
 *     networks, NeurIPS 2016.
 */
#include "solve/solver_mc_dropout.h"

#include "base/mem.h"
#include "solve/solver_priv.h"

#include <string.h>

#define SUB_BATCHES 4 /* masks for each minibatch; table above */

/* ---- masks ---- */

/* Every row of out [rows x r] becomes the mask [r]. */
static void set_columns(const double *mask, int rows, int r, double *out)
{
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < r; j++) {
            out[(size_t)i * (size_t)r + (size_t)j] = mask[j];
        }
    }
}

static void draw_units(double p, struct rng *rng, int r, double *mask)
{
    for (int j = 0; j < r; j++) {
        mask[j] = rng_uniform(rng) < p ? 0.0 : 1.0 / (1.0 - p);
    }
}

void mc_dropout_mask(const struct resnet *net, double p, struct rng *rng, double *mask)
{
    double units[ARCH_MAX_WIDTH];
    int r = net->arch.width;
    for (int k = 0; k < net->n_params; k++) {
        mask[k] = 1.0;
    }
    draw_units(p, rng, r, units);
    set_columns(units, net->n_coef * r, r, mask + net->off.ww);
    if (net->off.weight_post >= 0) {
        draw_units(p, rng, r, units);
        set_columns(units, net->arch.outputs, r, mask + net->off.weight_post);
    }
}

struct draws {
    int n;
    size_t k;
    const double *values; /* [n x k] */
};

/* A column of a matrix among the parameters. */
struct column {
    size_t first; /* parameter */
    size_t rows;
    size_t stride;
};

/* Copies a column, times a factor, from the first draw that does not leave it out. False when all
 * draws leave it out. */
static bool find_column(struct column column, const struct draws *draws, double factor,
                        double *network)
{
    for (int i = 0; i < draws->n; i++) {
        const double *from = draws->values + (size_t)i * draws->k + column.first;
        double *to = network + column.first;
        bool there = false;
        for (size_t row = 0; row < column.rows; row++) {
            there = there || from[row * column.stride] != 0.0;
        }
        for (size_t row = 0; there && row < column.rows; row++) {
            to[row * column.stride] = from[row * column.stride] * factor;
        }
        if (there) {
            return true;
        }
    }
    return false;
}

bool mc_dropout_network(const struct resnet *net, double p, int n, const double *draws,
                        double *network)
{
    const struct draws all = {.n = n, .k = (size_t)net->n_params, .values = draws};
    size_t r = (size_t)net->arch.width;
    memcpy(network, draws, all.k * sizeof *network);
    for (size_t j = 0; j < r; j++) {
        struct column ww = {(size_t)net->off.ww + j, (size_t)net->n_coef * r, r};
        if (!find_column(ww, &all, 1.0 - p, network)) {
            return false;
        }
    }
    for (size_t j = 0; net->off.weight_post >= 0 && j < r; j++) {
        struct column post = {(size_t)net->off.weight_post + j, (size_t)net->arch.outputs, r};
        if (!find_column(post, &all, 1.0 - p, network)) {
            return false;
        }
    }
    return true;
}

/* ---- the loss ---- */

/* The rows of part s; empty ones are possible. */
static struct data sub_batch(const struct data *rows, int s)
{
    int first = (int)((long)rows->n * s / SUB_BATCHES);
    int end = (int)((long)rows->n * (s + 1) / SUB_BATCHES);
    return data_part(rows, first, end - first);
}

/* Loss of the masked network, its gradient by the parameters in self->part. */
static double eval_masked(struct mc_dropout_loss *self, const struct data *rows,
                          const double *params, bool with_grad, struct rng *rng)
{
    int k = self->inner.net->n_params;
    mc_dropout_mask(self->inner.net, self->p, rng, self->mask);
    for (int i = 0; i < self->n_params; i++) {
        self->masked[i] = i < k ? params[i] * self->mask[i] : params[i];
    }
    double value =
        objective_loss_eval(&self->inner, rows, self->masked, with_grad ? self->part : NULL);
    for (int i = 0; with_grad && i < k; i++) {
        self->part[i] *= self->mask[i];
    }
    return value;
}

static double add_prior(const struct mc_dropout_loss *self, int n, const double *params,
                        double *grad)
{
    return self->prior.kind == OBJECTIVE_NLP
               ? objective_prior(&self->prior, self->inner.net, n, params, grad)
               : 0.0;
}

static double train_loss(void *ctx, const struct data *rows, const double *params, double *grad,
                         struct rng *rng)
{
    struct mc_dropout_loss *self = ctx;
    bool is_mean = self->inner.objective.kind == OBJECTIVE_MSE;
    double value = 0.0;
    if (self->p <= 0.0) {
        value = objective_loss_eval(&self->inner, rows, params, grad);
        return value + add_prior(self, rows->n, params, grad);
    }
    for (int i = 0; grad != NULL && i < self->n_params; i++) {
        grad[i] = 0.0;
    }
    for (int s = 0; s < SUB_BATCHES; s++) {
        struct data part = sub_batch(rows, s);
        double share = is_mean ? (double)part.n / (double)rows->n : 1.0;
        if (part.n == 0) {
            continue;
        }
        value += share * eval_masked(self, &part, params, grad != NULL, rng);
        for (int i = 0; grad != NULL && i < self->n_params; i++) {
            grad[i] += share * self->part[i];
        }
    }
    return value + add_prior(self, rows->n, params, grad);
}

static double validation_loss(void *ctx, const struct data *rows, const double *params)
{
    struct mc_dropout_loss *self = ctx;
    return objective_loss_eval(&self->inner, rows, params, NULL) +
           add_prior(self, rows->n, params, NULL);
}

enum err_code mc_dropout_loss_init(struct mc_dropout_loss *self, const struct objective *objective,
                                   const struct resnet *net, double p, struct err *err)
{
    struct objective likelihood = *objective;
    *self = (struct mc_dropout_loss){.prior = *objective, .p = p};
    if (likelihood.kind == OBJECTIVE_NLP) {
        likelihood.kind = OBJECTIVE_NLL;
    }
    self->n_params = objective_n_params(objective, net);
    if (objective_loss_init(&self->inner, &likelihood, net, err) != ERR_OK) {
        return err->code;
    }
    self->mask = mem_alloc_array((size_t)net->n_params, sizeof *self->mask);
    self->masked = mem_alloc_array((size_t)self->n_params, sizeof *self->masked);
    self->part = mem_alloc_array((size_t)self->n_params, sizeof *self->part);
    if (self->mask == NULL || self->masked == NULL || self->part == NULL) {
        mc_dropout_loss_release(self);
        return err_set(err, ERR_NOMEM, "no memory for the masks of a network");
    }
    return ERR_OK;
}

void mc_dropout_loss_release(struct mc_dropout_loss *self)
{
    objective_loss_release(&self->inner);
    mem_free(self->mask);
    mem_free(self->masked);
    mem_free(self->part);
    *self = (struct mc_dropout_loss){.mask = NULL};
}

struct loss mc_dropout_loss_as_loss(struct mc_dropout_loss *self)
{
    return (struct loss){
        .ctx = self,
        .n_params = self->n_params,
        .is_mean = self->inner.objective.kind == OBJECTIVE_MSE,
        .is_random = self->p > 0.0,
        .train = train_loss,
        .value = validation_loss,
    };
}

/* ---- the solver ---- */

struct dropout {
    struct solver_members members;
    struct objective objective;
    double *draws; /* [members x draws x K], borrowed */
};

/* params * mask for each draw of a member. */
static void make_draws(const struct dropout *dropout, int member, const double *params)
{
    const struct solver_problem *p = dropout->members.tasks.problem;
    const struct solver_settings *s = dropout->members.settings;
    int k = p->net->n_params;
    for (int i = 0; i < s->draws; i++) {
        size_t number = (size_t)member * (size_t)s->draws + (size_t)i;
        double *draw = dropout->draws + number * (size_t)k;
        struct rng rng;
        rng_init(&rng, p->seed, RNG_MASK, (uint32_t)number);
        mc_dropout_mask(p->net, s->dropout, &rng, draw);
        for (int j = 0; j < k; j++) {
            draw[j] *= params[j];
        }
    }
}

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct dropout *dropout = ctx;
    struct solver_members *members = &dropout->members;
    const struct solver_problem *p = members->tasks.problem;
    double *params = solver_members_params(members, member);
    struct mc_dropout_loss loss = {.mask = NULL};
    (void)worker;
    if (mc_dropout_loss_init(&loss, &dropout->objective, p->net, members->settings->dropout, err) ==
        ERR_OK) {
        struct loss as_loss = mc_dropout_loss_as_loss(&loss);
        solver_start(p, members->settings, member, members->n_params, params);
        if (solver_members_fit(members, member, &as_loss, NULL, err) == ERR_OK) {
            make_draws(dropout, member, params);
        }
    }
    mc_dropout_loss_release(&loss);
    return err->code;
}

static enum err_code run_dropout(const struct solver_problem *problem,
                                 const struct solver_settings *settings,
                                 struct solver_result *result, struct err *err)
{
    struct dropout dropout = {.objective = solver_objective(problem)};
    if (solver_draws_new(result, problem->net, err) != ERR_OK) {
        return err->code;
    }
    dropout.draws = result->draws;
    if (solver_members_init(&dropout.members, problem, settings,
                            objective_n_params(&dropout.objective, problem->net), err) == ERR_OK &&
        solver_members_run(&dropout.members, run_member, &dropout, result, err) == ERR_OK) {
        /* A warm start needs it to recover the networks from the draws. */
        if (report_add_number(&result->report, MC_DROPOUT_REPORTED, settings->dropout, err) ==
            ERR_OK) {
            err_kept(solver_members_tell(&dropout.members, problem->net->n_params, result, err));
        }
    }
    solver_members_release(&dropout.members);
    return err->code;
}

static bool find_network(const struct solver_start *start, int n, const double *draws,
                         double *network)
{
    const struct report_item *p = report_find(start->report, MC_DROPOUT_REPORTED);
    return p != NULL && p->n == 1 && p->values[0] >= 0.0 && p->values[0] < 1.0 &&
           mc_dropout_network(start->net, p->values[0], n, draws, network);
}

const struct solver_ops solver_mc_dropout_ops = {
    .poor_for_few = true,
    .run = run_dropout,
    .weighs = true,
    .terms = true,
    .draws = DRAWS_OF_MEMBERS,
    .one_member = true,
    .noises = NOISES_ALL,
    .noise = NOISE_ESTIMATED,
    .squared_error = true,
    .random_loss = true,
    .groups = "members.best_loss",
    .find_network = find_network,
    .no_network =
        "a warm start needs the networks that mc_dropout fitted, which cannot be recovered from "
        "this model's draws: its report lacks the dropout probability, or some unit is left out "
        "of every draw; start cold, with more draws",
};
