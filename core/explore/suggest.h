/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next points to simulate: those whose simulation tells most about the outputs, improves most
 * on the best one so far, or settles where an output passes a threshold. With mean mu and standard
 * deviation s of the model at x, sigma^2 the noise, t a threshold, b the best value so far, and for
 * minimisation (for maximisation mu is -mu, b is -b):
 *
 *   variance              s^2                                                  [1]
 *   integrated_variance   the mean over reference points r of
 *                         cov(r, x)^2 / (s^2 + sigma^2): how much less the
 *                         variance is there once x is observed                 [2]
 *   d_optimal             1/2 log det(I + C / sigma^2), C the covariance of
 *                         the outputs at x                                     [3]
 *   expected_improvement  (b - mu) Phi(z) + s phi(z), z = (b - mu) / s         [4]
 *   lower_confidence      -(mu - k s), k = 2 unless given                      [5]
 *   thompson              -f_j(x) of one draw j of the posterior for each point [6]
 *   level_set             1.96 s - |mu - t|, or k s with k given               [7]
 *   failure_boundary      Phi(-|mu - t| / s): the probability that the model
 *                         is wrong about the side of t                         [8]
 *
 * variance, integrated_variance and d_optimal take all outputs that are named together: variances
 * are divided by the square of the output's scale in the model. Their points and the reference
 * points follow the distributions of the inputs.
 *
 * A batch is chosen one point after another. Each is conditioned on the points that are pending and
 * on those chosen before it, by the covariance between points: the covariance becomes what it will
 * be once these have been simulated (spread.h), so that neighbours lose their interest. Nothing is
 * assumed about what these simulations will give: a score is its mean over what they may give
 * (outlook.h), by their joint normal distribution,
 *
 *   expected_improvement  E (min(b, f_P) - f(x))+, f_P the values of the pending points: with those
 *                         chosen before it is what the point adds to the improvement that the
 *                         batch is expected to bring (q-EI, chosen greedily) [9]
 *   level_set             the mean over what will be observed at pending points
 *   failure_boundary      likewise
 *
 * while variance, integrated_variance and d_optimal do not depend on the values, lower_confidence
 * is linear in the mean, which stays what it is on average, and thompson gets its variety from the
 * draws instead. Given the values of pending points a score has a closed form, so it is a mean of
 * such forms over OUTLOOK_FUTURES draws of them, the same ones for all candidates. Without pending
 * points, and for the first point, no draw is needed.
 *
 * Of a model that knows failed runs, scores are multiplied with P(run succeeds). Scores are divided
 * by costs. Criteria that may be negative are counted from the smallest score of the candidates.
 *
 * Points are chosen from candidates, and then moved to where the score is higher by a local search
 * (search.h), with exact gradients (spread_slope.h, criterion_slope.c); without them when an input
 * is a category, and for d_optimal and integrated_variance of a model that predicts its noise.
 *
 * [1] D. MacKay, Information-based objective functions for active data selection, 1992.
 * [2] D. Cohn, Neural network exploration using optimal experiment design, 1996.
 * [3] V. Fedorov, Theory of optimal experiments, 1972.
 * [4] D. Jones, M. Schonlau, W. Welch, Efficient global optimization, 1998.
 * [5] N. Srinivas et al., Gaussian process optimization in the bandit setting, 2010; T. Desautels
 *     et al., Parallelizing exploration-exploitation tradeoffs, 2014, for batches.
 * [6] W. Thompson, Biometrika 25, 1933.
 * [7] B. Bryan et al., Active learning for identifying function threshold boundaries, 2005.
 * [8] B. Echard et al., AK-MCS, Structural Safety 33, 2011.
 * [9] D. Ginsbourger, R. Le Riche, L. Carraro, Kriging is well-suited to parallelize optimization,
 *     2010; J. Wilson, F. Hutter, M. Deisenroth, Maximizing acquisition functions for Bayesian
 *     optimization, 2018, for the greedy choice.
 */
#ifndef SUGGEST_H
#define SUGGEST_H

#include "base/names.h"
#include "explore/region.h"
#include "explore/spread.h"

#define SUGGEST_MAX_POINTS     200 /* of a batch */
#define SUGGEST_MAX_CANDIDATES 10000
#define SUGGEST_MAX_REFERENCES 2000
#define SUGGEST_MAX_PENDING    1000
#define SUGGEST_MAX_OUTPUTS    64
#define SUGGEST_MAX_WORK       5e10 /* multiplications of all conditioning and scoring */

enum criterion {
#define CRITERION(NAME, name, one) CRITERION_##NAME,
#include "explore/criterion.def"
#undef CRITERION
};
const char *criterion_name(enum criterion criterion);
struct names criterion_known(void);
/* Is it of a single output? */
bool criterion_is_of_one(enum criterion criterion);
/* Does it need a threshold? */
bool criterion_needs_threshold(enum criterion criterion);

struct suggest_spec {
    enum criterion criterion;
    int n;
    int n_outputs;
    const int *outputs;
    bool maximise;
    double threshold; /* of level_set and failure_boundary */
    double k;         /* NaN: as above */
    double best;      /* NaN: the best mean of the known points, or of the candidates without any */
    int n_known;
    const double *known; /* [n_known x d] simulated already */
    int n_candidates;
    const double *candidates; /* [n_candidates x d]; NULL: so many are made, and searches follow */
    const double *costs;      /* [n_candidates], above 0; NULL: all cost the same */
    int n_references;         /* of integrated_variance */
    int n_pending;
    const double *pending; /* [n_pending x d] */
    bool search;           /* local searches when no candidates are given */
    uint64_t seed;
    int n_threads;
    const struct cancel *cancel;
};

struct suggestion {
    int candidate;      /* which of those given; -1: none were given */
    const double *x;    /* [d] */
    double score;       /* of the criterion, before costs and P(run succeeds) */
    double feasible;    /* P(run succeeds); NaN: not known */
    double cost;        /* 1 when none is given */
    const double *mean; /* [n_outputs] */
    const double *std;  /* [n_outputs] given what is pending and what was chosen before */
};

struct suggestions {
    int n;
    struct suggestion *list; /* [n] in the order of their choice; in the arena with all they hold */
    double best;             /* of expected_improvement, with what is pending; NaN: of another */
    double variance;         /* mean over references (integrated_variance) or candidates of the
                                scaled variance of the outputs before the batch .. */
    double variance_after;   /* .. and once it has been observed */
};

/*
 * region: of the inputs. ERR_INVALID: a criterion without its output or threshold; no point in the
 * region; a d_optimal of a model without noise; fewer candidates than points. ERR_LIMIT,
 * ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM.
 */
enum err_code suggest_run(const struct model *model, const struct region *region,
                          const struct suggest_spec *spec, struct arena *arena,
                          struct suggestions *out, struct err *err) MUST_CHECK;

#endif
