/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The starts of core/solve/evidence_starts.h run side by side, and those that lag are given up:
 * successive halving [1] by the evidence, without a fixed share that has to go. At a few rungs,
 * after 8, 16, 32 and 64 iterations, a start is given up whose log evidence is further behind the
 * best one's than
 *
 *   gap + LAG N / iterations           N values of outputs
 *
 * gap because it would not be kept if it stayed there; the second term because starts overtake each
 * other, by less the later it is. So with few rows, whose evidences are close, nearly all starts are
 * fitted to the end; with a thousand rows, whose evidences differ by hundreds, one or two.
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
