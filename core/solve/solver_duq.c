/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delta-UQ [1]: a network is trained on (c, x - c) instead of x, where the anchor c is another
 * training row. Any anchor may be chosen for a prediction, and the spread of the answers over
 * anchors is the uncertainty. Each draw of the posterior belongs to one anchor.
 *
 *   training    at each step the rows of the minibatch are anchors of each other, in a random order
 *   draws       `draws` random training rows, none twice before all were used, from the stream
 *               (seed, RNG_ANCHOR, member)
 *   validation  row i has the anchor of draw i (mod draws), so the validation loss is deterministic
 *
 * The first layer is linear before its activation, so that for a fixed anchor
 *
 *   W (c; x - c) + b = W_delta x + (b + (W_c - W_delta) c),    W = (W_c  W_delta)
 *
 * and the whole is an ordinary network of x: a draw is a parameter vector of the model's own
 * architecture, and is served as any other. This needs a pre layer.
 *
 * A draw does not show which b and W_c its bias was made from. The report stores both for a warm
 * start, unless they are too many values for a report. A start from an ordinary network would have
 * to set W_c = W_delta = W. Its answers would not depend on the anchor, and where the fit is good
 * nothing would ever change that, so such a start is refused.
 *
 * With estimated noise the loss is the squared error. The prior of W_c and of W_delta is that of
 * the pre layer's weight in the same place. QUiNN has no such solver yet.
 *
 * [1] J. J. Thiagarajan, R. Anirudh, V. Narayanaswamy, P.-T. Bremer, Single model uncertainty
 *     estimation via stochastic data centering, NeurIPS 2022.
 */
#include "solve/solver_duq.h"

#include "base/mem.h"
#include "solve/solver_priv.h"

#include <string.h>

/* ---- from the inner network's parameters to the model's ---- */

struct arch duq_inner_arch(const struct arch *arch)
{
    struct arch inner = *arch;
    inner.inputs = 2 * arch->inputs;
    return inner;
}

/* The pre layer's weight is the only block that differs, and stands first. */
void duq_fold(const struct resnet *net, const double *params, const double *anchor, double *draw)
{
    int d = net->arch.inputs;
    int r = net->arch.width;
    size_t more = (size_t)r * (size_t)d;
    for (int k = net->off.bias_pre; k < net->n_params; k++) {
        draw[k] = params[(size_t)k + more];
    }
    for (int i = 0; i < r; i++) {
        const double *by_anchor = params + 2 * (size_t)i * (size_t)d;
        const double *by_delta = by_anchor + d;
        double shift = 0.0;
        for (int j = 0; j < d; j++) {
            draw[net->off.weight_pre + i * d + j] = by_delta[j];
            shift += (by_anchor[j] - by_delta[j]) * anchor[j];
        }
        draw[net->off.bias_pre + i] += shift;
    }
}

/* Values of the model's parameters as those of the inner network, [K] -> [K + r d]. */
static void unfold_params(const struct resnet *net, const double *values, double *inner)
{
    size_t d = (size_t)net->arch.inputs;
    size_t r = (size_t)net->arch.width;
    for (size_t i = 0; i < r; i++) {
        memcpy(inner + 2 * i * d, values + i * d, d * sizeof *inner);
        memcpy(inner + (2 * i + 1) * d, values + i * d, d * sizeof *inner);
    }
    memcpy(inner + 2 * r * d, values + r * d, ((size_t)net->n_params - r * d) * sizeof *inner);
}

/* ---- what the report keeps of each network ---- */

#define REPORTED_WEIGHTS "duq.anchor_weights" /* [members x r x d] W_c */
#define REPORTED_BIASES  "duq.bias"           /* [members x r] b */

static enum err_code report_networks(const struct solver_members *members, const struct resnet *net,
                                     struct report *report, struct err *err)
{
    size_t d = (size_t)net->arch.inputs;
    size_t r = (size_t)net->arch.width;
    size_t n = (size_t)members->tasks.n;
    if (n * r * d > REPORT_MAX_VALUES) {
        return ERR_OK;
    }
    double *weights = mem_alloc_array(n * r * (d + 1), sizeof *weights);
    if (weights == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a training report");
    }
    double *biases = weights + n * r * d;
    for (size_t k = 0; k < n; k++) {
        const double *params = solver_members_params(members, (int)k);
        for (size_t i = 0; i < r; i++) {
            memcpy(weights + (k * r + i) * d, params + 2 * i * d, d * sizeof *weights);
        }
        memcpy(biases + k * r, params + 2 * r * d, r * sizeof *biases);
    }
    if (report_add(report, REPORTED_WEIGHTS, (int)(n * r * d), weights, err) == ERR_OK) {
        err_kept(report_add(report, REPORTED_BIASES, (int)(n * r), biases, err));
    }
    mem_free(weights);
    return err->code;
}

/* The number of networks that the start's report describes, each at the first draw of its group; 0
 * when it describes none. */
static int reported_networks(const struct solver_start *start, int r, int d,
                             const struct report_item **weights, const struct report_item **biases)
{
    *weights = report_find(start->report, REPORTED_WEIGHTS);
    *biases = report_find(start->report, REPORTED_BIASES);
    if (*weights == NULL || *biases == NULL) {
        return 0;
    }
    int n = (*biases)->n / r;
    bool fit = n <= start->n_groups && (*biases)->n == n * r &&
               (int64_t)(*weights)->n == (int64_t)(*biases)->n * d;
    return fit ? n : 0;
}

/* The inner network at which a warm fit starts. */
static void start_from_earlier(const struct resnet *net, const struct solver_start *start,
                               int member, double *params)
{
    size_t d = (size_t)net->arch.inputs;
    size_t r = (size_t)net->arch.width;
    const struct report_item *weights;
    const struct report_item *biases;
    int n = reported_networks(start, (int)r, (int)d, &weights, &biases);
    size_t k = (size_t)(member % n);
    size_t draw = k * (size_t)(start->m / start->n_groups);
    unfold_params(net, start->draws + draw * (size_t)net->n_params, params);
    for (size_t i = 0; i < r; i++) {
        memcpy(params + 2 * i * d, weights->values + (k * r + i) * d, d * sizeof *params);
    }
    memcpy(params + 2 * r * d, biases->values + k * r, r * sizeof *params);
}

static enum err_code check_duq_start(const struct solver_start *start, struct err *err)
{
    const struct report_item *weights;
    const struct report_item *biases;
    if (solver_start_needs(start, SOLVER_DUQ, err) != ERR_OK) {
        return err->code;
    }
    if (reported_networks(start, start->net->arch.width, start->net->arch.inputs, &weights,
                          &biases) == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "duq cannot start warm from a model whose report lacks %s and %s",
                       REPORTED_WEIGHTS, REPORTED_BIASES);
    }
    return ERR_OK;
}

/* ---- the loss ---- */

struct duq {
    struct solver_members members;
    struct resnet inner;
    struct objective objective; /* of the inner network */
    double *prior_sigmas;       /* [inner.n_params], owned */
    int max_rows;               /* in one call of the loss */
    double *draws;              /* [members x draws x K], borrowed */
};

struct duq_loss {
    const struct duq *duq;
    struct objective_loss inner;
    int *anchors; /* [train.n] rows that are anchors of the draws, in their order */
    int *order;   /* [max_rows] */
    double *x;    /* [max_rows x 2 d] */
};

/* x2 = (c, x - c) */
static void join_anchor(int d, const double *anchor, const double *x, double *x2)
{
    for (int j = 0; j < d; j++) {
        x2[j] = anchor[j];
        x2[d + j] = x[j] - anchor[j];
    }
}

/* The rows with their joined inputs, which are in self->x. */
static struct data joined_rows(const struct duq_loss *self, const struct data *rows)
{
    struct data both = *rows;
    both.d = 2 * rows->d;
    both.x = self->x;
    return both;
}

static double train_loss(void *ctx, const struct data *rows, const double *params, double *grad,
                         struct rng *rng)
{
    struct duq_loss *self = ctx;
    size_t d = (size_t)rows->d;
    rng_permutation(rng, rows->n, self->order);
    for (size_t i = 0; i < (size_t)rows->n; i++) {
        join_anchor(rows->d, rows->x + (size_t)self->order[i] * d, rows->x + i * d,
                    self->x + 2 * i * d);
    }
    struct data both = joined_rows(self, rows);
    return objective_loss_eval(&self->inner, &both, params, grad);
}

/* The training row that is the anchor of a draw. */
static const double *anchor_of(const struct duq_loss *self, int draw)
{
    const struct data *train = &self->duq->members.tasks.problem->train;
    return train->x + (size_t)self->anchors[draw % train->n] * (size_t)train->d;
}

static double validation_loss(void *ctx, const struct data *rows, const double *params)
{
    struct duq_loss *self = ctx;
    size_t d = (size_t)rows->d;
    for (int i = 0; i < rows->n; i++) {
        join_anchor(rows->d, anchor_of(self, i % self->duq->members.settings->draws),
                    rows->x + (size_t)i * d, self->x + 2 * (size_t)i * d);
    }
    struct data both = joined_rows(self, rows);
    return objective_loss_eval(&self->inner, &both, params, NULL);
}

static void duq_loss_release(struct duq_loss *self)
{
    objective_loss_release(&self->inner);
    mem_free(self->anchors);
    mem_free(self->order);
    mem_free(self->x);
}

static enum err_code duq_loss_init(struct duq_loss *self, const struct duq *duq, int member,
                                   struct err *err)
{
    const struct solver_problem *p = duq->members.tasks.problem;
    size_t rows = (size_t)duq->max_rows;
    struct rng rng;
    *self = (struct duq_loss){.duq = duq};
    if (objective_loss_init(&self->inner, &duq->objective, &duq->inner, err) != ERR_OK) {
        return err->code;
    }
    self->anchors = mem_alloc_array((size_t)p->train.n, sizeof *self->anchors);
    self->order = mem_alloc_array(rows, sizeof *self->order);
    self->x = mem_alloc_array(rows * 2 * (size_t)p->train.d, sizeof *self->x);
    if (self->anchors == NULL || self->order == NULL || self->x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the anchors of a member");
    }
    rng_init(&rng, p->seed, RNG_ANCHOR, (uint32_t)member);
    rng_permutation(&rng, p->train.n, self->anchors);
    return ERR_OK;
}

/* ---- the solver ---- */

/* Where a member's fit begins. */
static void set_start(const struct duq *duq, int member, double *params)
{
    const struct solver_members *members = &duq->members;
    const struct solver_problem *p = members->tasks.problem;
    if (p->start != NULL) {
        start_from_earlier(p->net, p->start, member, params);
    } else {
        struct rng rng;
        rng_init(&rng, p->seed, RNG_INIT, (uint32_t)member);
        fit_init_params(&duq->inner, members->settings->init_factor, &rng, params);
    }
    for (int k = duq->inner.n_params; k < members->n_params; k++) {
        params[k] = solver_start_log_s(p, k - duq->inner.n_params);
    }
}

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct duq *duq = ctx;
    struct solver_members *members = &duq->members;
    const struct solver_problem *p = members->tasks.problem;
    const struct solver_settings *s = members->settings;
    double *params = solver_members_params(members, member);
    struct duq_loss loss = {.duq = NULL};
    (void)worker;
    if (duq_loss_init(&loss, duq, member, err) != ERR_OK) {
        goto done;
    }
    struct loss as_loss = objective_loss_as_loss(&loss.inner);
    as_loss.ctx = &loss;
    as_loss.is_random = true;
    as_loss.train = train_loss;
    as_loss.value = validation_loss;
    set_start(duq, member, params);
    if (solver_members_fit(members, member, &as_loss, NULL, err) == ERR_OK) {
        for (int i = 0; i < s->draws; i++) {
            size_t number = (size_t)member * (size_t)s->draws + (size_t)i;
            duq_fold(p->net, params, anchor_of(&loss, i),
                     duq->draws + number * (size_t)p->net->n_params);
        }
    }
done:
    duq_loss_release(&loss);
    return err->code;
}

/* Inner network, its objective and prior, room for the draws. */
static enum err_code prepare_duq(struct duq *duq, const struct solver_problem *problem,
                                 const struct solver_settings *settings,
                                 struct solver_result *result, struct err *err)
{
    int n = problem->train.n;
    int batch = settings->batch_size > 0 && settings->batch_size < n ? settings->batch_size : n;
    struct arch arch = duq_inner_arch(&problem->net->arch);
    if (n < 1) {
        return err_set(err, ERR_INVALID, "no rows to train on");
    }
    if (resnet_init(&duq->inner, &arch, err) != ERR_OK) {
        err_prefix(err, "duq doubles the inputs");
        return err->code;
    }
    duq->max_rows = batch > problem->validation.n ? batch : problem->validation.n;
    duq->objective = solver_objective(problem);
    duq->prior_sigmas = mem_zalloc_array((size_t)duq->inner.n_params, sizeof(double));
    if (duq->prior_sigmas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a network of anchors");
    }
    if (solver_draws_new(result, problem->net, err) != ERR_OK) {
        return err->code;
    }
    duq->draws = result->draws;
    if (problem->beliefs.prior_sigmas != NULL) {
        unfold_params(problem->net, problem->beliefs.prior_sigmas, duq->prior_sigmas);
    }
    duq->objective.prior_sigmas = duq->prior_sigmas;
    return ERR_OK;
}

static enum err_code run_duq(const struct solver_problem *problem,
                             const struct solver_settings *settings, struct solver_result *result,
                             struct err *err)
{
    struct duq duq = {.draws = NULL};
    if (prepare_duq(&duq, problem, settings, result, err) == ERR_OK &&
        solver_members_init(&duq.members, problem, settings,
                            objective_n_params(&duq.objective, &duq.inner), err) == ERR_OK &&
        solver_members_run(&duq.members, run_member, &duq, result, err) == ERR_OK) {
        if (solver_members_tell(&duq.members, duq.inner.n_params, result, err) == ERR_OK) {
            err_kept(report_networks(&duq.members, problem->net, &result->report, err));
        }
    }
    solver_members_release(&duq.members);
    resnet_release(&duq.inner);
    mem_free(duq.prior_sigmas);
    return err->code;
}

static enum err_code check_size(const struct solver_settings *settings, const struct resnet *net,
                                bool flat, struct err *err)
{
    struct arch inner = duq_inner_arch(&net->arch);
    (void)settings;
    (void)flat;
    if (arch_validate(&inner, err) != ERR_OK) {
        err_prefix(err, "duq doubles the inputs");
    }
    return err->code;
}

const struct solver_ops solver_duq_ops = {
    .poor_for_few = true,
    .run = run_duq,
    .weighs = true,
    .check_size = check_size,
    .draws = DRAWS_OF_MEMBERS,
    .one_member = true,
    .noises = NOISES_ALL,
    .noise = NOISE_ESTIMATED,
    .squared_error = true,
    .random_loss = true,
    .needs_pre = true,
    .needs_outer_bias = true,
    .check_start = check_duq_start,
    .groups = "members.best_loss",
};
