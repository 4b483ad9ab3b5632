/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SWAG, stochastic weight averaging with a Gaussian [1]: after a fit, plain SGD at a constant rate
 * wanders about the minimum, and the Gaussian of its trajectory stands for the posterior. Several
 * members are a mixture (multi-SWAG).
 *
 *   theta_0     the fitted parameters; every c-th step (c = swag_every) gives theta_i
 *   mean        of theta_0 .. theta_n
 *   diag        mean of squares minus square of the mean, over the same
 *   D           columns theta_i - mean_i of the last k (= swag_rank), mean_i the mean up to i
 *   draw        mean + z1 sqrt(diag) / sqrt(2) + D z2 / sqrt(2 (k - 1))
 *
 * The halves are those of [1], which averages a diagonal and a low-rank covariance. swag_rank 0 is
 * the diagonal alone, sqrt(diag) without the half. A trajectory of fewer than swag_rank snapshots
 * has that many columns.
 *
 * swag_learning_rate is meant for the mean squared error. A likelihood's gradient is larger by
 * 1 / s^2 times the number of rows, so it is scaled to the same size first, with the noise at the
 * end of the fit. Weight decay and momentum are those of the fit's settings (0 by default, as in
 * QUiNN's SGD).
 *
 * Where we differ from QUiNN: the variance is summed by Welford's update, since the mean of squares
 * minus the squared mean cancels all digits of a slow trajectory; drawing never changes the stored
 * mean; the start is a snapshot as in [1]. Random orders of rows are of the stream
 * (seed, RNG_SWAG, member).
 *
 * [1] W. Maddox, T. Garipov, P. Izmailov, D. Vetrov, A. G. Wilson, A simple baseline for Bayesian
 *     uncertainty in deep learning, NeurIPS 2019, algorithm 1 and eq. 1.
 */
#include "solve/solver_priv.h"

#include "base/mem.h"
#include "math/moments.h"

#include <math.h>
#include <string.h>

struct swag {
    struct solver_members members;
    struct objective objective;
    struct gauss_mixture *mixture;
    int batch; /* rows of a minibatch */
    int rank;  /* columns that D will have */
};

/* One member's walk. */
struct walk {
    struct swag *swag;
    int member;
    struct objective_loss loss;
    struct optim optim;
    struct rng rng;
    double *params;  /* [n_params], the member's */
    double scale;    /* of a likelihood's gradient, times 1 / rows; 0: the loss is a mean already */
    int epoch;       /* done */
    int64_t step;    /* done */
    long count;      /* theta_0 .. theta_n: n + 1 */
    double *mean;    /* [K], as are the next two */
    double *m2;      /* sum of squares around the mean */
    double *grad;    /* [n_params] */
    double *columns; /* [rank x K], snapshot i in row i % rank */
    int *order;      /* [n] */
    struct data_room room; /* of a minibatch */
    /* The current epoch. */
    struct rng begun; /* the random numbers when it began */
    int first;        /* first row of the next minibatch; 0: the epoch has not begun */
    double sum;       /* of the losses so far */
};

/* ---- the scale of a likelihood's gradient ---- */

/* Mean precision of predicted noise over the training rows, summed over the outputs that they have;
 * NaN after a cancellation. */
static double predicted_precision(struct walk *walk)
{
    const struct data *train = &walk->swag->members.tasks.problem->train;
    struct objective_loss *loss = &walk->loss;
    int o = train->o;
    double sum = 0.0;
    resnet_set_params(loss->tape, walk->params);
    for (int first = 0; first < train->n; first += loss->tile) {
        int n = train->n - first < loss->tile ? train->n - first : loss->tile;
        if (cancel_is_requested(walk->swag->members.tasks.problem->cancel)) {
            return NAN;
        }
        resnet_forward(loss->tape, n, train->x + (size_t)first * (size_t)train->d, loss->f);
        const double *y = train->y + (size_t)first * (size_t)o;
        for (int c = 0; c < n * o; c++) {
            bool missing = data_has_holes(train) && isnan(y[c]);
            sum += missing ? 0.0 : 1.0 / objective_variance(loss->f[c / o * 2 * o + o + c % o]);
        }
    }
    return sum / (double)train->n;
}

/*
 * 2 / sum_j s_j^-2, by which the likelihood's gradient over the number of rows becomes one of the
 * squared error. An output that some rows miss has the weight of those that have it.
 */
static double find_scale(struct walk *walk)
{
    const struct objective *objective = &walk->loss.objective;
    const struct data *train = &walk->swag->members.tasks.problem->train;
    int o = train->o;
    double precision = 0.0;
    int counts[ARCH_MAX_OUTPUTS];
    if (objective->kind == OBJECTIVE_MSE) {
        return 0.0;
    }
    if (objective->noise == NOISE_PREDICTED) {
        return 2.0 / predicted_precision(walk);
    }
    if (data_has_holes(train)) {
        data_count(train, counts);
    }
    for (int j = 0; j < o; j++) {
        double s = objective->noise == NOISE_LEARNED
                       ? exp(walk->params[walk->loss.net->n_params + j])
                       : objective->noise_sigmas[j];
        double share = data_has_holes(train) ? (double)counts[j] / (double)train->n : 1.0;
        precision += share / (s * s);
    }
    return 2.0 / precision;
}

/* ---- the walk ---- */

static void take_snapshot(struct walk *walk)
{
    size_t k = (size_t)walk->loss.net->n_params;
    int rank = walk->swag->rank;
    walk->count++;
    moments_add(walk->count, k, walk->params, walk->mean, walk->m2);
    if (rank > 0 && walk->count > 1) {
        double *column = walk->columns + (size_t)((walk->count - 2) % rank) * k;
        for (size_t i = 0; i < k; i++) {
            column[i] = walk->params[i] - walk->mean[i];
        }
    }
}

/* ---- checkpoints; the fits have tasks 0 .. n - 1, the walks n .. 2 n - 1 ---- */

static int task_of(const struct walk *walk)
{
    return walk->swag->members.tasks.n + walk->member;
}

static enum err_code save_walk(const struct walk *walk, struct err *err)
{
    size_t k = (size_t)walk->loss.net->n_params;
    size_t n_params = (size_t)walk->optim.n;
    const struct checkpoint *checkpoint = walk->swag->members.tasks.problem->checkpoint;
    struct bytes_writer w = {.data = NULL};
    if (checkpoint == NULL) {
        return ERR_OK;
    }
    bytes_put_u32(&w, (uint32_t)walk->epoch);
    bytes_put_i64(&w, walk->step);
    bytes_put_i64(&w, walk->count);
    bytes_put_f64(&w, &walk->scale, 1);
    rng_save(&walk->rng, &w);
    bytes_put_f64(&w, walk->params, n_params);
    bytes_put_f64(&w, walk->optim.m, n_params);
    bytes_put_f64(&w, walk->mean, k);
    bytes_put_f64(&w, walk->m2, k);
    bytes_put_f64(&w, walk->columns, k * (size_t)walk->swag->rank);
    bytes_put_u32(&w, (uint32_t)walk->first);
    if (walk->first > 0) {
        rng_save(&walk->begun, &w);
        bytes_put_f64(&w, &walk->sum, 1);
    }
    return checkpoint_save(checkpoint, task_of(walk), &w, err);
}

static enum err_code resume_walk(struct walk *walk, bool *found, struct err *err)
{
    size_t k = (size_t)walk->loss.net->n_params;
    size_t n_params = (size_t)walk->optim.n;
    const struct checkpoint *checkpoint = walk->swag->members.tasks.problem->checkpoint;
    struct bytes_reader r;
    void *bytes = NULL;
    if (checkpoint_load(checkpoint, task_of(walk), &bytes, &r, found, err) != ERR_OK || !*found) {
        return err->code;
    }
    walk->epoch = bytes_get_int(&r, walk->swag->members.settings->swag_epochs);
    walk->step = bytes_get_i64(&r);
    walk->count = (long)bytes_get_i64(&r);
    bytes_get_f64(&r, &walk->scale, 1);
    rng_load(&walk->rng, &r);
    bytes_get_f64(&r, walk->params, n_params);
    bytes_get_f64(&r, walk->optim.m, n_params);
    bytes_get_f64(&r, walk->mean, k);
    bytes_get_f64(&r, walk->m2, k);
    bytes_get_f64(&r, walk->columns, k * (size_t)walk->swag->rank);
    walk->first = bytes_get_int(&r, walk->swag->members.tasks.problem->train.n);
    if (walk->first > 0) {
        rng_load(&walk->begun, &r);
        bytes_get_f64(&r, &walk->sum, 1);
    }
    if (checkpoint_check(&r, err) == ERR_OK && walk->first > 0) {
        /* The order of the epoch that was interrupted. */
        struct rng again = walk->begun;
        rng_permutation(&again, walk->swag->members.tasks.problem->train.n, walk->order);
    }
    mem_free(bytes);
    return err->code;
}

/* ---- epochs ---- */

/* One pass over the rows, or the rest of it. */
static enum err_code walk_epoch(struct walk *walk, double *mean_loss, struct err *err)
{
    const struct solver_problem *p = walk->swag->members.tasks.problem;
    const struct solver_settings *s = walk->swag->members.settings;
    const struct data *train = &p->train;
    int n_params = walk->optim.n;
    if (walk->first == 0) {
        walk->sum = 0.0;
        walk->begun = walk->rng;
        rng_permutation(&walk->rng, train->n, walk->order);
    }
    while (walk->first < train->n) {
        int first = walk->first;
        int n = train->n - first < walk->swag->batch ? train->n - first : walk->swag->batch;
        struct data rows = data_room_take(&walk->room, train, walk->order + first, n);
        double value = objective_loss_eval(&walk->loss, &rows, walk->params, walk->grad);
        if (cancel_is_requested(p->cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled in swag epoch %d", walk->epoch + 1);
        }
        walk->sum += walk->scale > 0.0 ? value : value * n;
        for (int k = 0; walk->scale > 0.0 && k < n_params; k++) {
            walk->grad[k] *= walk->scale / (double)n;
        }
        optim_step(&walk->optim, s->swag_learning_rate, walk->grad, walk->params);
        if (++walk->step % s->swag_every == 0) {
            take_snapshot(walk);
        }
        walk->first += n;
        if (walk->first < train->n && checkpoint_due(p->checkpoint, task_of(walk)) &&
            save_walk(walk, err) != ERR_OK) {
            return err->code;
        }
    }
    walk->first = 0;
    *mean_loss = walk->sum / (double)train->n;
    if (!isfinite(*mean_loss)) {
        return err_set(err, ERR_NUMERIC,
                       "the loss is not finite after swag epoch %d; a smaller swag_learning_rate "
                       "may help",
                       walk->epoch + 1);
    }
    walk->epoch++;
    return ERR_OK;
}

/* ---- a member ---- */

static enum err_code walk_init(struct walk *walk, struct swag *swag, int member, struct err *err)
{
    const struct solver_problem *p = swag->members.tasks.problem;
    const struct solver_settings *s = swag->members.settings;
    struct optim_settings sgd = s->optim;
    size_t k = (size_t)p->net->n_params;
    *walk = (struct walk){.swag = swag, .member = member};
    walk->params = solver_members_params(&swag->members, member);
    sgd.kind = OPTIM_SGD;
    if (objective_loss_init(&walk->loss, &swag->objective, p->net, err) != ERR_OK ||
        optim_init(&walk->optim, &sgd, swag->members.n_params, err) != ERR_OK) {
        return err->code;
    }
    walk->mean = mem_zalloc_array(k, sizeof *walk->mean);
    walk->m2 = mem_zalloc_array(k, sizeof *walk->m2);
    walk->grad = mem_alloc_array((size_t)swag->members.n_params, sizeof *walk->grad);
    walk->columns = mem_zalloc_array(k * (size_t)swag->rank, sizeof *walk->columns);
    walk->order = mem_alloc_array((size_t)p->train.n, sizeof *walk->order);
    if (walk->mean == NULL || walk->m2 == NULL || walk->grad == NULL || walk->columns == NULL ||
        walk->order == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the trajectory of a member");
    }
    return data_room_init(&walk->room, &p->train, swag->batch, err);
}

static void walk_release(struct walk *walk)
{
    objective_loss_release(&walk->loss);
    optim_release(&walk->optim);
    mem_free(walk->mean);
    mem_free(walk->m2);
    mem_free(walk->grad);
    mem_free(walk->columns);
    mem_free(walk->order);
    data_room_release(&walk->room);
}

/* The Gaussian of a finished walk. */
static void keep_gaussian(const struct walk *walk)
{
    struct gauss *g = &walk->swag->mixture->members[walk->member];
    size_t k = (size_t)g->n;
    size_t rank = (size_t)g->rank;
    double half = rank > 0 ? 0.5 : 1.0;
    memcpy(g->mean, walk->mean, k * sizeof *g->mean);
    for (size_t i = 0; i < k; i++) {
        g->std[i] = sqrt(half * walk->m2[i] / (double)walk->count);
    }
    /* Column 0 is the oldest. */
    for (size_t c = 0; c < rank; c++) {
        size_t row = ((size_t)(walk->count - 1) + c) % rank;
        for (size_t i = 0; i < k; i++) {
            g->factor[i * rank + c] =
                walk->columns[row * k + i] / sqrt(2.0 * (double)(g->rank - 1));
        }
    }
}

static enum err_code walk_run(struct walk *walk, double from, struct err *err)
{
    struct solver_tasks *tasks = &walk->swag->members.tasks;
    const struct solver_settings *s = walk->swag->members.settings;
    const struct checkpoint *checkpoint = tasks->problem->checkpoint;
    bool found = false;
    rng_init(&walk->rng, tasks->problem->seed, RNG_SWAG, (uint32_t)walk->member);
    if (resume_walk(walk, &found, err) != ERR_OK) {
        return err->code;
    }
    if (!found) {
        walk->scale = find_scale(walk);
        if (cancel_is_requested(tasks->problem->cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled before swag");
        }
        take_snapshot(walk);
    }
    while (walk->epoch < s->swag_epochs) {
        double loss = 0.0;
        if (walk_epoch(walk, &loss, err) != ERR_OK) {
            return err->code;
        }
        double done = (double)walk->epoch / (double)s->swag_epochs;
        solver_tasks_progress(tasks, &(struct progress){.member = walk->member,
                                                        .step = walk->epoch,
                                                        .n_steps = s->swag_epochs,
                                                        .loss = loss,
                                                        .validation_loss = NAN,
                                                        .fraction = from + done * (1.0 - from)});
        if ((walk->epoch == s->swag_epochs || checkpoint_due(checkpoint, task_of(walk))) &&
            save_walk(walk, err) != ERR_OK) {
            return err->code;
        }
    }
    keep_gaussian(walk);
    return ERR_OK;
}

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct swag *swag = ctx;
    struct solver_members *members = &swag->members;
    const struct solver_settings *s = members->settings;
    double from = (double)s->epochs / ((double)s->epochs + (double)s->swag_epochs);
    struct walk walk = {.swag = NULL};
    (void)worker;
    struct solver_part part = solver_part_of(&members->tasks, s, member);
    part.to = from;
    if (solver_fit_map(&part, solver_members_params(members, member), &members->fits[member],
                       err) != ERR_OK ||
        walk_init(&walk, swag, member, err) != ERR_OK || walk_run(&walk, from, err) != ERR_OK) {
        err_prefix(err, "member %d", member);
    }
    walk_release(&walk);
    return err->code;
}

/* ---- the solver ---- */

/* Minibatches and columns of D. ERR_INVALID when the walk is too short for a covariance. */
static enum err_code plan_walk(struct swag *swag, const struct solver_problem *problem,
                               const struct solver_settings *s, struct err *err)
{
    int n = problem->train.n;
    swag->batch = s->batch_size > 0 && s->batch_size < n ? s->batch_size : n;
    int64_t steps = (int64_t)s->swag_epochs * ((n + swag->batch - 1) / swag->batch);
    int64_t snapshots = steps / s->swag_every;
    if (snapshots < 2) {
        return err_set(err, ERR_INVALID,
                       "swag_epochs %d gives %lld steps, too few for two snapshots %d steps apart; "
                       "more swag_epochs or a smaller swag_every is needed",
                       s->swag_epochs, (long long)steps, s->swag_every);
    }
    swag->rank = snapshots < s->swag_rank ? (int)snapshots : s->swag_rank;
    return ERR_OK;
}

static enum err_code run_swag(const struct solver_problem *problem,
                              const struct solver_settings *settings, struct solver_result *result,
                              struct err *err)
{
    struct swag swag = {.objective = solver_objective(problem), .mixture = &result->gaussian};
    int k = problem->net->n_params;
    if (problem->train.n < 1) {
        return err_set(err, ERR_INVALID, "no rows to train on");
    }
    if (plan_walk(&swag, problem, settings, err) != ERR_OK) {
        return err->code;
    }
    const struct gauss_shape shape = {.n_params = k, .n = k, .with_std = true, .rank = swag.rank};
    if (solver_gaussians_new(result, problem, settings, &shape, err) != ERR_OK) {
        return err->code;
    }
    if (solver_members_init(&swag.members, problem, settings,
                            objective_n_params(&swag.objective, problem->net), err) == ERR_OK &&
        solver_members_run(&swag.members, run_member, &swag, result, err) == ERR_OK &&
        solver_check_gaussian(&result->gaussian, k, err) == ERR_OK) {
        err_kept(solver_members_tell(&swag.members, k, result, err));
    }
    solver_members_release(&swag.members);
    return err->code;
}

static enum err_code validate_rank(const struct solver_settings *settings, struct err *err)
{
    return settings->swag_rank == 1
               ? err_set(err, ERR_INVALID, "swag_rank is 1, 0 (diagonal) or at least 2 is needed")
               : ERR_OK;
}

/* Mean, variances and deviations of each member, in the result and in the model, and of each
 * walk. */
static double values_held(const struct solver_settings *s, const struct resnet *net, int n_threads)
{
    double threads = n_threads < s->members ? n_threads : s->members;
    return (2.0 * s->members + threads) * (s->swag_rank + 3.0) * net->n_params;
}

const struct solver_ops solver_swag_ops = {
    .poor_for_few = true,
    .run = run_swag,
    .weighs = true,
    .terms = true,
    .values = values_held,
    .draws = DRAWS_OF_MEMBERS,
    .one_member = true,
    .validate = validate_rank,
    .noises = NOISES_ALL,
    .noise = NOISE_ESTIMATED,
    .squared_error = true,
};
