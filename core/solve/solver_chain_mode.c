/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/solver_chain_mode.h"

#include "base/mem.h"
#include "solve/evidence_starts.h"

#include <math.h>
#include <string.h>

int solver_chain_mode_tasks(const struct solver_settings *settings)
{
    return settings->hyperparameters == HYPER_EVIDENCE ? EVIDENCE_STARTS : 1;
}

/* ---- a fit of the target ---- */

static enum err_code fit_mode(struct solver_chain_mode *mode, struct solver_tasks *tasks,
                              const struct solver_settings *settings, struct report *report,
                              struct err *err)
{
    struct fit_result fit = {.train_loss = NULL};
    const struct solver_part part = solver_part_of(tasks, settings, settings->chains);
    if (solver_fit_map(&part, mode->params, &fit, err) != ERR_OK ||
        report_add_number(report, "mode.best_loss", fit.best_loss, err) != ERR_OK ||
        report_add_number(report, "mode.best_epoch", fit.best_epoch, err) != ERR_OK) {
        return err->code;
    }
    /* A fit that stopped early, or was resumed at its end, has not reported its whole share. */
    solver_tasks_progress(tasks, &(struct progress){
                                     .member = settings->chains,
                                     .step = fit.epochs,
                                     .n_steps = settings->epochs,
                                     .loss = fit.best_loss,
                                     .validation_loss = NAN,
                                     .fraction = 1.0,
                                 });
    return report_add_number(report, "mode.epochs", fit.epochs, err);
}

/* ---- by evidence ---- */

static enum err_code allocate(struct solver_chain_mode *mode, const struct solver_problem *p,
                              struct err *err)
{
    size_t k = (size_t)p->net->n_params;
    mode->factor = mem_alloc_array(k * k, sizeof *mode->factor);
    mode->prior = mem_alloc_array(k, sizeof *mode->prior);
    mode->sigmas = mem_alloc_array((size_t)p->train.o, sizeof *mode->sigmas);
    return mode->factor != NULL && mode->prior != NULL && mode->sigmas != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for a curvature of %zu parameters", k);
}

static enum err_code take_best(struct solver_chain_mode *mode, struct evidence_starts *starts,
                               struct err *err)
{
    const struct solver_problem *p = starts->tasks->problem;
    size_t k = (size_t)p->net->n_params;
    struct evidence_opened best = {.fit = {.memory = NULL}};
    if (evidence_starts_open(starts, 0, &best, err) == ERR_OK &&
        levenberg_covariance(&best.fit.lm, mode->factor, err) == ERR_OK) {
        memcpy(mode->params, best.fit.lm.params, k * sizeof *mode->params);
        memcpy(mode->sigmas, best.fit.lm.sigmas, (size_t)p->train.o * sizeof *mode->sigmas);
        for (size_t i = 0; i < k; i++) {
            mode->prior[i] = 1.0 / sqrt(best.fit.lm.precision[i]);
        }
        evidence_starts_tell_end(starts, starts->kept[0], &best);
    }
    evidence_starts_close(&best);
    return err->code;
}

static enum err_code choose_mode(struct solver_chain_mode *mode, struct solver_tasks *tasks,
                                 const struct solver_settings *settings, struct report *report,
                                 struct err *err)
{
    const struct evidence_plan plan = {.settings = settings,
                                       .n = EVIDENCE_STARTS,
                                       .keep = 1,
                                       .gap = settings->evidence_gap,
                                       .first = settings->chains};
    struct evidence_starts starts = {.memory = NULL};
    if (allocate(mode, tasks->problem, err) == ERR_OK &&
        evidence_starts_run(&starts, tasks, &plan, err) == ERR_OK &&
        take_best(mode, &starts, err) == ERR_OK) {
        evidence_starts_tell_left_out(&starts);
        err_kept(evidence_starts_report(&starts, report, err));
    }
    evidence_starts_release(&starts);
    return err->code;
}

/* ---- either ---- */

enum err_code solver_chain_mode_find(struct solver_chain_mode *mode, struct solver_tasks *tasks,
                                     const struct solver_settings *settings, int n,
                                     struct report *report, struct err *err)
{
    mode->params = mem_alloc_array((size_t)n, sizeof *mode->params);
    if (mode->params == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the start of chains");
    }
    return settings->hyperparameters == HYPER_EVIDENCE
               ? choose_mode(mode, tasks, settings, report, err)
               : fit_mode(mode, tasks, settings, report, err);
}

enum err_code solver_chain_mode_whiten(const struct solver_chain_mode *mode,
                                       const struct solver_problem *problem,
                                       const struct solver_chain *chain, struct whitened *white,
                                       struct err *err)
{
    int n = chain->n_params;
    if (mode->factor == NULL) {
        return problem->start != NULL ? solver_chain_start_whiten(problem, chain, white, err)
                                      : ERR_OK;
    }
    if (whitened_init(white, n, n, err) == ERR_OK) {
        memcpy(white->mean, mode->params, (size_t)n * sizeof *white->mean);
        white->factor = mode->factor;
    }
    return err->code;
}

void solver_chain_mode_release(struct solver_chain_mode *mode)
{
    mem_free(mode->params);
    mem_free(mode->factor);
    mem_free(mode->prior);
    mem_free(mode->sigmas);
    *mode = (struct solver_chain_mode){.params = NULL};
}
