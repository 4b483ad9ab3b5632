/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Randomised MAP sampling: every member is the mode of a randomly perturbed posterior, and these
 * modes are draws of the posterior. Member j minimises
 *
 *   sum_i (f(x_i; w) - y_i - s e_i)^2 / (2 s^2) + sum_k (w_k - a_k)^2 / (2 s_p,k^2)
 *
 * with an anchor a ~ N(0, s_p^2) [1] and noise e ~ N(0, 1) on the targets [2], from its own streams
 * (seed, purpose, j). For networks that are linear in their parameters w is then an exact draw:
 * w = C (A' (y + s e) / s^2 + a / s_p^2) has the posterior's mean and the covariance
 * C (A' A / s^2 + 1 / s_p^2) C = C. Anchors alone, as in [1] and in QUiNN's NN_RMS, give the
 * covariance C s_p^-2 C, which is too small where the rows say much. They are used alone with
 * perturb = false, and where the noise is not known before the fit (learned, predicted), since
 * targets cannot be perturbed by an unknown amount; random starts and orders of the rows then add a
 * spread of their own.
 *
 * With dfrac < 1 a member sees its own share of the rows as an ensemble's does; the prior keeps its
 * full weight against them.
 *
 * [1] T. Pearce, F. Leibfried, A. Brintrup, Uncertainty in neural networks: approximately Bayesian
 *     ensembling, AISTATS 2020.
 * [2] J. Bardsley, A. Solonen, H. Haario, M. Laine, Randomize-then-optimize, SIAM J. Sci. Comput.
 *     36(4), 2014; linear case of lemma 1.
 */
#include "solve/solver_priv.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

struct rms {
    struct solver_members members;
    struct objective objective;
    double *anchors; /* [members x K] */
};

/* targets + s e [n x o], which the caller frees; NULL when memory is short. */
static double *perturb_targets(const struct data *rows, const double *sigmas, struct rng *rng)
{
    size_t count = (size_t)rows->n * (size_t)rows->o;
    double *y = mem_alloc_array(count, sizeof *y);
    for (size_t i = 0; y != NULL && i < count; i++) {
        size_t row = i / (size_t)rows->o;
        double sigma = rows->sigmas != NULL ? rows->sigmas[i] : sigmas[i % (size_t)rows->o];
        if (rows->weights != NULL) { /* a row that counts twice has half the variance */
            sigma /= rows->weights[row] > 0.0 ? sqrt(rows->weights[row]) : 1.0;
        }
        /* Where the row misses the output its sigma may be missing too. */
        y[i] = rows->y[i] + sigma * rng_normal(rng);
    }
    return y;
}

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct rms *rms = ctx;
    struct solver_members *members = &rms->members;
    const struct solver_problem *p = members->tasks.problem;
    struct objective objective = rms->objective;
    struct objective_loss loss = {.net = NULL};
    struct solver_rows rows = {.room = {.x = NULL}};
    double *anchor = rms->anchors + (size_t)member * (size_t)p->net->n_params;
    double *targets = NULL;
    struct rng rng;
    (void)worker;
    rng_init(&rng, p->seed, RNG_ANCHOR, (uint32_t)member);
    for (int k = 0; k < p->net->n_params; k++) {
        anchor[k] = p->beliefs.prior_sigmas[k] * rng_normal(&rng);
    }
    if (solver_rows_choose(&rows, p, members->settings->dfrac, member, err) != ERR_OK) {
        goto done;
    }
    bool known = p->beliefs.noise == NOISE_GIVEN || p->beliefs.noise == NOISE_ESTIMATED;
    if (members->settings->perturb && known) {
        targets = perturb_targets(&rows.data, objective.noise_sigmas, &rng);
        if (targets == NULL) {
            err_set(err, ERR_NOMEM, "no memory for the targets of a member");
            goto done;
        }
        rows.data.y = targets;
    }
    objective.anchor = anchor;
    objective.n_total = rows.data.n;
    if (objective_loss_init(&loss, &objective, p->net, err) == ERR_OK) {
        struct loss as_loss = objective_loss_as_loss(&loss);
        solver_start(p, members->settings, member, members->n_params,
                     solver_members_params(members, member));
        err_kept(solver_members_fit(members, member, &as_loss, &rows.data, err));
    }
done:
    objective_loss_release(&loss);
    solver_rows_release(&rows);
    mem_free(targets);
    return err->code;
}

static enum err_code run_rms(const struct solver_problem *problem,
                             const struct solver_settings *settings, struct solver_result *result,
                             struct err *err)
{
    struct rms rms = {.objective = solver_objective(problem)};
    struct solver_members *members = &rms.members;
    size_t k = (size_t)problem->net->n_params;
    rms.anchors = mem_alloc_array((size_t)settings->members * k, sizeof *rms.anchors);
    if (rms.anchors == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d anchors", settings->members);
    }
    if (solver_draws_new(result, problem->net, err) == ERR_OK &&
        solver_members_init(members, problem, settings,
                            objective_n_params(&rms.objective, problem->net), err) == ERR_OK &&
        solver_members_run(members, run_member, &rms, result, err) == ERR_OK) {
        solver_members_as_draws(members, result);
        err_kept(solver_members_tell(members, problem->net->n_params, result, err));
    }
    solver_members_release(members);
    mem_free(rms.anchors);
    return err->code;
}

const struct solver_ops solver_rms_ops = {
    .poor_for_few = true,
    .run = run_rms,
    .weighs = true,
    .terms = true,
    .draws = DRAWS_ARE_MEMBERS,
    .noises = NOISES_ALL,
    .noise = NOISE_LEARNED,
    .needs_prior = true,
};
