/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members that diverge. A fit whose loss is no longer finite says nothing of the rows, but those
 * beside it, with other starts and other orders of the rows, may be good; eight hours of them are
 * not thrown away for one. Which members diverge depends on neither threads nor interruptions,
 * since every member's numbers do not.
 */
#include "base/mem.h"
#include "solve/solver_priv.h"

#include <string.h>

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
