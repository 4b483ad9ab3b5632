/* SPDX-License-Identifier: Apache-2.0 */
/* A first look at the outputs, at a few points of their own. */
#ifndef CENTRE_H
#define CENTRE_H

#include "analyse/analyse_priv.h"

/*
 * *centre [m x o] <- the mean of each draw's outputs; *range [2 x o] <- the lowest and the highest
 * values of any draw; range may be NULL. Both are in the arena of the analysis. ERR_NUMERIC,
 * ERR_NOMEM, ERR_CANCELLED.
 */
enum err_code centre_make(struct analysis *a, double **centre, double **range,
                          struct err *err) MUST_CHECK;

#endif
