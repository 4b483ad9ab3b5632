/* SPDX-License-Identifier: Apache-2.0 */
/* The posterior of the solver evidence, which laplace can make too. */
#ifndef SOLVER_EVIDENCE_H
#define SOLVER_EVIDENCE_H

#include "solve/evidence_starts.h"

/* A Gaussian for each start that is kept, noise and report. ERR_NUMERIC, ERR_CANCELLED,
 * ERR_NOMEM. */
enum err_code solver_evidence_mixture(const struct solver_problem *problem,
                                      const struct evidence_plan *plan,
                                      struct solver_result *result, struct err *err) MUST_CHECK;

/*
 * Laplace's approximation with prior and noise by evidence: the same of `members` networks, chosen
 * among EVIDENCE_STARTS starts where fewer are wanted, by the settings of laplace. The same errors.
 */
enum err_code laplace_by_evidence(const struct solver_problem *problem,
                                  const struct solver_settings *settings,
                                  struct solver_result *result, struct err *err) MUST_CHECK;

#endif
