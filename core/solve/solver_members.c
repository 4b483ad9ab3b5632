/* SPDX-License-Identifier: Apache-2.0 */
/* Networks fitted side by side: what ensembles of every kind have in common. */
#include "base/mem.h"
#include "solve/solver_priv.h"

#include <math.h>
#include <string.h>

enum err_code solver_members_init(struct solver_members *members,
                                  const struct solver_problem *problem,
                                  const struct solver_settings *settings, int n_params,
                                  struct err *err)
{
    size_t n = (size_t)settings->members;
    size_t count = 0;
    *members = (struct solver_members){.settings = settings, .n_params = n_params};
    if (solver_tasks_init(&members->tasks, problem, settings->members, err) != ERR_OK) {
        return err->code;
    }
    if (size_mul(n, (size_t)n_params, &count)) {
        members->params = mem_zalloc_array(count, sizeof *members->params);
    }
    members->fits = mem_zalloc_array(n, sizeof *members->fits);
    if (members->params == NULL || members->fits == NULL) {
        solver_members_release(members);
        return err_set(err, ERR_NOMEM, "no memory for %d members of %d parameters",
                       settings->members, n_params);
    }
    return ERR_OK;
}

void solver_members_release(struct solver_members *members)
{
    mem_free(members->params);
    mem_free(members->fits);
    solver_tasks_release(&members->tasks);
    members->params = NULL;
    members->fits = NULL;
}

double *solver_members_params(const struct solver_members *members, int member)
{
    return members->params + (size_t)member * (size_t)members->n_params;
}

enum err_code solver_draws_new(struct solver_result *result, const struct resnet *net,
                               struct err *err)
{
    result->draws =
        mem_alloc_array((size_t)result->m * (size_t)net->n_params, sizeof *result->draws);
    return result->draws != NULL ? ERR_OK
                                 : err_set(err, ERR_NOMEM, "no memory for %d draws", result->m);
}

enum err_code solver_gaussians_new(struct solver_result *result,
                                   const struct solver_problem *problem,
                                   const struct solver_settings *settings,
                                   const struct gauss_shape *shape, struct err *err)
{
    if (gauss_mixture_new(&result->gaussian, settings->members, shape, err) != ERR_OK) {
        return err->code;
    }
    result->gaussian.n_draws = settings->draws;
    result->gaussian.seed = (int64_t)problem->seed;
    return ERR_OK;
}

void solver_members_as_draws(const struct solver_members *members, struct solver_result *result)
{
    size_t k = (size_t)members->tasks.problem->net->n_params;
    for (int i = 0; i < members->tasks.n; i++) {
        memcpy(result->draws + (size_t)i * k, solver_members_params(members, i),
               k * sizeof *result->draws);
    }
}

enum err_code solver_members_fit(struct solver_members *members, int member,
                                 const struct loss *loss, const struct data *rows, struct err *err)
{
    struct fit_settings settings = solver_fit_settings(members->settings);
    const struct solver_part part = solver_part_of(&members->tasks, members->settings, member);
    struct fit_problem fit = solver_fit_problem(&part, loss);
    struct rng rng;
    if (rows != NULL) {
        fit.train = *rows;
    }
    rng_init(&rng, members->tasks.problem->seed, RNG_BATCH, (uint32_t)member);
    if (fit_run(&fit, &settings, &rng, solver_members_params(members, member),
                &members->fits[member], err) != ERR_OK) {
        err_prefix(err, "member %d", member);
    }
    return err->code;
}

enum err_code solver_members_tell(const struct solver_members *members, int log_s,
                                  struct solver_result *result, struct err *err)
{
    const struct solver_problem *p = members->tasks.problem;
    enum err_code code = ERR_OK;
    if (p->beliefs.noise == NOISE_LEARNED) {
        const double *vectors = members->params + (log_s - p->net->n_params);
        code = solver_noise_of_draws(p, members->tasks.n, vectors, (size_t)members->n_params,
                                     result, err);
    } else {
        code = solver_noise_of_beliefs(p, result, err);
    }
    return code == ERR_OK
               ? solver_report_fits(&result->report, members->tasks.n, members->fits, err)
               : code;
}

enum err_code solver_check_gaussian(const struct gauss_mixture *mixture, int n_params,
                                    struct err *err)
{
    struct err found = ERR_INIT;
    if (gauss_mixture_check(mixture, n_params, &found) != ERR_OK) {
        return err_set(err, ERR_NUMERIC, "the fit diverged: %s; a smaller learning_rate may help",
                       err_msg(&found));
    }
    return ERR_OK;
}

/* A share of rows with holes is a set of its own, in which every output must be somewhere. */
static enum err_code check_share(struct solver_rows *rows, bool holes, double dfrac,
                                 struct err *err)
{
    int counts[ARCH_MAX_OUTPUTS];
    if (!holes) {
        return ERR_OK;
    }
    data_find_holes(&rows->data);
    data_count(&rows->data, counts);
    for (int j = 0; j < rows->data.o; j++) {
        if (counts[j] == 0) {
            return err_set(err, ERR_INVALID,
                           "with dfrac %g a member has %d rows, none of which has output %d; a "
                           "larger dfrac, or more rows with that output, are needed",
                           dfrac, rows->data.n, j);
        }
    }
    return ERR_OK;
}

enum err_code solver_rows_choose(struct solver_rows *rows, const struct solver_problem *problem,
                                 double dfrac, int member, struct err *err)
{
    const struct data *all = &problem->train;
    int n = (int)floor(dfrac * (double)all->n);
    *rows = (struct solver_rows){.data = *all};
    if (n >= all->n) {
        return ERR_OK;
    }
    n = n < 1 ? 1 : n;
    int *order = mem_alloc_array((size_t)all->n, sizeof *order);
    rows->x = mem_alloc_array((size_t)n * (size_t)all->d, sizeof *rows->x);
    rows->y = mem_alloc_array((size_t)n * (size_t)all->o, sizeof *rows->y);
    if (order == NULL || rows->x == NULL || rows->y == NULL) {
        mem_free(order);
        solver_rows_release(rows);
        return err_set(err, ERR_NOMEM, "no memory for the rows of a member");
    }
    struct rng rng;
    rng_init(&rng, problem->seed, RNG_SPLIT, (uint32_t)member + 1);
    rng_permutation(&rng, all->n, order);
    data_gather(all->x, all->d, order, n, rows->x);
    data_gather(all->y, all->o, order, n, rows->y);
    mem_free(order);
    rows->data.n = n;
    rows->data.x = rows->x;
    rows->data.y = rows->y;
    return check_share(rows, data_has_holes(all), dfrac, err);
}

void solver_rows_release(struct solver_rows *rows)
{
    mem_free(rows->x);
    mem_free(rows->y);
    *rows = (struct solver_rows){.x = NULL};
}
