/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The starts of core/solve/evidence_starts.h run side by side, and where the rows are many, most are
 * given up on the way: successive halving [1] by the evidence. With at least RACE_VALUES values of
 * outputs there are rungs after 8, 16 and 32 iterations, at each of which the better half goes on,
 * and of the others those whose log evidence is within `gap` of the best. With so many rows the
 * evidences of starts differ by hundreds, so that one of eight is kept in the end; to fit all of
 * them to the end takes six times as long. With fewer rows a start that is behind may overtake all
 * others within a few iterations, several are kept, and an iteration takes little: all are fitted
 * to the end.
 *
 * Starts wait for each other at the rungs alone, and decisions follow from the evidences there, so
 * that nothing depends on threads or on where an interrupted run stopped.
 *
 * [1] K. Jamieson, A. Talwalkar, Non-stochastic best arm identification and hyperparameter
 *     optimization, AISTATS 2016.
 */
#ifndef EVIDENCE_RACE_H
#define EVIDENCE_RACE_H

#include "solve/evidence_starts.h"

#define RACE_VALUES 400

/* Fits all starts, and sets alive and what is kept of each. ERR_CANCELLED, ERR_NOMEM; a start that
 * diverges is not alive, and its error is in failures. */
enum err_code evidence_race(struct evidence_starts *self, struct err *err) MUST_CHECK;

/* ---- of evidence_starts.c, for the race ---- */

/* What all fits have in common. */
struct evidence_fit_problem evidence_starts_problem(const struct evidence_starts *self,
                                                    int n_threads);

/* The state in which a start begins. ERR_CANCELLED. */
enum err_code evidence_starts_begin(const struct evidence_starts *self, int member,
                                    struct evidence_fit *fit, struct err *err) MUST_CHECK;

double evidence_starts_mean_square(const struct evidence_starts *self,
                                   const struct evidence_fit *fit);

/* Progress of a start; fit: NULL: its iterations are over. */
void evidence_starts_tell(struct evidence_starts *self, int member, double fraction,
                          const struct evidence_fit *fit);

#endif
