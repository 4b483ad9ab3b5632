/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Means of scores, their standard errors, and the choice.
 *
 * A row i has the sum s_i of its scores over the c_i outputs that it has. The mean over all that
 * was observed is the ratio m = sum s_i / sum c_i, and since a row's outputs err together, its
 * standard error is that of a ratio over rows [1, section 2.11]:
 *
 *   error^2 = n / (n - 1) sum_i (s_i - m c_i)^2 / (sum_i c_i)^2
 *
 * Without holes that is the standard error of the mean over rows. For two candidates s_i is the
 * difference of theirs. Models of different folds share most of their rows, so that the error is a
 * little too small; no unbiased one exists [2].
 *
 * [1] W. G. Cochran, Sampling Techniques, 3rd edition, 1977.
 * [2] Y. Bengio, Y. Grandvalet, No unbiased estimator of the variance of k-fold cross-validation,
 *     JMLR 5, 2004.
 */
#include "train/auto_priv.h"

#include <math.h>

/* A candidate is dropped when it is behind by so many standard errors, over so many rows. Whether
 * fewer would do has not been measured. */
#define DROP_ERRORS  3.0
#define EQUAL_ERRORS 0.25 /* two candidates are equal with a gap of so many standard errors */
#define DROP_ROWS    10

/* Of row i: its sum of one candidate, or the difference to that of another one. */
static double sum_of(const struct auto_work *work, int candidate, int other, int i)
{
    double sum = work->scores[candidate].sums[i];
    return other < 0 ? sum : sum - work->scores[other].sums[i];
}

struct auto_mean auto_mean_of(const struct auto_work *work, int candidate, int other)
{
    const struct auto_candidate *all = work->table->candidates;
    struct auto_mean mean = {.mean = (double)NAN, .error = (double)NAN};
    int folds = all[candidate].n_folds;
    double sums = 0.0;
    double counts = 0.0;
    double squares = 0.0;
    if (other >= 0 && all[other].n_folds < folds) {
        folds = all[other].n_folds;
    }
    for (int i = 0; i < work->rows.n; i++) {
        if (work->fold[i] < folds && work->counts[i] > 0) {
            sums += sum_of(work, candidate, other, i);
            counts += work->counts[i];
            mean.n_rows++;
        }
    }
    if (mean.n_rows < 1) {
        return mean;
    }
    mean.mean = sums / counts;
    for (int i = 0; i < work->rows.n; i++) {
        if (work->fold[i] < folds && work->counts[i] > 0) {
            double gap = sum_of(work, candidate, other, i) - mean.mean * work->counts[i];
            squares += gap * gap;
        }
    }
    if (mean.n_rows > 1) {
        double n = mean.n_rows;
        mean.error = sqrt(n / (n - 1.0) * squares) / counts;
    }
    return mean;
}

int auto_find_best(const struct auto_work *work)
{
    const struct auto_table *table = work->table;
    int best = -1;
    for (int i = 0; i < table->n; i++) {
        const struct auto_candidate *c = &table->candidates[i];
        if (c->outcome == AUTO_SCORED && (best < 0 || c->score < table->candidates[best].score)) {
            best = i;
        }
    }
    return best;
}

bool auto_is_behind(const struct auto_work *work, int candidate)
{
    int best = auto_find_best(work);
    if (best < 0) {
        return false;
    }
    struct auto_mean gap = auto_mean_of(work, candidate, best);
    return gap.n_rows >= DROP_ROWS && gap.mean > DROP_ERRORS * gap.error;
}

void auto_choose(struct auto_work *work)
{
    struct auto_table *table = work->table;
    struct auto_candidate *all = table->candidates;
    int best = auto_find_best(work);
    int chosen = best;
    for (int i = 0; i < table->n && best >= 0; i++) {
        if (all[i].outcome != AUTO_SCORED && all[i].outcome != AUTO_DROPPED) {
            continue;
        }
        struct auto_mean gap = auto_mean_of(work, i, best);
        all[i].gap = gap.mean;
        all[i].gap_error = gap.error;
        if (all[i].outcome == AUTO_SCORED) {
            bool tied = i == best || gap.mean <= gap.error;
            bool equal = i == best || gap.mean <= EQUAL_ERRORS * gap.error;
            all[i].outcome = tied ? AUTO_TIED : AUTO_WORSE;
            chosen = equal && all[i].n_params < all[chosen].n_params ? i : chosen;
        }
    }
    /* Where nothing could be compared the first one that may be trained is as good as any. */
    for (int i = 0; i < table->n && chosen < 0; i++) {
        chosen = all[i].outcome != AUTO_TOO_LARGE ? i : chosen;
    }
    if (chosen >= 0) {
        all[chosen].outcome = AUTO_CHOSEN;
    }
    table->chosen = chosen;
}

/* Is it better to take candidate a than b, both scored on all folds? Those as good as the best come
 * first, the simplest of them before the others. */
static bool comes_before(const struct auto_candidate *a, const struct auto_candidate *b)
{
    if ((a->outcome == AUTO_TIED) != (b->outcome == AUTO_TIED)) {
        return a->outcome == AUTO_TIED;
    }
    return a->outcome == AUTO_TIED ? a->n_params < b->n_params : a->score < b->score;
}

void auto_choose_again(struct auto_work *work)
{
    struct auto_table *table = work->table;
    struct auto_candidate *all = table->candidates;
    int chosen = -1;
    for (int i = 0; i < table->n; i++) {
        bool scored = all[i].outcome == AUTO_TIED || all[i].outcome == AUTO_WORSE;
        if (scored && (chosen < 0 || comes_before(&all[i], &all[chosen]))) {
            chosen = i;
        }
    }
    for (int i = 0; i < table->n && chosen < 0; i++) {
        chosen = all[i].outcome == AUTO_BUDGET || all[i].outcome == AUTO_DROPPED ||
                         all[i].outcome == AUTO_NEEDLESS
                     ? i
                     : chosen;
    }
    if (chosen >= 0) {
        all[chosen].outcome = AUTO_CHOSEN;
    }
    table->chosen = chosen;
}
