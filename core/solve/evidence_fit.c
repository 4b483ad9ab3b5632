/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/evidence_fit.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define FIRST_UPDATE 5      /* iterations before alpha and beta change */
#define MAX_SETTLING 10     /* iterations of theta alone at the end */
#define PEAK         0.01   /* of the log evidence, by which a peak is higher than where it ended */
#define MIN_GAMMA    1e-3   /* of a group: by rounding it may be below 0 */
#define MIN_FREE     0.02   /* share of the rows that n_j - gamma_j counts at least */
#define TINY         1e-300 /* sums of squares above 0 */

enum err_code evidence_fit_init(struct evidence_fit *fit,
                                const struct evidence_fit_problem *problem, struct err *err)
{
    size_t k = (size_t)problem->groups->n_params;
    size_t g = (size_t)problem->groups->n;
    size_t o = (size_t)problem->levenberg.net->n_out;
    *fit = (struct evidence_fit){
        .problem = problem, .settled = -1, .best = -INFINITY, .peak = -INFINITY};
    fit->memory = mem_zalloc_array(4 * g + 3 * k + 2 * o, sizeof *fit->memory);
    if (fit->memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a fit of %zu parameters", k);
    }
    fit->alpha = fit->memory;
    fit->gamma = fit->alpha + g;
    fit->norms = fit->gamma + g;
    fit->determined = fit->norms + g;
    fit->squares = fit->determined + k;
    fit->by_output = fit->squares + k;
    fit->at_peak = fit->by_output + o;
    return levenberg_init(&fit->lm, &problem->levenberg, err);
}

void evidence_fit_release(struct evidence_fit *fit)
{
    levenberg_release(&fit->lm);
    mem_free(fit->memory);
    fit->memory = NULL;
}

/* sums [groups] <- |theta_g|^2 */
static void sum_squares(struct evidence_fit *fit, double *sums)
{
    for (int k = 0; k < fit->problem->groups->n_params; k++) {
        fit->squares[k] = fit->lm.params[k] * fit->lm.params[k];
    }
    param_groups_sum(fit->problem->groups, fit->squares, sums);
}

static double clamp(double value, double min, double max)
{
    return fmin(fmax(value, min), max);
}

static double bounded_sigma(const struct evidence_fit *fit, int j, double sigma)
{
    double spread = fit->problem->spread[j];
    return clamp(sigma, EVIDENCE_MIN_NOISE * spread, EVIDENCE_MAX_NOISE * spread);
}

enum err_code evidence_fit_guess(struct evidence_fit *fit, struct err *err)
{
    const struct evidence_fit_problem *p = fit->problem;
    const struct levenberg_problem *lm = &p->levenberg;
    if (residuals_squares(&fit->lm.residuals, &lm->rows, fit->lm.params, lm->cancel,
                          fit->lm.squares, err) != ERR_OK) {
        return err->code;
    }
    sum_squares(fit, fit->norms);
    for (int g = 0; g < p->groups->n; g++) {
        fit->alpha[g] = clamp((double)p->groups->size[g] / (fit->norms[g] + TINY),
                              EVIDENCE_MIN_PRECISION, EVIDENCE_MAX_PRECISION);
    }
    for (int j = 0; !p->noise_given && j < lm->net->n_out; j++) {
        fit->lm.sigmas[j] = bounded_sigma(fit, j, sqrt(fit->lm.squares[j] / p->counts[j]));
    }
    return ERR_OK;
}

/* gamma, by_output and log_evidence where lm is linearised. */
static enum err_code find_evidence(struct evidence_fit *fit, struct err *err)
{
    const struct evidence_fit_problem *p = fit->problem;
    int o = p->levenberg.net->n_out;
    double logdet;
    if (levenberg_posterior(&fit->lm, &logdet, fit->determined, err) != ERR_OK) {
        return err->code;
    }
    param_groups_sum(p->groups, fit->determined, fit->gamma);
    fit->by_output[0] = 0.0;
    double value = -levenberg_loss(&fit->lm, fit->lm.params, fit->lm.squares) - 0.5 * logdet;
    for (int g = 0; g < p->groups->n; g++) {
        value += 0.5 * (double)p->groups->size[g] * log(fit->alpha[g]);
        fit->by_output[0] += fit->gamma[g]; /* a single output determines all */
    }
    for (int j = 0; j < o; j++) {
        value -= p->counts[j] * (log(fit->lm.sigmas[j]) + 0.5 * log(2.0 * acos(-1.0)));
    }
    fit->log_evidence = value;
    return o > 1 && !p->noise_given ? levenberg_by_output(&fit->lm, fit->by_output, err) : ERR_OK;
}

/* Half of the way, in the logarithm, to what the fixed point says. */
static void update(struct evidence_fit *fit)
{
    const struct evidence_fit_problem *p = fit->problem;
    sum_squares(fit, fit->norms);
    for (int g = 0; g < p->groups->n; g++) {
        double alpha = clamp(fmax(fit->gamma[g], MIN_GAMMA) / (fit->norms[g] + TINY),
                             EVIDENCE_MIN_PRECISION, EVIDENCE_MAX_PRECISION);
        fit->alpha[g] = sqrt(fit->alpha[g] * alpha);
    }
    for (int j = 0; !p->noise_given && j < p->levenberg.net->n_out; j++) {
        double left = fmax(p->counts[j] - fit->by_output[j], MIN_FREE * p->counts[j]);
        double sigma = bounded_sigma(fit, j, sqrt(fit->lm.squares[j] / left));
        fit->lm.sigmas[j] = sqrt(fit->lm.sigmas[j] * sigma);
    }
}

static void copy_numbers(double *to, const double *from, int n)
{
    memcpy(to, from, (size_t)n * sizeof *to);
}

/* Keeps the state when its evidence is the highest so far. */
static void keep_peak(struct evidence_fit *fit)
{
    int k = fit->problem->groups->n_params;
    int g = fit->problem->groups->n;
    if (!(fit->log_evidence > fit->peak)) {
        return;
    }
    fit->peak = fit->log_evidence;
    copy_numbers(fit->at_peak, fit->lm.params, k);
    copy_numbers(fit->at_peak + k, fit->alpha, g);
    copy_numbers(fit->at_peak + k + g, fit->lm.sigmas, fit->problem->levenberg.net->n_out);
}

/* Goes back to the highest evidence, to settle there. */
static void settle(struct evidence_fit *fit)
{
    int k = fit->problem->groups->n_params;
    int g = fit->problem->groups->n;
    fit->settled = 0;
    if (!(fit->peak > fit->log_evidence + PEAK)) {
        return; /* the last update is as good, or there was none */
    }
    copy_numbers(fit->lm.params, fit->at_peak, k);
    copy_numbers(fit->alpha, fit->at_peak + k, g);
    copy_numbers(fit->lm.sigmas, fit->at_peak + k + g, fit->problem->levenberg.net->n_out);
}

/* Has the evidence stopped rising? */
static bool is_stale(struct evidence_fit *fit)
{
    double values = 0.0;
    for (int j = 0; j < fit->problem->levenberg.net->n_out; j++) {
        values += fit->problem->counts[j];
    }
    if (fit->log_evidence > fit->best + EVIDENCE_GAIN * values) {
        fit->best = fit->log_evidence;
        fit->stale = 0;
    } else {
        fit->stale++;
    }
    return fit->problem->patience > 0 && fit->stale >= fit->problem->patience;
}

static enum err_code linearise(struct evidence_fit *fit, struct err *err)
{
    param_groups_spread(fit->problem->groups, fit->alpha, fit->lm.precision);
    return levenberg_linearise(&fit->lm, err);
}

enum err_code evidence_fit_iterate(struct evidence_fit *fit, struct err *err)
{
    const struct evidence_fit_problem *p = fit->problem;
    bool updates = fit->settled < 0 && fit->iteration >= FIRST_UPDATE;
    bool moved;
    if (linearise(fit, err) != ERR_OK || (updates && find_evidence(fit, err) != ERR_OK)) {
        return err->code;
    }
    if (updates) {
        keep_peak(fit);
    }
    if (levenberg_step(&fit->lm, &moved, err) != ERR_OK) {
        return err->code;
    }
    fit->iteration++;
    if (fit->settled >= 0) {
        fit->settled++;
        fit->over = !moved || fit->settled >= MAX_SETTLING;
        return ERR_OK;
    }
    if (updates) {
        update(fit);
    }
    if ((updates && is_stale(fit)) || fit->iteration >= p->max_iterations) {
        settle(fit);
    }
    return ERR_OK;
}

int evidence_fit_max_iterations(const struct evidence_fit_problem *problem)
{
    return problem->max_iterations + MAX_SETTLING;
}

enum err_code evidence_fit_finish(struct evidence_fit *fit, struct err *err)
{
    return linearise(fit, err) == ERR_OK ? find_evidence(fit, err) : err->code;
}

void evidence_fit_save(const struct evidence_fit *fit, struct bytes_writer *w)
{
    const struct evidence_fit_problem *p = fit->problem;
    size_t peak = (size_t)(p->groups->n_params + p->groups->n + p->levenberg.net->n_out);
    const double numbers[] = {fit->lm.damping, fit->best, fit->log_evidence, fit->peak};
    bytes_put_u32(w, (uint32_t)fit->iteration);
    bytes_put_u32(w, (uint32_t)(fit->settled + 1));
    bytes_put_u32(w, (uint32_t)fit->stale);
    bytes_put_u32(w, fit->over ? 1 : 0);
    bytes_put_f64(w, numbers, 4);
    bytes_put_f64(w, fit->alpha, (size_t)p->groups->n);
    bytes_put_f64(w, fit->lm.sigmas, (size_t)p->levenberg.net->n_out);
    bytes_put_f64(w, fit->lm.squares, (size_t)p->levenberg.net->n_out);
    bytes_put_f64(w, fit->lm.params, (size_t)p->groups->n_params);
    bytes_put_f64(w, fit->at_peak, peak);
}

void evidence_fit_load(struct evidence_fit *fit, struct bytes_reader *r)
{
    const struct evidence_fit_problem *p = fit->problem;
    size_t peak = (size_t)(p->groups->n_params + p->groups->n + p->levenberg.net->n_out);
    double numbers[4] = {fit->lm.damping, fit->best, fit->log_evidence, fit->peak};
    fit->iteration = bytes_get_int(r, evidence_fit_max_iterations(p));
    fit->settled = bytes_get_int(r, MAX_SETTLING + 1) - 1;
    fit->stale = bytes_get_int(r, evidence_fit_max_iterations(p));
    fit->over = bytes_get_int(r, 1) == 1;
    bytes_get_f64(r, numbers, 4);
    fit->lm.damping = numbers[0];
    fit->best = numbers[1];
    fit->log_evidence = numbers[2];
    fit->peak = numbers[3];
    bytes_get_f64(r, fit->alpha, (size_t)p->groups->n);
    bytes_get_f64(r, fit->lm.sigmas, (size_t)p->levenberg.net->n_out);
    bytes_get_f64(r, fit->lm.squares, (size_t)p->levenberg.net->n_out);
    bytes_get_f64(r, fit->lm.params, (size_t)p->groups->n_params);
    bytes_get_f64(r, fit->at_peak, peak);
}
