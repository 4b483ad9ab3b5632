/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/evidence_race.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define MIN_FREE  0.02 /* share of the rows that n_j - gamma_j counts at least */

/* ---- what all fits have in common ---- */

/* Counts and standard deviations of each output's values; 1 for a constant. */
static void describe_outputs(struct evidence_starts *self)
{
    const struct data *rows = &self->tasks->problem->train;
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

struct evidence_fit_problem evidence_starts_problem(const struct evidence_starts *self,
                                                    int n_threads)
{
    const struct solver_problem *p = self->tasks->problem;
    return (struct evidence_fit_problem){
        .levenberg = {.net = p->net, .rows = p->train, .n_threads = n_threads, .cancel = p->cancel},
        .groups = &self->groups,
        .counts = self->counts,
        .spread = self->spread,
        .noise_given = p->beliefs.noise == NOISE_GIVEN,
        .max_iterations = self->plan.settings->epochs,
        .patience = self->plan.settings->patience,
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

/* The mean squared error, in scaled units: E itself changes its meaning with the precisions. */
double evidence_starts_mean_square(const struct evidence_starts *self,
                                   const struct evidence_fit *fit)
{
    double squares = 0.0;
    double n = 0.0;
    for (int j = 0; j < self->tasks->problem->train.o; j++) {
        squares += fit->lm.squares[j];
        n += self->counts[j];
    }
    return squares / n;
}

void evidence_starts_tell(struct evidence_starts *self, int member, double fraction,
                          const struct evidence_fit *fit)
{
    struct progress progress = {
        .member = self->plan.first + member,
        .n_members = self->tasks->n,
        .step = fit != NULL ? fit->iteration : self->plan.settings->epochs,
        .n_steps = self->plan.settings->epochs,
        .loss = fit != NULL ? evidence_starts_mean_square(self, fit) : self->loss[member],
        .validation_loss = NAN,
        .fraction = fraction,
    };
    progress.step = progress.step < progress.n_steps ? progress.step : progress.n_steps;
    solver_tasks_progress(self->tasks, &progress);
}

/* Precisions where nothing is known yet: the prior's, on average over each group. */
static void begin_precisions(const struct evidence_starts *self, double *alpha)
{
    const struct solver_beliefs *b = &self->tasks->problem->beliefs;
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

enum err_code evidence_starts_begin(const struct evidence_starts *self, int member,
                                    struct evidence_fit *fit, struct err *err)
{
    struct solver_problem p = *self->tasks->problem;
    bool warm = member < count_warm(p.start);
    if (!warm) {
        p.start = NULL;
    }
    solver_start(&p, self->plan.settings, member, p.net->n_params, fit->lm.params);
    begin_precisions(self, fit->alpha);
    for (int j = 0; j < p.train.o; j++) {
        fit->lm.sigmas[j] =
            p.beliefs.noise == NOISE_GIVEN ? p.beliefs.noise_sigmas[j] : self->spread[j];
    }
    return warm ? evidence_fit_guess(fit, err) : ERR_OK;
}

/* ---- the choice ---- */

/* kept <- the starts, of which alive has the best first, as far as they are good. */
static enum err_code choose_kept(struct evidence_starts *self, struct err *err)
{
    const struct evidence_plan *plan = &self->plan;
    int n = self->n_alive;
    memcpy(self->kept, self->alive, (size_t)n * sizeof *self->kept);
    if (n == 0) {
        int failed = 0;
        while (failed < plan->n - 1 && self->failures[failed].code == ERR_OK) {
            failed++;
        }
        return err_set(err, ERR_NUMERIC, "all %d starts diverged; %s", plan->n,
                       err_msg(&self->failures[failed]));
    }
    self->n_kept = 0;
    double best = self->evidence[self->kept[0]];
    while (self->n_kept < n && self->n_kept < plan->keep &&
           best - self->evidence[self->kept[self->n_kept]] <= plan->gap) {
        self->n_kept++;
    }
    int good = self->n_kept;
    while (self->tasks->problem->all_members &&
           self->n_kept < (plan->keep < plan->n ? plan->keep : plan->n)) {
        self->kept[self->n_kept] = self->kept[self->n_kept % good];
        self->n_kept++;
    }
    return ERR_OK;
}

/* ---- the whole ---- */

static enum err_code allocate(struct evidence_starts *self, struct err *err)
{
    const struct solver_problem *problem = self->tasks->problem;
    size_t n = (size_t)self->plan.n;
    size_t k = (size_t)problem->net->n_params;
    size_t o = (size_t)problem->train.o;
    if (param_groups_init(&self->groups, problem->net, err) != ERR_OK) {
        return err->code;
    }
    size_t g = (size_t)self->groups.n;
    self->memory = mem_zalloc_array(n * (k + 2 * g + o + 3) + 2 * o, sizeof *self->memory);
    self->failures = mem_zalloc_array(n, sizeof *self->failures);
    self->kept = mem_zalloc_array(2 * n, sizeof *self->kept);
    if (self->memory == NULL || self->failures == NULL || self->kept == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu fits of %zu parameters", n, k);
    }
    self->alive = self->kept + n;
    self->params = self->memory;
    self->alpha = self->params + n * k;
    self->gamma = self->alpha + n * g;
    self->sigmas = self->gamma + n * g;
    self->evidence = self->sigmas + n * o;
    self->iterations = self->evidence + n;
    self->loss = self->iterations + n;
    self->counts = self->loss + n;
    self->spread = self->counts + o;
    return ERR_OK;
}

enum err_code evidence_starts_run(struct evidence_starts *self, struct solver_tasks *tasks,
                                  const struct evidence_plan *plan, struct err *err)
{
    *self = (struct evidence_starts){.tasks = tasks, .plan = *plan};
    if (allocate(self, err) != ERR_OK) {
        return err->code;
    }
    describe_outputs(self);
    return evidence_race(self, err) == ERR_OK ? choose_kept(self, err) : err->code;
}

void evidence_starts_release(struct evidence_starts *self)
{
    param_groups_release(&self->groups);
    mem_free(self->memory);
    mem_free(self->failures);
    mem_free(self->kept);
    *self = (struct evidence_starts){.memory = NULL};
}

/* ---- what was kept ---- */

enum err_code evidence_starts_open(struct evidence_starts *self, int slot,
                                   struct evidence_opened *opened, struct err *err)
{
    const struct solver_problem *p = self->tasks->problem;
    struct evidence_fit *fit = &opened->fit;
    size_t k = (size_t)p->net->n_params;
    size_t g = (size_t)self->groups.n;
    size_t o = (size_t)p->train.o;
    size_t at = (size_t)self->kept[slot];
    opened->problem = evidence_starts_problem(self, self->n_kept == 1 ? p->n_threads : 1);
    if (evidence_fit_init(fit, &opened->problem, err) != ERR_OK) {
        return err->code;
    }
    memcpy(fit->lm.params, self->params + at * k, k * sizeof *self->params);
    memcpy(fit->alpha, self->alpha + at * g, g * sizeof *self->alpha);
    memcpy(fit->lm.sigmas, self->sigmas + at * o, o * sizeof *self->sigmas);
    if (evidence_fit_finish(fit, err) == ERR_OK) {
        memcpy(self->gamma + (size_t)slot * g, fit->gamma, g * sizeof *self->gamma);
    }
    return err->code;
}

void evidence_starts_close(struct evidence_opened *opened)
{
    evidence_fit_release(&opened->fit);
}

enum err_code evidence_starts_unseen(const struct evidence_starts *self,
                                     struct evidence_opened *opened, double *sigmas,
                                     struct err *err)
{
    struct evidence_fit *fit = &opened->fit;
    int o = self->tasks->problem->train.o;
    if (opened->problem.noise_given) {
        memcpy(sigmas, fit->lm.sigmas, (size_t)o * sizeof *sigmas);
        return ERR_OK;
    }
    if (levenberg_left_out(&fit->lm, sigmas, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0; j < o; j++) {
        sigmas[j] = sqrt(sigmas[j] / self->counts[j]);
    }
    return ERR_OK;
}

void evidence_starts_tell_end(struct evidence_starts *self, int start,
                              const struct evidence_opened *opened)
{
    evidence_starts_tell(self, start, 1.0, opened != NULL ? &opened->fit : NULL);
}

void evidence_starts_tell_left_out(struct evidence_starts *self)
{
    for (int i = 0; i < self->plan.n; i++) {
        bool kept = false;
        for (int s = 0; s < self->n_kept; s++) {
            kept = kept || self->kept[s] == i;
        }
        if (!kept) {
            evidence_starts_tell(self, i, 1.0, NULL);
        }
    }
}

/* ---- size ---- */

double evidence_starts_values(const struct resnet *net, int n, int kept, int n_threads)
{
    double threads = n_threads < n ? n_threads : n;
    return 2.0 * kept * net->n_params * net->n_params + levenberg_values(net, (int)threads);
}

enum err_code evidence_check_size(enum solver_kind solver, const struct resnet *net,
                                  struct err *err)
{
    const char *what = solver == SOLVER_EVIDENCE ? "evidence" : "\"hyperparameters\":\"evidence\"";
    struct arch arch = net->arch;
    int n_params = net->n_params;
    if (n_params <= LEVENBERG_MAX_PARAMS) {
        return ERR_OK;
    }
    while (arch.layer_pre && arch.layer_post && arch.width > 1 &&
           arch_n_params(&arch) > LEVENBERG_MAX_PARAMS) {
        arch.width--;
    }
    if (arch_n_params(&arch) > LEVENBERG_MAX_PARAMS) {
        return err_set(err, ERR_LIMIT,
                       "the network has %d parameters; %s takes at most %d; fewer layers or a "
                       "basis with fewer coefficients have fewer",
                       n_params, what, LEVENBERG_MAX_PARAMS);
    }
    return err_set(err, ERR_LIMIT,
                   "the network has %d parameters; %s takes at most %d: width %d, which has "
                   "%d, is the largest that fits; ensemble has no limit",
                   n_params, what, LEVENBERG_MAX_PARAMS, arch.width, arch_n_params(&arch));
}
