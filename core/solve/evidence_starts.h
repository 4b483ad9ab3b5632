/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks at maxima of the evidence (core/solve/evidence_fit.h), from several starts side by side,
 * and the choice of the good ones. Solvers differ in what they make of them: the solver evidence a
 * mixture of Gaussians, ensemble its members, bll its features, chains where they begin, and their
 * prior and noise.
 *
 * Starts are told apart by their evidence, without any rows kept out: those whose log evidence is
 * within `gap` of the best are kept. A start that ended in a bad maximum is far behind.
 */
#ifndef EVIDENCE_STARTS_H
#define EVIDENCE_STARTS_H

#include "solve/evidence_fit.h"
#include "solve/solver_priv.h"

/* How many starts there are, and what becomes of them. */
struct evidence_plan {
    const struct solver_settings *settings; /* epochs: iterations; patience, init_factor */
    int n;                                  /* starts, at least 1 */
    int keep;                               /* at most so many are kept */
    double gap;
    int first; /* start i is task first + i, of the progress and of the checkpoint */
};

/* Of solvers that need one network: so many are tried. */
#define EVIDENCE_STARTS 4

struct evidence_starts {
    struct evidence_plan plan;
    struct solver_tasks *tasks;
    struct param_groups groups;
    double *counts, *spread; /* [o] of the rows' outputs */
    /* Of each start: */
    double *params;     /* [n x K] */
    double *alpha;      /* [n x groups] */
    double *sigmas;     /* [n x o] */
    double *evidence;   /* [n] where it ended or was given up; NaN: the fit diverged */
    double *iterations; /* [n] */
    double *loss;       /* [n] mean squared error at the last iteration */
    struct err *failures;
    /* Of those that were fitted to the end: */
    int n_alive;
    int *alive; /* [n] */
    /* Of those kept: */
    int n_kept;
    int *kept;     /* [n] starts, the best first */
    double *gamma; /* [n_kept x groups], of those that were opened */
    double *memory;
};

/* Fits all starts on the problem's threads and chooses. Keeps the tasks and the plan's settings.
 * Release in any case. ERR_NUMERIC when all diverge, ERR_CANCELLED, ERR_NOMEM. */
enum err_code evidence_starts_run(struct evidence_starts *self, struct solver_tasks *tasks,
                                  const struct evidence_plan *plan, struct err *err) MUST_CHECK;
void evidence_starts_release(struct evidence_starts *self);

/* A kept start with its posterior (evidence_fit_finish), and the problem that it keeps. */
struct evidence_opened {
    struct evidence_fit_problem problem;
    struct evidence_fit fit;
};

/* Sets the gamma of a slot below n_kept, too. Must not move; close in any case. ERR_NUMERIC,
 * ERR_CANCELLED, ERR_NOMEM. */
enum err_code evidence_starts_open(struct evidence_starts *self, int slot,
                                   struct evidence_opened *opened, struct err *err) MUST_CHECK;
void evidence_starts_close(struct evidence_opened *opened);

/*
 * sigmas [o] <- the root of the mean variance on rows that the network has not seen: each row left
 * out in turn, by its linearisation (levenberg_left_out). It counts, besides the noise, what the
 * rows leave open. Given noise stays. ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code evidence_starts_unseen(const struct evidence_starts *self,
                                     struct evidence_opened *opened, double *sigmas,
                                     struct err *err) MUST_CHECK;

/* Reports that a start is done; opened: NULL: it is not kept. */
void evidence_starts_tell_end(struct evidence_starts *self, int start,
                              const struct evidence_opened *opened);
/* The same for all that are not kept. */
void evidence_starts_tell_left_out(struct evidence_starts *self);

/* Numbers that n starts hold on so many threads, with matrices that remain of each of `kept`. */
double evidence_starts_values(const struct resnet *net, int n, int kept, int n_threads);

/* ERR_LIMIT, naming the solver and the largest width that fits, where it may be chosen. */
enum err_code evidence_check_size(enum solver_kind solver, const struct resnet *net,
                                  struct err *err) MUST_CHECK;

/* Report of the starts, under "evidence.", and of what was found for those that were opened. */
enum err_code evidence_starts_report(const struct evidence_starts *self, struct report *report,
                                     struct err *err) MUST_CHECK;

/* noise_sigma of a result, the root of the kept starts' mean variance, or what was given; and its
 * report. ERR_NOMEM. */
enum err_code evidence_starts_report_noise(const struct evidence_starts *self,
                                           struct solver_result *result,
                                           struct err *err) MUST_CHECK;

#endif
