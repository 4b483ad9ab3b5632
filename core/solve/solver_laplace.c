/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laplace's approximation: a network is fitted to the mode of its posterior, and the posterior is
 * taken as the Gaussian of the curvature there,
 *
 *   w ~ N(map, (covariance_scale H)^-1),  H = - d2 log p(y, w) / dw2 at the map
 *
 * over the network's K parameters. H is (core/fit/curvature)
 *
 *   gauss_newton   J' diag(1 / s^2) J + prior: positive definite with a prior, and the Hessian of
 *                  the linearised network, whose posterior is then exact
 *   full           the Hessian; eigenvalues below the prior's precision are raised to it
 *                  (core/math/laplace.c)
 *   diagonal       the empirical Fisher's diagonal + prior
 *
 * Predictions linearise the network at the map (A. Immer, M. Korzepa, M. Bauer, AISTATS 2021: with
 * Gauss-Newton, draws through the network itself spread too far), or they use draws.
 *
 * The noise is given, or was estimated before, or is learned with the weights. Learned log s_j are
 * fixed at their fitted values after the fit, so they have no variance, and their weak prior does
 * not enter the evidence. log evidence = log p(y, map) + K/2 log 2 pi - 1/2 log det H.
 *
 * With marginal_likelihood, the prior's precision (one factor c on all of the beliefs' precisions)
 * and, unless it is given, the noise are chosen to maximise that evidence, with H by Gauss-Newton.
 * This takes ROUNDS rounds. Each sets s_j^2 to the mean squared residuals at the current map and
 * takes the eigenvalues l of H's likelihood part in the coordinates w_k / prior_k. With these, a
 * search in one dimension (core/math/evidence.h) finds the best c and the best common factor f on
 * all 1 / s_j^2. Then the network is fitted again from the current map with a quarter of the
 * epochs. (Choosing the noise precision of each output separately would need an eigendecomposition
 * for each; instead their ratios follow the residuals.) [D. J. C. MacKay, Neural Computation 4,
 * 1992; A. Immer et al., ICML 2021.]
 *
 * Fits, curvatures and the choices of each round are saved in the checkpoint, each as a task. The
 * factorisations of H between them can be cancelled, and are repeated after an interruption: a
 * minute for the eigenvalues of the largest matrices, several for their eigenvectors, else seconds.
 *
 * Where we differ from QUiNN: it hard-wires the noise s = 0.1 and knows no prior, so that its
 * Hessian, full or diagonal, is singular or indefinite whenever rows are few; it predicts with
 * draws.
 */
#include "solve/solver_priv.h"

#include "base/mem.h"
#include "fit/curvature.h"
#include "fit/residuals.h"
#include "math/decompose.h"
#include "math/evidence.h"
#include "math/laplace.h"
#include "solve/evidence_starts.h"

#include <math.h>
#include <string.h>

#define MAX_PARAMS 8000         /* of a square matrix: 512 MB */
#define ROUNDS     4            /* of evidence and refit */
#define MAX_TASKS  8192         /* of a solver in a checkpoint (core/train/train_part.c) */
#define BLOCKS     (ROUNDS + 3) /* tasks of a member: 1 + ROUNDS fits, the choices, the curvature */
#define FIT_SHARE  0.9          /* of the progress; the rest is the curvature */
#define MAX_FACTOR 1e8          /* of the prior precision, either way */

struct solver_laplace {
    struct solver_tasks tasks;
    const struct solver_settings *settings;
    struct gauss_mixture *mixture;
    struct fit_result *fits; /* [members] of the last fit */
    double *sigmas;          /* [members x o] noise */
    double *evidence;        /* [members] */
    double *factor;          /* [members] c */
    int *raised;             /* [members] number of eigenvalues that were raised */
    int *bounds;             /* [members] rounds in which the evidence had no maximum */
};

/* The state of a member while it is computed. */
struct mode {
    int member;
    int stage;                  /* rounds done before the current curvature */
    struct objective objective; /* noise given by sigmas, prior by prior */
    double *sigmas;             /* [o] this member's */
    double *prior;              /* [K] standard deviations; NULL: flat */
    double *params;             /* [K + learned] */
    double *matrix;             /* [K x K] scratch of marginal_likelihood; or NULL */
    double *eigenvalues;        /* [K] */
    int n_chosen;               /* rounds whose choices an interrupted run has saved */
    double *chosen;             /* [ROUNDS x (2 + o)] factor, 1 if at a bound, sigmas */
};

static bool has_matrix(const struct solver_settings *settings)
{
    return settings->hessian != LAPLACE_DIAGONAL;
}

static void mode_release(struct mode *mode)
{
    mem_free(mode->prior);
    mem_free(mode->params);
    mem_free(mode->matrix);
    mem_free(mode->eigenvalues);
    mem_free(mode->chosen);
}

static enum err_code mode_init(struct mode *mode, struct solver_laplace *self, int member,
                               struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    size_t k = (size_t)p->net->n_params;
    size_t o = (size_t)p->train.o;
    bool prior = !p->beliefs.flat;
    *mode = (struct mode){.member = member, .objective = solver_objective(p)};
    mode->sigmas = self->sigmas + (size_t)member * o;
    mode->params = mem_alloc_array(k + o, sizeof *mode->params);
    mode->prior = prior ? mem_dup(p->beliefs.prior_sigmas, k * sizeof *mode->prior) : NULL;
    if (mode->params == NULL || (prior && mode->prior == NULL)) {
        return err_set(err, ERR_NOMEM, "no memory for a fit of %d parameters", p->net->n_params);
    }
    if (self->settings->marginal_likelihood) {
        mode->matrix = mem_alloc_array(k * k, sizeof *mode->matrix);
        mode->eigenvalues = mem_alloc_array(k, sizeof *mode->eigenvalues);
        mode->chosen = mem_alloc_array(ROUNDS * (2 + o), sizeof *mode->chosen);
        if (mode->matrix == NULL || mode->eigenvalues == NULL || mode->chosen == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for a curvature of %d parameters",
                           p->net->n_params);
        }
    }
    return ERR_OK;
}

/* After the first fit: the noise is known from here on. */
static void fix_noise(struct mode *mode, const struct solver_problem *p)
{
    for (int j = 0; j < p->train.o; j++) {
        mode->sigmas[j] = p->beliefs.noise == NOISE_LEARNED
                              ? exp(mode->params[p->net->n_params + j])
                              : p->beliefs.noise_sigmas[j];
    }
    mode->objective.noise = NOISE_GIVEN;
    mode->objective.noise_sigmas = mode->sigmas;
    mode->objective.prior_sigmas = mode->prior;
}

static struct curvature_problem curvature_of(const struct solver_laplace *self,
                                             const struct mode *mode,
                                             const struct objective *objective)
{
    const struct solver_problem *p = self->tasks.problem;
    return (struct curvature_problem){
        .objective = objective,
        .net = p->net,
        .rows = p->train,
        .params = mode->params,
        .n_threads = self->tasks.n == 1 ? p->n_threads : 1,
        .cancel = p->cancel,
        .checkpoint = p->checkpoint,
        .task =
            mode->member + (self->settings->marginal_likelihood ? BLOCKS - 1 : 1) * self->tasks.n,
        .stage = mode->stage,
    };
}

/* ---- marginal likelihood ---- */

/* The sum of squared residuals over noise variances. Unless the noise is given, it is first set to
 * that of the residuals. */
static enum err_code weigh_residuals(struct mode *mode, const struct solver_problem *p, double *sum,
                                     struct err *err)
{
    double squares[ARCH_MAX_OUTPUTS];
    if (residual_squares(p->net, &p->train, mode->params, p->cancel, squares, err) != ERR_OK) {
        return err->code;
    }
    int counts[ARCH_MAX_OUTPUTS];
    if (data_has_holes(&p->train)) {
        data_count(&p->train, counts);
    }
    *sum = 0.0;
    for (int j = 0; j < p->train.o; j++) {
        double n = (double)(data_has_holes(&p->train) ? counts[j] : p->train.n);
        if (p->beliefs.noise != NOISE_GIVEN) {
            mode->sigmas[j] = fmax(sqrt(squares[j] / n), EVIDENCE_MIN_SIGMA);
        }
        *sum += squares[j] / (mode->sigmas[j] * mode->sigmas[j]);
    }
    return ERR_OK;
}

/* Eigenvalues of the likelihood's Gauss-Newton matrix in the coordinates w_k / prior_k. */
static enum err_code likelihood_eigenvalues(const struct solver_laplace *self, struct mode *mode,
                                            struct err *err)
{
    const double *prior = self->tasks.problem->beliefs.prior_sigmas;
    size_t k = (size_t)self->tasks.problem->net->n_params;
    struct objective likelihood = mode->objective;
    likelihood.kind = OBJECTIVE_NLL;
    struct curvature_problem curvature = curvature_of(self, mode, &likelihood);
    if (curvature_gauss_newton(&curvature, mode->matrix, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < k; j++) {
            mode->matrix[i * k + j] *= prior[i] * prior[j];
        }
    }
    return decompose_eigenvalues((int)k, mode->matrix, mode->eigenvalues,
                                 self->tasks.problem->cancel, err);
}

/* chosen [2 + o] <- prior and noise that maximise the evidence at the current map. */
static enum err_code choose_by_evidence(const struct solver_laplace *self, struct mode *mode,
                                        double *chosen, struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    const double *prior = p->beliefs.prior_sigmas;
    struct evidence e = {.n_params = p->net->n_params,
                         .n_rows = round((double)p->train.n * data_outputs(&p->train)),
                         .precision = p->beliefs.noise == NOISE_GIVEN ? 1.0 : 0.0,
                         .max_precision = 1.0};
    if (weigh_residuals(mode, p, &e.s0, err) != ERR_OK ||
        likelihood_eigenvalues(self, mode, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < p->net->n_params; k++) {
        double w = mode->params[k] / prior[k];
        e.penalty += w * w;
    }
    e.eigenvalues = mode->eigenvalues;
    e.rho0 = evidence_min_rho(e.n_params, e.eigenvalues);
    struct evidence_point best = evidence_maximise(&e);
    if (!isfinite(best.log_evidence)) {
        return err_set(err, ERR_NUMERIC, "the evidence is not finite");
    }
    chosen[0] = fmin(fmax(best.alpha, 1.0 / MAX_FACTOR), MAX_FACTOR);
    chosen[1] = best.at_bound || chosen[0] != best.alpha;
    for (int j = 0; j < p->train.o; j++) {
        chosen[2 + j] = mode->sigmas[j] / sqrt(best.beta);
    }
    return ERR_OK;
}

static void apply_choice(struct solver_laplace *self, struct mode *mode, const double *chosen)
{
    const struct solver_problem *p = self->tasks.problem;
    self->factor[mode->member] = chosen[0];
    self->bounds[mode->member] += chosen[1] > 0.0;
    for (int k = 0; k < p->net->n_params; k++) {
        mode->prior[k] = p->beliefs.prior_sigmas[k] / sqrt(chosen[0]);
    }
    memcpy(mode->sigmas, chosen + 2, (size_t)p->train.o * sizeof *chosen);
}

static int chosen_task(const struct solver_laplace *self, const struct mode *mode)
{
    return mode->member + (BLOCKS - 2) * self->tasks.n;
}

static enum err_code save_chosen(const struct solver_laplace *self, const struct mode *mode,
                                 int rounds, struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    struct bytes_writer w = {.data = NULL};
    if (p->checkpoint == NULL) {
        return ERR_OK;
    }
    bytes_put_u32(&w, (uint32_t)rounds);
    bytes_put_f64(&w, mode->chosen, (size_t)rounds * (size_t)(2 + p->train.o));
    return checkpoint_save(p->checkpoint, chosen_task(self, mode), &w, err);
}

static enum err_code resume_chosen(const struct solver_laplace *self, struct mode *mode,
                                   struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    if (checkpoint_load(p->checkpoint, chosen_task(self, mode), &bytes, &r, &found, err) !=
            ERR_OK ||
        !found) {
        return err->code;
    }
    mode->n_chosen = bytes_get_int(&r, ROUNDS);
    bytes_get_f64(&r, mode->chosen, (size_t)mode->n_chosen * (size_t)(2 + p->train.o));
    mem_free(bytes);
    return checkpoint_check(&r, err);
}

/* Chooses prior and noise, or applies the choice that was saved before an interruption. */
static enum err_code choose_round(struct solver_laplace *self, struct mode *mode, int round,
                                  struct err *err)
{
    double *chosen = mode->chosen + (size_t)round * (size_t)(2 + self->tasks.problem->train.o);
    mode->stage = round;
    if (round >= mode->n_chosen && (choose_by_evidence(self, mode, chosen, err) != ERR_OK ||
                                    save_chosen(self, mode, round + 1, err) != ERR_OK)) {
        return err->code;
    }
    apply_choice(self, mode, chosen);
    return ERR_OK;
}

/* Fits again from the current map, with the chosen prior and noise. */
static enum err_code refit(struct solver_laplace *self, struct mode *mode, int round,
                           struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    struct solver_settings settings = *self->settings;
    struct objective_loss loss = {.net = NULL};
    struct rng rng;
    double share = FIT_SHARE / (2.0 * ROUNDS);
    const struct solver_part part = {
        .tasks = &self->tasks,
        .settings = &settings,
        .member = mode->member,
        .task = mode->member + (round + 1) * self->tasks.n,
        .from = 0.5 * FIT_SHARE + share * round,
        .to = 0.5 * FIT_SHARE + share * (round + 1),
    };
    settings.epochs = (settings.epochs + 3) / 4;
    if (objective_loss_init(&loss, &mode->objective, p->net, err) != ERR_OK) {
        return err->code;
    }
    struct loss as_loss = objective_loss_as_loss(&loss);
    rng_init(&rng, p->seed, RNG_BATCH, (uint32_t)part.task);
    err_kept(solver_fit(&part, &as_loss, &rng, mode->params, &self->fits[mode->member], err));
    objective_loss_release(&loss);
    return err->code;
}

/* ---- a member ---- */

static enum err_code make_covariance(struct solver_laplace *self, const struct mode *mode,
                                     double *logdet, struct err *err)
{
    struct gauss *g = &self->mixture->members[mode->member];
    struct curvature_problem curvature = curvature_of(self, mode, &mode->objective);
    const struct cancel *cancel = self->tasks.problem->cancel;
    double scale = self->settings->covariance_scale;
    const double *prior = mode->prior;
    for (int k = 0; prior != NULL && k < g->n; k++) {
        if (mode->prior[k] <= 0.0) {
            prior = NULL; /* a parameter without a prior: nothing to raise eigenvalues to */
        }
    }
    if (self->settings->hessian == LAPLACE_DIAGONAL) {
        return curvature_fisher_diagonal(&curvature, g->std, err) == ERR_OK
                   ? laplace_diagonal(g->n, scale, g->std, g->std, logdet, err)
                   : err->code;
    }
    if (self->settings->hessian == LAPLACE_FULL) {
        struct laplace_eigen how = {.scale = scale, .prior = prior, .cancel = cancel};
        return curvature_hessian(&curvature, g->factor, err) == ERR_OK
                   ? laplace_eigen(g->n, &how, g->factor, logdet, &self->raised[mode->member], err)
                   : err->code;
    }
    return curvature_gauss_newton(&curvature, g->factor, err) == ERR_OK
               ? laplace_cholesky(g->n, scale, g->factor, logdet, cancel, err)
               : err->code;
}

/* The log evidence. Without a prior it means nothing and is set to NaN. */
static enum err_code make_evidence(struct solver_laplace *self, const struct mode *mode,
                                   double logdet, struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    struct objective_loss loss = {.net = NULL};
    self->evidence[mode->member] = NAN;
    if (mode->prior == NULL) {
        return ERR_OK;
    }
    if (objective_loss_init(&loss, &mode->objective, p->net, err) == ERR_OK) {
        double value = objective_loss_eval(&loss, &p->train, mode->params, NULL);
        self->evidence[mode->member] =
            -value + 0.5 * p->net->n_params * log(2.0 * acos(-1.0)) - 0.5 * logdet;
        objective_loss_release(&loss);
        if (cancel_is_requested(p->cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled while the evidence was computed");
        }
    }
    return err->code;
}

enum { PIECES = 9 };

/* All that a member leaves, for the other ranks. */
static void list_pieces(const struct solver_laplace *self, int member, struct ranks_piece *pieces)
{
    struct gauss *g = &self->mixture->members[member];
    const struct solver_problem *p = self->tasks.problem;
    size_t o = (size_t)p->train.o;
    const struct ranks_piece all[PIECES] = {
        {g->mean, (size_t)p->net->n_params * sizeof *g->mean},
        {g->std, g->std != NULL ? (size_t)g->n * sizeof *g->std : 0},
        {g->factor, (size_t)g->n * (size_t)g->rank * sizeof *g->factor},
        {self->sigmas + (size_t)member * o, o * sizeof *self->sigmas},
        {&self->evidence[member], sizeof *self->evidence},
        {&self->factor[member], sizeof *self->factor},
        {&self->raised[member], sizeof *self->raised},
        {&self->bounds[member], sizeof *self->bounds},
        {&self->fits[member], sizeof *self->fits}};
    memcpy(pieces, all, sizeof all);
}

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct solver_laplace *self = ctx;
    const struct solver_problem *p = self->tasks.problem;
    bool choosing = self->settings->marginal_likelihood;
    struct mode mode;
    double logdet = 0.0;
    struct ranks_piece pieces[PIECES];
    (void)worker;
    list_pieces(self, member, pieces);
    if (ranks_hear(p->checkpoint, member, pieces, PIECES)) {
        solver_tasks_tell_end(&self->tasks, member, &self->fits[member]);
        return ERR_OK;
    }
    self->factor[member] = 1.0;
    struct solver_part part = solver_part_of(&self->tasks, self->settings, member);
    part.to = FIT_SHARE * (choosing ? 0.5 : 1.0);
    if (mode_init(&mode, self, member, err) != ERR_OK ||
        solver_fit_map(&part, mode.params, &self->fits[member], err) != ERR_OK) {
        goto done;
    }
    fix_noise(&mode, p);
    if (choosing && resume_chosen(self, &mode, err) != ERR_OK) {
        goto done;
    }
    for (int round = 0; choosing && round < ROUNDS; round++) {
        if (choose_round(self, &mode, round, err) != ERR_OK ||
            refit(self, &mode, round, err) != ERR_OK) {
            goto done;
        }
    }
    mode.stage = ROUNDS;
    memcpy(self->mixture->members[member].mean, mode.params,
           (size_t)p->net->n_params * sizeof *mode.params);
    if (make_covariance(self, &mode, &logdet, err) != ERR_OK ||
        make_evidence(self, &mode, logdet, err) != ERR_OK) {
        goto done;
    }
    solver_tasks_tell_end(&self->tasks, member, &self->fits[member]);
    err_kept(ranks_tell(p->checkpoint, member, pieces, PIECES, err));
done:
    mode_release(&mode);
    if (err->code != ERR_OK) {
        err_prefix(err, "member %d", member);
    }
    return err->code;
}

/* ---- the whole ---- */

static enum err_code add_warnings(const struct solver_laplace *self, struct report *report,
                                  struct err *err)
{
    int raised = 0;
    int bounds = 0;
    for (int i = 0; i < self->tasks.n; i++) {
        raised += self->raised[i];
        bounds += self->bounds[i];
    }
    if (raised > 0 &&
        report_warn(report, err, "curvature_raised",
                    "%d eigenvalues of the Hessian were below the prior's precision and were "
                    "raised to it; hessian gauss_newton avoids this, and more epochs may help",
                    raised) != ERR_OK) {
        return err->code;
    }
    if (bounds > 0) {
        err_kept(report_warn(report, err, "evidence_at_bound",
                             "the evidence had no maximum %d times: the rows do not determine the "
                             "prior's scale",
                             bounds));
    }
    return err->code;
}

static enum err_code collect_results(const struct solver_laplace *self,
                                     struct solver_result *result, struct err *err)
{
    int members = self->tasks.n;
    size_t o = (size_t)self->tasks.problem->train.o;
    struct report *report = &result->report;
    result->noise_sigma = mem_zalloc_array(o, sizeof *result->noise_sigma);
    if (result->noise_sigma == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    for (size_t j = 0; j < o; j++) {
        double sum = 0.0;
        for (size_t i = 0; i < (size_t)members; i++) {
            sum += self->sigmas[i * o + j] * self->sigmas[i * o + j];
        }
        result->noise_sigma[j] = sqrt(sum / (double)members);
    }
    if (report_add(report, "laplace.log_evidence", members, self->evidence, err) != ERR_OK ||
        report_add(report, "laplace.noise_sigma", members * (int)o, self->sigmas, err) != ERR_OK ||
        report_add(report, "laplace.prior_precision_factor", members, self->factor, err) !=
            ERR_OK ||
        add_warnings(self, report, err) != ERR_OK) {
        return err->code;
    }
    return solver_report_fits(report, members, self->fits, err);
}

static enum err_code check_size(const struct solver_settings *settings, const struct resnet *net,
                                bool flat, struct err *err)
{
    int k = net->n_params;
    if (k > MAX_PARAMS && (has_matrix(settings) || settings->marginal_likelihood)) {
        return err_set(err, ERR_LIMIT,
                       "the network has %d parameters; laplace takes at most %d, unless hessian is "
                       "diagonal and marginal_likelihood is false",
                       k, MAX_PARAMS);
    }
    if (!settings->marginal_likelihood) {
        return ERR_OK;
    }
    if (flat) {
        return err_set(err, ERR_INVALID, "marginal_likelihood needs a prior that is not flat");
    }
    if (settings->members > MAX_TASKS / BLOCKS) {
        return err_set(err, ERR_LIMIT, "marginal_likelihood takes at most %d members, not %d",
                       MAX_TASKS / BLOCKS, settings->members);
    }
    return ERR_OK;
}

/* A prior that is flat for some parameters alone comes with no request. */
static enum err_code check_prior(const struct solver_problem *problem,
                                 const struct solver_settings *settings, struct err *err)
{
    for (int i = 0; settings->marginal_likelihood && i < problem->net->n_params; i++) {
        if (!(problem->beliefs.prior_sigmas[i] > 0.0)) {
            return err_set(err, ERR_INVALID, "marginal_likelihood needs a prior that is not flat");
        }
    }
    return ERR_OK;
}

static enum err_code run_laplace(const struct solver_problem *problem,
                                 const struct solver_settings *settings,
                                 struct solver_result *result, struct err *err)
{
    size_t members = (size_t)settings->members;
    int k = problem->net->n_params;
    struct solver_laplace self = {.settings = settings, .mixture = &result->gaussian};
    if (settings->hyperparameters == HYPER_EVIDENCE) {
        return laplace_by_evidence(problem, settings, result, err);
    }
    if (check_prior(problem, settings, err) != ERR_OK) {
        return err->code;
    }
    const struct gauss_shape shape = {.n_params = k,
                                      .n = k,
                                      .with_std = !has_matrix(settings),
                                      .rank = has_matrix(settings) ? k : 0};
    if (solver_tasks_init(&self.tasks, problem, settings->members, err) != ERR_OK ||
        solver_gaussians_new(result, problem, settings, &shape, err) != ERR_OK) {
        goto done;
    }
    result->gaussian.linearised = settings->predictive == PREDICTIVE_LINEARISED;
    self.fits = mem_zalloc_array(members, sizeof *self.fits);
    self.sigmas = mem_zalloc_array(members * (size_t)problem->train.o, sizeof *self.sigmas);
    self.evidence = mem_zalloc_array(members, sizeof *self.evidence);
    self.factor = mem_zalloc_array(members, sizeof *self.factor);
    self.raised = mem_zalloc_array(2 * members, sizeof *self.raised);
    if (self.fits == NULL || self.sigmas == NULL || self.evidence == NULL || self.factor == NULL ||
        self.raised == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %d members", settings->members);
        goto done;
    }
    self.bounds = self.raised + members;
    if (ranks_run(problem->checkpoint, problem->n_threads, settings->members, run_member, &self,
                  err) == ERR_OK) {
        err_kept(collect_results(&self, result, err));
    }
done:
    mem_free(self.fits);
    mem_free(self.sigmas);
    mem_free(self.evidence);
    mem_free(self.factor);
    mem_free(self.raised);
    solver_tasks_release(&self.tasks);
    return err->code;
}

/* Factors of the members, in result and model; curvature and eigenvectors of each thread. */
static double values_held(const struct solver_settings *s, const struct resnet *net, int n_threads)
{
    double matrices = 2.0 * s->members + 3.0 * (n_threads < s->members ? n_threads : s->members);
    return has_matrix(s) ? matrices * net->n_params * net->n_params : 0.0;
}

const struct solver_ops solver_laplace_ops = {
    .run = run_laplace,
    .check_size = check_size,
    .values = values_held,
    .draws = DRAWS_OF_MEMBERS,
    .one_member = true,
    .noises = NOISES_CONSTANT,
    .noise = NOISE_LEARNED,
};
