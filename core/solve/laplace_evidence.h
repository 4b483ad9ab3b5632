/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laplace's approximation with prior and noise by evidence: the posterior of the solver evidence,
 * of `members` networks, chosen among EVIDENCE_STARTS starts where fewer are wanted.
 */
#ifndef LAPLACE_EVIDENCE_H
#define LAPLACE_EVIDENCE_H

#include "solve/solver_priv.h"

/* ERR_NUMERIC, ERR_CANCELLED, ERR_NOMEM. */
enum err_code laplace_by_evidence(const struct solver_problem *problem,
                                  const struct solver_settings *settings,
                                  struct solver_result *result, struct err *err) MUST_CHECK;

#endif
