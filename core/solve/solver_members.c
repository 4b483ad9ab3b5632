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
    if (order == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows of a member");
    }
    if (data_room_init(&rows->room, all, n, err) != ERR_OK) {
        mem_free(order);
        return err->code;
    }
    struct rng rng;
    rng_init(&rng, problem->seed, RNG_SPLIT, (uint32_t)member + 1);
    rng_permutation(&rng, all->n, order);
    rows->data = data_room_take(&rows->room, all, order, n);
    data_find_weight(&rows->data);
    mem_free(order);
    return check_share(rows, data_has_holes(all), dfrac, err);
}

void solver_rows_release(struct solver_rows *rows)
{
    data_room_release(&rows->room);
    *rows = (struct solver_rows){.room = {.x = NULL}};
}

/* ---- members that diverge ---- */

/*
 * Members that diverge. A fit whose loss is no longer finite says nothing of the rows, but those
 * beside it, with other starts and other orders of the rows, may be good; eight hours of them are
 * not thrown away for one. Which members diverge depends on neither threads nor interruptions,
 * since every member's numbers do not.
 */

struct run {
    par_fn *fn;
    void *ctx;
    const struct solver_problem *problem;
    struct err *failures; /* [members] of those that diverged, else ERR_OK; mem */
};

static enum err_code run_or_note(void *ctx, int worker, int member, struct err *err)
{
    struct run *run = ctx;
    struct err *failure = &run->failures[member];
    *failure = (struct err)ERR_INIT;
    if (run->fn(run->ctx, worker, member, failure) == ERR_OK) {
        return ERR_OK;
    }
    if (failure->code != ERR_NUMERIC || cancel_is_requested(run->problem->cancel)) {
        *err = *failure;
        return err->code;
    }
    /* Its work is done, as far as the others' progress is concerned. */
    return ERR_OK;
}

/* to[0 .. ] <- the parts of from, `size` bytes each, of members that have not failed. */
static void close_ranks(const struct run *run, int n, void *parts, size_t size)
{
    char *bytes = parts;
    int to = 0;
    for (int i = 0; i < n; i++) {
        if (run->failures[i].code != ERR_OK) {
            continue;
        }
        if (to != i) {
            memmove(bytes + (size_t)to * size, bytes + (size_t)i * size, size);
        }
        to++;
    }
}

static void drop_gaussians(const struct run *run, int n, struct gauss_mixture *mixture)
{
    for (int i = 0; i < n; i++) {
        if (run->failures[i].code != ERR_OK) {
            gauss_release(&mixture->members[i]);
        }
    }
    close_ranks(run, n, mixture->members, sizeof *mixture->members);
}

static void drop_members(const struct run *run, int left, struct solver_members *members,
                         struct solver_result *result)
{
    int n = members->tasks.n;
    size_t by_member = (size_t)(result->m / n);
    size_t k = (size_t)run->problem->net->n_params;
    close_ranks(run, n, members->params, (size_t)members->n_params * sizeof *members->params);
    close_ranks(run, n, members->fits, sizeof *members->fits);
    if (result->draws != NULL) {
        close_ranks(run, n, result->draws, by_member * k * sizeof *result->draws);
    }
    if (result->gaussian.n_members > 0) {
        drop_gaussians(run, n, &result->gaussian);
        result->gaussian.n_members = left;
    }
    result->m = (int)by_member * left;
    members->tasks.n = left;
}

enum err_code solver_members_run(struct solver_members *members, par_fn *fn, void *ctx,
                                 struct solver_result *result, struct err *err)
{
    const struct solver_problem *p = members->tasks.problem;
    struct run run = {.fn = fn, .ctx = ctx, .problem = p};
    int n = members->tasks.n;
    int left = 0;
    const struct err *first = NULL;
    run.failures = mem_zalloc_array((size_t)n, sizeof *run.failures);
    if (run.failures == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d members", n);
    }
    /* In shards each network is of all ranks, one network after the other. */
    bool together = members->settings->shards > 0 && ranks_together(p->checkpoint) != NULL;
    if ((together ? par_run(1, n, run_or_note, &run, err)
                  : ranks_run(p->checkpoint, p->n_threads, n, run_or_note, &run, err)) != ERR_OK) {
        goto done;
    }
    for (int i = 0; i < n; i++) {
        bool failed = run.failures[i].code != ERR_OK;
        left += !failed;
        first = first == NULL && failed ? &run.failures[i] : first;
    }
    if (first == NULL) {
        goto done;
    }
    if (n == 1 || p->all_members) {
        *err = *first;
    } else if (left == 0) {
        err_set(err, ERR_NUMERIC, "all %d members diverged; %s", n, err_msg(first));
    } else {
        drop_members(&run, left, members, result);
        err_kept(report_warn(&result->report, err, "diverged",
                             "%d of %d members diverged and are left out; %s", n - left, n,
                             err_msg(first)));
    }
done:
    mem_free(run.failures);
    return err->code;
}
