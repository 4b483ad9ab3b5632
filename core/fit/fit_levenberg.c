/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full-batch fits of objectives by Levenberg-Marquardt (core/fit/levenberg.h). An "epoch" is one
 * step, so rows, outputs and parameters should be few: a step takes n o K^2 multiplications, or
 * (n o)^2 K where those are fewer.
 *
 *   mean squared error       E with s_j^2 = n o / 2, and no prior
 *   likelihood, posterior    E with the noise s_j, and the prior's precision and mean
 *   weight_decay             added to the precisions
 *
 * Learned noise takes turns: after each step of the network, log s_j goes to the minimum of the
 * objective for the errors there, q_j = |e_j|^2, the root u of
 *
 *   n_j - q_j exp(-2 u) + (u - OBJECTIVE_LOG_S_MEAN) / OBJECTIVE_LOG_S_SD^2 = 0
 *
 * (the last term in the posterior alone), which is unique as the left side rises with u. Both
 * halves lower the objective. Without a prior and without errors log s_j would go to minus
 * infinity; MIN_LOG_S bounds it.
 *
 * Checkpoints come between steps, of which each takes seconds at most where this method pays.
 */
#include "fit/fit_priv.h"

#include "base/mem.h"
#include "fit/levenberg.h"

#include <math.h>
#include <string.h>

#define MIN_LOG_S (-13.8) /* a millionth of outputs that are scaled to about 1 */
#define NEWTON    100     /* steps of the search for log s_j */
#define SAME      1e-12   /* a change of log s_j that is none */

struct least_squares {
    struct fit *fit;
    struct rng *rng;
    struct levenberg_problem problem;
    struct levenberg lm;
    int *counts; /* [o] rows that have each output; mem */
};

static const struct objective *objective_of(const struct least_squares *self)
{
    return self->fit->problem->loss.objective;
}

static void set_precisions(struct least_squares *self)
{
    const struct objective *obj = objective_of(self);
    double share = (double)self->problem.rows.n / (double)obj->n_total;
    for (int k = 0; k < self->problem.net->n_params; k++) {
        double sigma = obj->prior_sigmas != NULL ? obj->prior_sigmas[k] : obj->prior_sigma;
        double prior = obj->kind == OBJECTIVE_NLP && sigma > 0.0 ? share / (sigma * sigma) : 0.0;
        self->lm.precision[k] = prior + self->fit->settings->optim.weight_decay;
    }
    self->lm.center = obj->kind == OBJECTIVE_NLP ? obj->anchor : NULL;
}

/* log_s [o]: learned noise. */
static void set_sigmas(struct least_squares *self, const double *log_s)
{
    const struct objective *obj = objective_of(self);
    const struct data *rows = &self->problem.rows;
    for (int j = 0; j < rows->o; j++) {
        self->lm.sigmas[j] = obj->kind == OBJECTIVE_MSE
                                 ? sqrt(0.5 * (double)rows->n * data_outputs(rows))
                             : obj->noise == NOISE_LEARNED ? exp(log_s[j])
                             : obj->noise_sigmas != NULL   ? obj->noise_sigmas[j]
                                                           : obj->noise_sigma;
    }
}

/* The minimum over log s_j; n: rows with the output, squares: of their errors. */
static double best_log_s(const struct least_squares *self, double n, double squares, double log_s)
{
    const struct objective *obj = objective_of(self);
    double share = (double)self->problem.rows.n / (double)obj->n_total;
    double pull =
        obj->kind == OBJECTIVE_NLP ? share / (OBJECTIVE_LOG_S_SD * OBJECTIVE_LOG_S_SD) : 0.0;
    double low = MIN_LOG_S;
    double high = OBJECTIVE_MAX_LOG;
    double u = fmin(fmax(log_s, low), high);
    for (int i = 0; i < NEWTON && high - low > SAME; i++) {
        double weighed = squares * exp(-2.0 * u);
        double slope = n - weighed + pull * (u - OBJECTIVE_LOG_S_MEAN);
        low = slope < 0.0 ? u : low;
        high = slope < 0.0 ? high : u;
        double next = u - slope / (2.0 * weighed + pull + 1e-300);
        u = next > low && next < high ? next : 0.5 * (low + high);
    }
    return u;
}

/* Sets learned log_s [o] for the errors at the parameters; *moved becomes true when one changes. */
static void learn_noise(struct least_squares *self, double *log_s, bool *moved)
{
    for (int j = 0; j < self->problem.rows.o; j++) {
        double u = best_log_s(self, self->counts[j], self->lm.squares[j], log_s[j]);
        *moved = *moved || fabs(u - log_s[j]) > 1e-9;
        log_s[j] = u;
    }
    set_sigmas(self, log_s);
}

/* ---- checkpoints ---- */

static enum err_code save_if_due(const struct least_squares *self, const double *params,
                                 struct err *err)
{
    const struct fit_problem *p = self->fit->problem;
    struct bytes_writer w = {.data = NULL};
    if (!checkpoint_due(p->checkpoint, p->task)) {
        return ERR_OK;
    }
    fit_put_state(self->fit, false, self->rng, &w);
    bytes_put_f64(&w, &self->lm.damping, 1);
    bytes_put_f64(&w, params, (size_t)p->loss.n_params);
    return checkpoint_save(p->checkpoint, p->task, &w, err);
}

static enum err_code resume_fit(struct least_squares *self, double *params, bool *stop,
                                struct err *err)
{
    struct fit_state state;
    if (fit_open_state(self->fit, self->rng, &state, stop, err) == ERR_OK && state.found) {
        bytes_get_f64(&state.reader, &self->lm.damping, 1);
        bytes_get_f64(&state.reader, params, (size_t)self->fit->problem->loss.n_params);
    }
    return fit_close_state(&state, err);
}

/* ---- steps ---- */

/* decay / 2 |params|^2 */
static double decay_at(double decay, const double *params, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += params[i] * params[i];
    }
    return 0.5 * decay * sum;
}

/* One step from params, and the epoch that it is. */
static enum err_code take_step(struct least_squares *self, double *params, bool *stop,
                               struct err *err)
{
    struct fit *fit = self->fit;
    const struct fit_problem *p = fit->problem;
    struct levenberg *lm = &self->lm;
    size_t k = (size_t)self->problem.net->n_params;
    bool moved = false;
    memcpy(lm->params, params, k * sizeof *params);
    set_sigmas(self, params + k);
    if (levenberg_linearise(lm, err) != ERR_OK || levenberg_step(lm, &moved, err) != ERR_OK) {
        if (err->code == ERR_NUMERIC) {
            err_prefix(err, "in epoch %d", fit->result->epochs + 1);
        }
        return err->code;
    }
    memcpy(params, lm->params, k * sizeof *params);
    if (objective_learns_noise(p->loss.objective)) {
        learn_noise(self, params + k, &moved);
    }
    /* With the decay, as it is what falls with each step: the best epoch is the last one. */
    double value = p->loss.train(p->loss.ctx, &p->train, params, NULL, NULL) +
                   decay_at(fit->settings->optim.weight_decay, params, p->loss.n_params);
    value /= p->loss.is_mean ? 1.0 : (double)p->train.n;
    if (fit_epoch_done(fit, value, params, stop, err) == ERR_OK) {
        *stop = *stop || !moved;
    }
    return err->code;
}

static enum err_code check_problem(const struct fit_problem *p, struct err *err)
{
    if (p->loss.objective == NULL || objective_predicts_noise(p->loss.objective)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "levenberg_marquardt minimises sums of squares; the loss is none");
    }
    double k = p->loss.net->n_params;
    double work = (double)p->train.n * p->train.o * k * k;
    if (work > FIT_LEVENBERG_MAX_WORK) {
        return err_set(err, ERR_LIMIT,
                       "a step of levenberg_marquardt on %d rows, %d outputs and %.0f parameters "
                       "takes %.2g multiplications, at most %.2g are possible; adam and lbfgs have "
                       "no such limit",
                       p->train.n, p->train.o, k, work, FIT_LEVENBERG_MAX_WORK);
    }
    return ERR_OK;
}

enum err_code fit_levenberg(struct fit *fit, struct rng *rng, double *params, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    struct least_squares self = {.fit = fit, .rng = rng};
    bool stop = false;
    if (check_problem(p, err) != ERR_OK) {
        return err->code;
    }
    self.problem = (struct levenberg_problem){
        .net = p->loss.net, .rows = p->train, .n_threads = 1, .cancel = p->cancel};
    self.counts = mem_alloc_array((size_t)p->train.o, sizeof *self.counts);
    if (self.counts == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a training run");
    }
    data_count(&p->train, self.counts);
    if (levenberg_init(&self.lm, &self.problem, err) == ERR_OK) {
        set_precisions(&self);
        err_kept(resume_fit(&self, params, &stop, err));
    }
    while (err->code == ERR_OK && fit->result->epochs < fit->settings->epochs && !stop) {
        if (take_step(&self, params, &stop, err) == ERR_OK && !stop) {
            err_kept(save_if_due(&self, params, err));
        }
    }
    levenberg_release(&self.lm);
    mem_free(self.counts);
    return err->code;
}
