/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether another solver would serve the rows better, by a rule that costs nothing. With few rows
 * of little noise, fits by the evidence are several times more accurate than gradient descent with
 * a prior that was fixed beforehand, and their intervals hold what they say; tests/bench/RESULTS.md
 * has the figures. The rule is
 *
 *   at most FEW_ROWS rows and FEW_VALUES values of outputs, and a network that evidence takes
 *   and  the solver is none of those that can have their hyperparameters by evidence, and its own
 *        noise is below SMOOTH of the outputs' standard deviation; with more noise solvers differ
 *        little
 *   or   chains whose predictions have not mixed, so that their spread is too small
 *
 * An output whose noise is not known counts as noisy.
 */
#include "solve/evidence_starts.h"
#include "solve/solver_priv.h"

#include <math.h>
#include <string.h>

#define FEW_ROWS   1000
#define FEW_VALUES 4000
#define SMOOTH     0.2

/* The standard deviation of an output's values. */
static double spread_of(const struct data *rows, int j)
{
    double n = 0.0;
    double mean = 0.0;
    double squares = 0.0;
    for (int i = 0; i < rows->n; i++) {
        double y = rows->y[(size_t)i * (size_t)rows->o + (size_t)j];
        if (!isnan(y)) {
            double gap = y - mean;
            n += 1.0;
            mean += gap / n;
            squares += gap * (y - mean);
        }
    }
    return n > 0.0 ? sqrt(squares / n) : 0.0;
}

/* The largest share that noise has of an output's standard deviation. */
static double noise_share(const struct solver_problem *problem, const struct solver_result *result)
{
    double max = 0.0;
    for (int j = 0; j < problem->train.o; j++) {
        double spread = spread_of(&problem->train, j);
        if (result->noise_sigma == NULL) {
            return INFINITY;
        }
        if (spread > 0.0) {
            max = fmax(max, result->noise_sigma[j] / spread);
        }
    }
    return max;
}

static bool has_warning(const struct report *report, const char *code)
{
    for (int i = 0; i < report->n_warnings; i++) {
        if (strcmp(report->warnings[i].code, code) == 0) {
            return true;
        }
    }
    return false;
}

enum err_code solver_advise(enum solver_kind kind, const struct solver_problem *problem,
                            struct solver_result *result, struct err *err)
{
    int n = problem->train.n;
    if (n > FEW_ROWS || (double)n * problem->train.o > FEW_VALUES ||
        problem->net->n_params > LEVENBERG_MAX_PARAMS ||
        problem->beliefs.noise == NOISE_PREDICTED) {
        return ERR_OK;
    }
    if (has_warning(&result->report, "rhat_predictions")) {
        return report_warn(
            &result->report, err, "better_solver",
            "the chains have not mixed on %d rows, so that their spread is too "
            "small; solver evidence finds a posterior of so few rows in closed form, "
            "in seconds",
            n);
    }
    double share = noise_share(problem, result);
    if (!solver_ops_of(kind)->poor_for_few || share > SMOOTH) {
        return ERR_OK;
    }
    return report_warn(&result->report, err, "better_solver",
                       "the noise of these %d rows is at most %.2g of the outputs' standard "
                       "deviation; of few rows with little noise %s learns less than they tell: "
                       "solver evidence is usually several times more accurate",
                       n, share, solver_name(kind));
}
