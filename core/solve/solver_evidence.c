/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks at maxima of the evidence (core/solve/evidence_fit.h has the method). `members` fits
 * start at random, side by side. Which of them are good is told by their evidence, without any rows
 * kept out: those whose log evidence is within `evidence_gap` of the best are the posterior, at
 * most `keep` of them, as a mixture of Gaussians
 *
 *   w ~ N(theta, H^-1),  H by Gauss-Newton with the chosen noise and precisions
 *
 * with equal weights, whose predictions linearise the networks at their theta.
 *
 * Why not weights by evidence: exp of a difference of a few units would leave one network of many
 * that are equally good, while Laplace's approximation of the evidence is itself no better than
 * that. A start that ended in a bad maximum is far behind, and is left out.
 *
 * Each fit has all rows at each step and works with K x K matrices: n o K^2 and K^3 operations a
 * step, exact up to MAX_PARAMS parameters and meant for few rows, up to some thousands. Inputs that
 * do not matter lose their weights to a prior precision of their own, and cost nothing but time.
 *
 * The prior of the request only says where the precisions begin. Noise is given, or found for each
 * output; predicted noise would need a network of its own for the precision and is refused.
 *
 * Where the posterior is a part of a whole that needs equally many Gaussians of each part, better
 * starts take the places of those left out, a second time.
 *
 * A warm start begins at the networks of the earlier posterior; starts beyond their number begin at
 * random, since the fit has no random numbers that would tell two equal beginnings apart.
 */
#include "solve/solver_evidence.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define MAX_PARAMS 8000      /* of a square matrix: 512 MB */
#define FIT_SHARE  0.95      /* of the progress; the rest is the covariances */
#define BUFFER     (1 << 22) /* doubles of a thread's derivatives (core/fit/curvature_rows.c) */

static int max_kept(const struct solver_settings *s)
{
    return s->keep < s->members ? s->keep : s->members;
}

/* ---- what all fits have in common ---- */

/* Counts and standard deviations of each output's values; 1 for a constant. */
static void describe_outputs(struct solver_evidence *self)
{
    const struct data *rows = &self->tasks.problem->train;
    size_t o = (size_t)rows->o;
    for (size_t j = 0; j < o; j++) {
        double n = 0.0;
        double mean = 0.0;
        double squares = 0.0;
        for (size_t c = j; c < (size_t)rows->n * o; c += o) {
            if (isnan(rows->y[c])) {
                continue;
            }
            double gap = rows->y[c] - mean;
            n += 1.0;
            mean += gap / n;
            squares += gap * (rows->y[c] - mean);
        }
        double spread = sqrt(squares / n);
        self->counts[j] = n;
        self->spread[j] = spread > 0.0 ? spread : 1.0;
    }
}

static struct evidence_fit_problem problem_of(const struct solver_evidence *self, int n_threads)
{
    const struct solver_problem *p = self->tasks.problem;
    return (struct evidence_fit_problem){
        .levenberg = {.net = p->net, .rows = p->train, .n_threads = n_threads, .cancel = p->cancel},
        .groups = &self->groups,
        .counts = self->counts,
        .spread = self->spread,
        .noise_given = p->beliefs.noise == NOISE_GIVEN,
        .max_iterations = self->settings->epochs,
        .patience = self->settings->patience,
    };
}

/* How many fits can begin at different networks of an earlier posterior. */
static int count_warm(const struct solver_start *start)
{
    if (start == NULL) {
        return 0;
    }
    if (start->gaussian->n_members > 0) {
        return start->gaussian->n_members;
    }
    return start->networks != NULL ? start->n_groups : start->m;
}

/* Precisions where nothing is known yet: the prior's, on average over each group. */
static void begin_precisions(const struct solver_evidence *self, double *alpha)
{
    const struct solver_beliefs *b = &self->tasks.problem->beliefs;
    const struct param_groups *groups = &self->groups;
    memset(alpha, 0, (size_t)groups->n * sizeof *alpha);
    for (int k = 0; !b->flat && k < groups->n_params; k++) {
        double s = b->prior_sigmas[k];
        alpha[groups->of[k]] += s > 0.0 ? 1.0 / (s * s) : EVIDENCE_PRECISION;
    }
    for (int g = 0; g < groups->n; g++) {
        double n = groups->size[g];
        alpha[g] = b->flat || n == 0.0 ? EVIDENCE_PRECISION : alpha[g] / n;
        alpha[g] = fmin(fmax(alpha[g], EVIDENCE_MIN_PRECISION), EVIDENCE_MAX_PRECISION);
    }
}

static enum err_code begin_fit(const struct solver_evidence *self, int member,
                               struct evidence_fit *fit, struct err *err)
{
    struct solver_problem p = *self->tasks.problem;
    bool warm = member < count_warm(p.start);
    if (!warm) {
        p.start = NULL;
    }
    solver_start(&p, self->settings, member, p.net->n_params, fit->lm.params);
    begin_precisions(self, fit->alpha);
    for (int j = 0; j < p.train.o; j++) {
        fit->lm.sigmas[j] =
            p.beliefs.noise == NOISE_GIVEN ? p.beliefs.noise_sigmas[j] : self->spread[j];
    }
    return warm ? evidence_fit_guess(fit, err) : ERR_OK;
}

/* ---- one fit ---- */

static enum err_code save_fit(const struct solver_evidence *self, int member, bool done,
                              const struct evidence_fit *fit, struct err *err)
{
    const struct checkpoint *checkpoint = self->tasks.problem->checkpoint;
    struct bytes_writer w = {.data = NULL};
    if (checkpoint == NULL) {
        return ERR_OK;
    }
    bytes_put_u32(&w, done ? 1 : 0);
    evidence_fit_save(fit, &w);
    return checkpoint_save(checkpoint, member, &w, err);
}

static enum err_code resume_fit(const struct solver_evidence *self, int member, bool *done,
                                struct evidence_fit *fit, struct err *err)
{
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    if (checkpoint_load(self->tasks.problem->checkpoint, member, &bytes, &r, &found, err) !=
            ERR_OK ||
        !found) {
        return err->code;
    }
    *done = bytes_get_int(&r, 1) == 1;
    evidence_fit_load(fit, &r);
    mem_free(bytes);
    return checkpoint_check(&r, err);
}

/* The mean squared error, in scaled units: E itself changes its meaning with the precisions. */
static double mean_square(const struct solver_evidence *self, const struct evidence_fit *fit)
{
    double squares = 0.0;
    double n = 0.0;
    for (int j = 0; j < self->tasks.problem->train.o; j++) {
        squares += fit->lm.squares[j];
        n += self->counts[j];
    }
    return squares / n;
}

/* fit: NULL: its iterations are over. */
static void tell(struct solver_evidence *self, int member, double fraction,
                 const struct evidence_fit *fit)
{
    struct progress progress = {
        .member = member,
        .n_members = self->tasks.n,
        .step = fit != NULL ? fit->iteration : self->settings->epochs,
        .n_steps = self->settings->epochs,
        .loss = fit != NULL ? mean_square(self, fit) : self->loss[member],
        .validation_loss = NAN,
        .fraction = fraction,
    };
    progress.step = progress.step < progress.n_steps ? progress.step : progress.n_steps;
    solver_tasks_progress(&self->tasks, &progress);
}

/* Iterates to the end, from where an interrupted run stopped. */
static enum err_code finish_fit(struct solver_evidence *self, int member, struct evidence_fit *fit,
                                struct err *err)
{
    const struct checkpoint *checkpoint = self->tasks.problem->checkpoint;
    double max = evidence_fit_max_iterations(fit->problem);
    bool done = false;
    if (begin_fit(self, member, fit, err) != ERR_OK ||
        resume_fit(self, member, &done, fit, err) != ERR_OK || done) {
        return err->code;
    }
    while (!fit->over) {
        if (evidence_fit_iterate(fit, err) != ERR_OK ||
            (checkpoint_due(checkpoint, member) &&
             save_fit(self, member, false, fit, err) != ERR_OK)) {
            return err->code;
        }
        tell(self, member, FIT_SHARE * (fit->iteration / max), fit);
    }
    return evidence_fit_finish(fit, err) == ERR_OK ? save_fit(self, member, true, fit, err)
                                                   : err->code;
}

static enum err_code fit_start(void *ctx, int worker, int member, struct err *err)
{
    struct solver_evidence *self = ctx;
    const struct solver_problem *p = self->tasks.problem;
    size_t k = (size_t)p->net->n_params;
    size_t g = (size_t)self->groups.n;
    size_t o = (size_t)p->train.o;
    size_t at = (size_t)member;
    const struct evidence_fit_problem problem =
        problem_of(self, self->tasks.n == 1 ? p->n_threads : 1);
    struct evidence_fit fit;
    (void)worker;
    self->evidence[member] = NAN;
    if (evidence_fit_init(&fit, &problem, err) == ERR_OK) {
        err_kept(finish_fit(self, member, &fit, err));
    }
    if (err->code == ERR_OK) {
        self->evidence[member] = fit.log_evidence;
        self->iterations[member] = fit.iteration;
        self->loss[member] = mean_square(self, &fit);
        memcpy(self->params + at * k, fit.lm.params, k * sizeof *self->params);
        memcpy(self->alpha + at * g, fit.alpha, g * sizeof *self->alpha);
        memcpy(self->sigmas + at * o, fit.lm.sigmas, o * sizeof *self->sigmas);
        tell(self, member, FIT_SHARE, &fit);
    } else if (err->code == ERR_NUMERIC && !cancel_is_requested(p->cancel)) {
        /* The others may be good. */
        self->failures[member] = *err;
        self->loss[member] = NAN;
        err_clear(err);
        tell(self, member, FIT_SHARE, NULL);
    }
    evidence_fit_release(&fit);
    return err->code;
}

/* ---- the posterior ---- */

/* kept <- the starts in the order of their evidence, as far as they are good. */
static enum err_code choose_kept(struct solver_evidence *self, struct err *err)
{
    const struct solver_settings *s = self->settings;
    int n = 0;
    for (int i = 0; i < s->members; i++) {
        if (!isfinite(self->evidence[i])) {
            continue;
        }
        int to = n++;
        for (; to > 0 && self->evidence[self->kept[to - 1]] < self->evidence[i]; to--) {
            self->kept[to] = self->kept[to - 1];
        }
        self->kept[to] = i;
    }
    if (n == 0) {
        return err_set(err, ERR_NUMERIC, "all %d starts diverged; %s", s->members,
                       err_msg(&self->failures[0]));
    }
    self->n_kept = 0;
    double best = self->evidence[self->kept[0]];
    while (self->n_kept < n && self->n_kept < s->keep &&
           best - self->evidence[self->kept[self->n_kept]] <= s->evidence_gap) {
        self->n_kept++;
    }
    int good = self->n_kept;
    while (self->tasks.problem->all_members && self->n_kept < max_kept(s)) {
        self->kept[self->n_kept] = self->kept[self->n_kept % good];
        self->n_kept++;
    }
    return ERR_OK;
}

static enum err_code make_gaussian(void *ctx, int worker, int slot, struct err *err)
{
    struct solver_evidence *self = ctx;
    const struct solver_problem *p = self->tasks.problem;
    struct gauss *gauss = &self->mixture->members[slot];
    size_t k = (size_t)p->net->n_params;
    size_t g = (size_t)self->groups.n;
    size_t o = (size_t)p->train.o;
    size_t at = (size_t)self->kept[slot];
    const struct evidence_fit_problem problem =
        problem_of(self, self->n_kept == 1 ? p->n_threads : 1);
    struct evidence_fit fit;
    (void)worker;
    if (evidence_fit_init(&fit, &problem, err) == ERR_OK) {
        memcpy(fit.lm.params, self->params + at * k, k * sizeof *self->params);
        memcpy(fit.alpha, self->alpha + at * g, g * sizeof *self->alpha);
        memcpy(fit.lm.sigmas, self->sigmas + at * o, o * sizeof *self->sigmas);
        if (evidence_fit_finish(&fit, err) == ERR_OK) {
            err_kept(levenberg_covariance(&fit.lm, gauss->factor, err));
        }
    }
    if (err->code == ERR_OK) {
        memcpy(gauss->mean, fit.lm.params, k * sizeof *gauss->mean);
        memcpy(self->gamma + (size_t)slot * g, fit.gamma, g * sizeof *self->gamma);
        tell(self, self->kept[slot], 1.0, &fit);
    }
    evidence_fit_release(&fit);
    return err->code;
}

static enum err_code make_posterior(struct solver_evidence *self, struct solver_result *result,
                                    struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    int k = p->net->n_params;
    const struct gauss_shape shape = {.n_params = k, .n = k, .rank = k};
    if (gauss_mixture_new(&result->gaussian, self->n_kept, &shape, err) != ERR_OK) {
        return err->code;
    }
    result->gaussian.n_draws = self->settings->draws;
    result->gaussian.seed = (int64_t)p->seed;
    result->gaussian.linearised = true;
    result->m = self->n_kept * self->settings->draws;
    /* Starts that are left out are done. */
    for (int i = 0; i < self->tasks.n; i++) {
        bool kept = false;
        for (int s = 0; s < self->n_kept; s++) {
            kept = kept || self->kept[s] == i;
        }
        if (!kept) {
            tell(self, i, 1.0, NULL);
        }
    }
    return par_run(p->n_threads, self->n_kept, make_gaussian, self, err);
}

/* ---- the whole ---- */

/* ERR_LIMIT with the largest width that fits, where the width may be chosen. */
static enum err_code check_size(const struct solver_settings *settings, const struct resnet *net,
                                bool flat, struct err *err)
{
    struct arch arch = net->arch;
    int n_params = net->n_params;
    (void)settings;
    (void)flat;
    if (n_params <= MAX_PARAMS) {
        return ERR_OK;
    }
    while (arch.layer_pre && arch.layer_post && arch.width > 1 &&
           arch_n_params(&arch) > MAX_PARAMS) {
        arch.width--;
    }
    if (arch_n_params(&arch) > MAX_PARAMS) {
        return err_set(
            err, ERR_LIMIT,
            "the network has %d parameters; evidence takes at most %d; fewer layers or a "
            "basis with fewer coefficients have fewer",
            n_params, MAX_PARAMS);
    }
    return err_set(err, ERR_LIMIT,
                   "the network has %d parameters; evidence takes at most %d: width %d, which has "
                   "%d, is the largest that fits; ensemble has no limit",
                   n_params, MAX_PARAMS, arch.width, arch_n_params(&arch));
}

static enum err_code solver_evidence_init(struct solver_evidence *self,
                                          const struct solver_problem *problem, struct err *err)
{
    size_t members = (size_t)self->settings->members;
    size_t k = (size_t)problem->net->n_params;
    size_t o = (size_t)problem->train.o;
    if (solver_tasks_init(&self->tasks, problem, self->settings->members, err) != ERR_OK ||
        param_groups_init(&self->groups, problem->net, err) != ERR_OK) {
        return err->code;
    }
    size_t g = (size_t)self->groups.n;
    self->memory = mem_zalloc_array(members * (k + 2 * g + o + 3) + 2 * o, sizeof *self->memory);
    self->failures = mem_zalloc_array(members, sizeof *self->failures);
    self->kept = mem_zalloc_array(members, sizeof *self->kept);
    if (self->memory == NULL || self->failures == NULL || self->kept == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu fits of %zu parameters", members, k);
    }
    self->params = self->memory;
    self->alpha = self->params + members * k;
    self->gamma = self->alpha + members * g;
    self->sigmas = self->gamma + members * g;
    self->evidence = self->sigmas + members * o;
    self->iterations = self->evidence + members;
    self->loss = self->iterations + members;
    self->counts = self->loss + members;
    self->spread = self->counts + o;
    describe_outputs(self);
    return ERR_OK;
}

static enum err_code run_evidence(const struct solver_problem *problem,
                                  const struct solver_settings *settings,
                                  struct solver_result *result, struct err *err)
{
    struct solver_evidence self = {.settings = settings, .mixture = &result->gaussian};
    if (check_size(settings, problem->net, problem->beliefs.flat, err) == ERR_OK &&
        solver_evidence_init(&self, problem, err) == ERR_OK &&
        par_run(problem->n_threads, settings->members, fit_start, &self, err) == ERR_OK &&
        choose_kept(&self, err) == ERR_OK && make_posterior(&self, result, err) == ERR_OK) {
        err_kept(solver_evidence_report(&self, result, err));
    }
    param_groups_release(&self.groups);
    solver_tasks_release(&self.tasks);
    mem_free(self.memory);
    mem_free(self.failures);
    mem_free(self.kept);
    return err->code;
}

/* Factors of the kept fits, in result and model; curvature and its factor, and derivatives of rows,
 * of each thread. */
static double values_held(const struct solver_settings *s, const struct resnet *net, int n_threads)
{
    double threads = n_threads < s->members ? n_threads : s->members;
    double matrices = 2.0 * max_kept(s) + 2.0 * threads;
    return matrices * net->n_params * net->n_params + threads * BUFFER;
}

static void set_defaults(struct solver_settings *settings)
{
    settings->epochs = 300;
    settings->patience = 30;
}

/* A few hundred parameters. The weak prior lets all inputs in before the evidence decides; from a
 * strong one more starts end where the network does nothing. */
static void set_request(struct solver_request *request)
{
    request->arch.width = 16;
    request->arch.layers = 2;
    request->arch.basis = WPFN_CONSTANT;
    request->prior_sigma = 10.0;
    request->output_scaling = SCALER_STANDARD;
}

const struct solver_ops solver_evidence_ops = {
    .run = run_evidence,
    .set_request = set_request,
    .check_size = check_size,
    .values = values_held,
    .draws = DRAWS_OF_KEPT,
    .set_defaults = set_defaults,
    .noises = NOISE_BIT(GIVEN) | NOISE_BIT(LEARNED),
    .noise = NOISE_LEARNED,
};
