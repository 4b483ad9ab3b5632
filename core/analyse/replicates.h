/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the statistics of R replicates and m draws to numbers with their errors. With theta(s) the
 * numbers that follow from statistics s, s_j the mean over the replicates of draw j, and s_j(-r)
 * the mean without replicate r:
 *
 *   estimate         T = mean_j theta(s_j)
 *   surrogate_error  standard deviation over j of theta(s_j)
 *   sampling_error   sqrt((R - 1)/R sum_r (T_r - mean T_r)^2),   T_r = mean_j theta(s_j(-r))
 *
 * For a kind that also follows the mean of the draws, as function number m:
 *
 *   estimate         T = theta(s_m), and T_r = theta(s_m(-r))
 *   surrogate_error  sqrt(v + (T - mean_j theta(s_j))^2), v the variance over j of theta(s_j)
 */
#ifndef REPLICATES_H
#define REPLICATES_H

#include "analyse/analyse_priv.h"

/*
 * all: [R x n_functions x n_statistics]. result has its arrays. A number that is not defined for a
 * draw is not defined. ERR_NOMEM.
 */
enum err_code replicates_join(const struct analysis *a, const double *all,
                              struct analyse_result *result, struct err *err) MUST_CHECK;

/*
 * The numbers that a replicate leaves, as a checkpoint. Loading sets *found, and out [n] if it is
 * true; saving does nothing unless it is due. ERR_CORRUPT, ERR_NOMEM, and what the store says.
 */
enum err_code replicate_load(const struct checkpoint *checkpoint, int replicate, size_t n,
                             double *out, bool *found, struct err *err) MUST_CHECK;
enum err_code replicate_save(const struct checkpoint *checkpoint, int replicate, size_t n,
                             const double *out, struct err *err) MUST_CHECK;

/* Progress: so many of n replicates are done. progress: NULL for nobody. */
void replicate_report(progress_fn *progress, void *ctx, int done, int n);

/* The quantile of Student's distribution for the ends of a two-sided 95 % interval. */
double replicates_student(int degrees);

#endif
