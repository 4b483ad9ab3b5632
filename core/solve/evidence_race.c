/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The starts of core/solve/evidence_starts.h run side by side, and where the rows are many, most
 * are given up on the way: successive halving [1] by the evidence. With at least EVIDENCE_MANY
 * values of outputs there are rungs after 8, 16 and 32 iterations, at each of which the better half
 * goes on, and of the others those whose log evidence is within `gap` of the best. With so many
 * rows the evidences of starts differ by hundreds, so that one of eight is kept in the end; to fit
 * all of them to the end takes six times as long. With fewer rows a start that is behind may
 * overtake all others within a few iterations, several are kept, and an iteration takes little: all
 * are fitted to the end.
 *
 * Starts wait for each other at the rungs alone, and decisions follow from the evidences there, so
 * that nothing depends on threads or on where an interrupted run stopped.
 *
 * [1] K. Jamieson, A. Talwalkar, Non-stochastic best arm identification and hyperparameter
 *     optimization, AISTATS 2016.
 */
#include "solve/evidence_starts.h"

#include "base/mem.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define FIT_SHARE 0.95 /* of the progress; the rest is the caller's */

static const int rungs[] = {8, 16, 32};
#define N_RUNGS ((int)(sizeof rungs / sizeof *rungs))

/* Where a start is between two stages. */
struct runner {
    struct bytes_writer state; /* of its fit; empty: it has not begun */
    double at_rung[N_RUNGS];   /* log evidence */
    int passed;                /* rungs */
    bool done;
};

struct race {
    struct evidence_starts *starts;
    struct runner *runners; /* [n] */
    int stage;              /* up to the rung of that number; N_RUNGS: to the end */
};

/* ---- states ---- */

static void write_runner(const struct runner *runner, const struct evidence_fit *fit,
                         struct bytes_writer *w)
{
    bytes_put_u32(w, runner->done ? 1 : 0);
    bytes_put_u32(w, (uint32_t)runner->passed);
    bytes_put_f64(w, runner->at_rung, N_RUNGS);
    evidence_fit_save(fit, w);
}

static void read_runner(struct runner *runner, struct evidence_fit *fit, struct bytes_reader *r)
{
    runner->done = bytes_get_int(r, 1) == 1;
    runner->passed = bytes_get_int(r, N_RUNGS);
    bytes_get_f64(r, runner->at_rung, N_RUNGS);
    evidence_fit_load(fit, r);
}

static enum err_code save_fit(const struct evidence_starts *self, int member,
                              const struct runner *runner, const struct evidence_fit *fit,
                              struct err *err)
{
    const struct checkpoint *checkpoint = self->tasks->problem->checkpoint;
    struct bytes_writer w = {.data = NULL};
    if (checkpoint == NULL) {
        return ERR_OK;
    }
    write_runner(runner, fit, &w);
    return checkpoint_save(checkpoint, self->plan.first + member, &w, err);
}

/* The state between two stages. */
static enum err_code keep_state(struct runner *runner, const struct evidence_fit *fit,
                                struct err *err)
{
    runner->state.size = 0;
    write_runner(runner, fit, &runner->state);
    return runner->state.failed ? err_set(err, ERR_NOMEM, "no memory for the state of a fit")
                                : ERR_OK;
}

/* The fit as it was at the end of the last stage, in an interrupted run, or at its beginning. */
static enum err_code begin_stage(const struct evidence_starts *self, int member,
                                 struct runner *runner, struct evidence_fit *fit, struct err *err)
{
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    const struct checkpoint *checkpoint = self->tasks->problem->checkpoint;
    bool remembers = runner->state.size > 0;
    if (!remembers && evidence_starts_begin(self, member, fit, err) != ERR_OK) {
        return err->code;
    }
    /* What another rank has done of this stage is not in what this one remembers. */
    if (!remembers || ranks_is_replay(checkpoint)) {
        if (checkpoint_load(checkpoint, self->plan.first + member, &bytes, &r, &found, err) !=
            ERR_OK) {
            return err->code;
        }
        if (found) {
            read_runner(runner, fit, &r);
            mem_free(bytes);
            return checkpoint_check(&r, err);
        }
    }
    if (remembers) {
        r = (struct bytes_reader){.data = runner->state.data, .left = runner->state.size};
        read_runner(runner, fit, &r);
    }
    return ERR_OK;
}

/* ---- one start ---- */

/* Iterates to the end of the stage. */
static enum err_code run_fit(struct race *race, int member, struct runner *runner,
                             struct evidence_fit *fit, struct err *err)
{
    struct evidence_starts *self = race->starts;
    const struct checkpoint *checkpoint = self->tasks->problem->checkpoint;
    int end = race->stage < N_RUNGS ? rungs[race->stage] : INT_MAX;
    double max = evidence_fit_max_iterations(fit->problem);
    if (begin_stage(self, member, runner, fit, err) != ERR_OK || runner->done ||
        runner->passed > race->stage) {
        return err->code;
    }
    while (!fit->over && fit->iteration < end) {
        if (evidence_fit_iterate(fit, err) != ERR_OK ||
            (checkpoint_due(checkpoint, self->plan.first + member) &&
             save_fit(self, member, runner, fit, err) != ERR_OK)) {
            return err->code;
        }
        evidence_starts_tell(self, member, FIT_SHARE * (fit->iteration / max), fit);
    }
    if (race->stage < N_RUNGS) {
        runner->at_rung[race->stage] = fit->log_evidence;
        runner->passed = race->stage + 1;
        return ranks_are_several(checkpoint) ? save_fit(self, member, runner, fit, err) : ERR_OK;
    }
    runner->done = true;
    return evidence_fit_finish(fit, err) == ERR_OK ? save_fit(self, member, runner, fit, err)
                                                   : err->code;
}

/* What the choice and the report need of a start. */
static void keep_results(struct race *race, int member, const struct evidence_fit *fit)
{
    struct evidence_starts *self = race->starts;
    size_t k = (size_t)self->groups.n_params;
    size_t g = (size_t)self->groups.n;
    size_t o = (size_t)self->tasks->problem->train.o;
    size_t at = (size_t)member;
    self->evidence[member] =
        race->stage < N_RUNGS ? race->runners[member].at_rung[race->stage] : fit->log_evidence;
    self->iterations[member] = fit->iteration;
    self->loss[member] = evidence_starts_mean_square(self, fit);
    memcpy(self->params + at * k, fit->lm.params, k * sizeof *self->params);
    memcpy(self->alpha + at * g, fit->alpha, g * sizeof *self->alpha);
    memcpy(self->sigmas + at * o, fit->lm.sigmas, o * sizeof *self->sigmas);
}

static enum err_code run_start(void *ctx, int worker, int task, struct err *err)
{
    struct race *race = ctx;
    struct evidence_starts *self = race->starts;
    const struct solver_problem *p = self->tasks->problem;
    int member = self->alive[task];
    struct runner *runner = &race->runners[member];
    int threads = p->n_threads / self->n_alive;
    const struct evidence_fit_problem problem =
        evidence_starts_problem(self, threads > 1 ? threads : 1);
    struct evidence_fit fit;
    (void)worker;
    if (evidence_fit_init(&fit, &problem, err) == ERR_OK &&
        run_fit(race, member, runner, &fit, err) == ERR_OK) {
        err_kept(keep_state(runner, &fit, err));
    }
    if (err->code == ERR_OK) {
        keep_results(race, member, &fit);
        if (race->stage == N_RUNGS) {
            evidence_starts_tell(self, member, FIT_SHARE, &fit);
        }
    } else if (err->code == ERR_NUMERIC && !cancel_is_requested(p->cancel)) {
        /* The others may be good. */
        self->failures[member] = *err;
        self->evidence[member] = NAN;
        self->loss[member] = NAN;
        err_clear(err);
        evidence_starts_tell(self, member, FIT_SHARE, NULL);
    }
    evidence_fit_release(&fit);
    return err->code;
}

/* ---- all of them ---- */

/* alive <- those that did not diverge, the best first. */
static void rank_alive(struct evidence_starts *self)
{
    int n = 0;
    for (int i = 0; i < self->n_alive; i++) {
        int member = self->alive[i];
        int to = n;
        if (!isfinite(self->evidence[member])) {
            continue;
        }
        for (; to > 0 && self->evidence[self->alive[to - 1]] < self->evidence[member]; to--) {
            self->alive[to] = self->alive[to - 1];
        }
        self->alive[to] = member;
        n++;
    }
    self->n_alive = n;
}

/* alive <- those that go on. */
static void give_up(struct evidence_starts *self)
{
    int n = (self->n_alive + 1) / 2;
    double best = self->n_alive > 0 ? self->evidence[self->alive[0]] : 0.0;
    while (n < self->n_alive && best - self->evidence[self->alive[n]] <= self->plan.gap) {
        n++;
    }
    self->n_alive = n;
}

static bool is_race(const struct evidence_starts *self)
{
    double values = 0.0;
    for (int j = 0; j < self->tasks->problem->train.o; j++) {
        values += self->counts[j];
    }
    return values >= EVIDENCE_MANY;
}

enum err_code evidence_race(struct evidence_starts *self, struct err *err)
{
    int n = self->plan.n;
    struct race race = {.starts = self,
                        .runners = mem_zalloc_array((size_t)n, sizeof *race.runners)};
    if (race.runners == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d fits", n);
    }
    for (int i = 0; i < n; i++) {
        self->alive[i] = i;
    }
    self->n_alive = n;
    for (race.stage = is_race(self) ? 0 : N_RUNGS; race.stage <= N_RUNGS && self->n_alive > 0;
         race.stage++) {
        if (ranks_run(self->tasks->problem->checkpoint, self->tasks->problem->n_threads,
                      self->n_alive, run_start, &race, err) != ERR_OK) {
            break;
        }
        rank_alive(self);
        if (race.stage < N_RUNGS) {
            give_up(self);
        }
    }
    for (int i = 0; i < n; i++) {
        mem_free(race.runners[i].state.data);
    }
    mem_free(race.runners);
    return err->code;
}
