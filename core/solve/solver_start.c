/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where solvers begin in a warm start, which continues from an earlier posterior.
 *
 * A fit begins where an earlier one ended: at the mean of a Gaussian, at a dropout network with all
 * its units, else at a draw. Members beyond the earlier ones begin where others do, and differ by
 * the order of their rows (and by anchors, masks and shares of the rows where a solver has those).
 * A chain begins at a draw, since a mean is not a draw of the posterior.
 */
#include "solve/solver_priv.h"

#include "base/mem.h"

const double *solver_start_fit(const struct solver_start *start, int k, int of)
{
    size_t n_params = (size_t)start->net->n_params;
    if (start->gaussian->n_members > 0) {
        return start->gaussian->members[k % start->gaussian->n_members].mean;
    }
    if (start->networks != NULL) {
        return start->networks + (size_t)(k % start->n_groups) * n_params;
    }
    /* Neighbouring draws of a chain are alike, so these lie far apart. */
    int draw = start->chains ? solver_start_draw(start, k, of) : k % start->m;
    return start->draws + (size_t)draw * n_params;
}

int solver_start_draw(const struct solver_start *start, int k, int of)
{
    int n = start->m / start->n_groups;
    if (!start->chains) {
        return (int)((int64_t)k * start->m / of);
    }
    int rounds = (of + start->n_groups - 1) / start->n_groups;
    int back = (int)((int64_t)(k / start->n_groups) * n / rounds);
    return (k % start->n_groups) * n + n - 1 - back;
}

struct solver_start_range solver_start_range(const struct solver_start *start, int draw)
{
    int n = start->m / start->n_groups;
    if (n < 2) {
        return (struct solver_start_range){.first = 0, .n = start->m};
    }
    return (struct solver_start_range){.first = draw / n * n, .n = n};
}

double solver_start_log_s(const struct solver_problem *problem, int j)
{
    return problem->start != NULL && problem->start->log_s != NULL ? problem->start->log_s[j]
                                                                   : OBJECTIVE_LOG_S_MEAN;
}

/* How many numbers a list of the report has, times folds; 1 when the draws do not fall into so many
 * groups of equal size. */
static int count_groups(const struct solver_start *start, const char *list, int n_folds)
{
    const struct report_item *item = report_find(start->report, list);
    int64_t n = item != NULL ? (int64_t)item->n * n_folds : 0;
    return n >= 1 && n <= start->m && start->m % n == 0 ? (int)n : 1;
}

void solver_start_find_groups(struct solver_start *start, int n_folds)
{
    const struct solver_ops *ops = start->known ? solver_ops_of(start->solver) : NULL;
    start->n_groups = 1;
    start->chains = false;
    if (start->gaussian->n_members > 0) {
        start->n_groups = start->gaussian->n_members;
    } else if (ops != NULL && ops->groups != NULL) {
        start->n_groups = count_groups(start, ops->groups, n_folds);
        start->chains =
            ops->draws == DRAWS_OF_CHAINS && report_find(start->report, ops->groups) != NULL;
    }
}

enum err_code solver_start_find_networks(struct solver_start *start, double **networks,
                                         struct err *err)
{
    const struct solver_ops *ops = start->known ? solver_ops_of(start->solver) : NULL;
    size_t groups = (size_t)start->n_groups;
    size_t k = (size_t)start->net->n_params;
    int n = start->m / start->n_groups;
    if (ops == NULL || ops->find_network == NULL) {
        return ERR_OK;
    }
    double *found = mem_alloc_array(groups, k * sizeof *found);
    if (found == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu networks", groups);
    }
    for (size_t g = 0; g < groups; g++) {
        if (!ops->find_network(start, n, start->draws + g * (size_t)n * k, found + g * k)) {
            mem_free(found);
            return ERR_OK;
        }
    }
    *networks = found;
    start->networks = found;
    return ERR_OK;
}

enum err_code solver_start_needs(const struct solver_start *start, enum solver_kind solver,
                                 struct err *err)
{
    if (start->known && start->solver == solver) {
        return ERR_OK;
    }
    return err_set(err, ERR_UNSUPPORTED, "%s can start warm from a model of %s only, not of %s",
                   solver_name(solver), solver_name(solver),
                   start->known ? solver_name(start->solver) : "an unknown solver");
}
