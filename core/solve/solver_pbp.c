/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probabilistic backpropagation (core/solve/pbp.c says what it computes and where it differs from
 * the paper): `epochs` passes over the rows, each in an order of its own, with the prior refreshed
 * after each. The posterior is a Gaussian with independent parameters. Predictions use draws from
 * it and the network itself, so the approximations of the moments affect the posterior only.
 *
 * Filtering takes one row after the other, so only members run in parallel. Validation rows decide
 * nothing; their loss is only reported. QUiNN plans this solver but does not have it yet.
 *
 * A warm start begins with the Gaussians of an earlier run and counts all rows again. Like further
 * epochs, this makes the variances smaller than those of the exact posterior, more so with every
 * run; a warning says so.
 *
 * Noise that is given, or was estimated before, stays as it is. Learned noise_sigma^2 is the
 * posterior's E[1 / precision] = b / (a - 1), as in the paper, averaged over members.
 */
#include "solve/solver_priv.h"

#include "base/mem.h"
#include "solve/pbp.h"

#include <math.h>
#include <string.h>

#define LOOK_ROWS 16 /* rows between two checks for cancellation */

struct solver_pbp {
    struct solver_tasks tasks;
    const struct solver_settings *settings;
    struct gauss_mixture *mixture;
    double *noise;   /* [members x o] variances */
    double *log_z;   /* [members x epochs] mean log Z of a row in each pass */
    double *lambda;  /* [members] posterior mean */
    double *skipped; /* [members] */
};

#define REPORTED_LAMBDA "members.lambda"

/* What a member needs besides its posterior. */
struct passes {
    struct pbp pbp;
    struct rng rng; /* orders of the rows */
    int *order;     /* [n] */
    int epochs;     /* done */
    double *log_z;  /* [settings.epochs] */
    /* The current epoch. */
    struct rng begun; /* the random numbers when it began */
    int row;          /* rows done; 0: the epoch has not begun */
    double sum;       /* of their log Z */
};

static enum err_code save_passes(const struct solver_pbp *self, int member,
                                 const struct passes *passes, struct err *err)
{
    const struct checkpoint *checkpoint = self->tasks.problem->checkpoint;
    struct bytes_writer w = {.data = NULL};
    if (checkpoint == NULL) {
        return ERR_OK;
    }
    bytes_put_u32(&w, (uint32_t)passes->epochs);
    rng_save(&passes->rng, &w);
    bytes_put_f64(&w, passes->log_z, (size_t)passes->epochs);
    bytes_put_u32(&w, (uint32_t)passes->row);
    if (passes->row > 0) {
        rng_save(&passes->begun, &w);
        bytes_put_f64(&w, &passes->sum, 1);
    }
    pbp_save(&passes->pbp, &w);
    return checkpoint_save(checkpoint, member, &w, err);
}

static enum err_code resume_passes(const struct solver_pbp *self, int member, struct passes *passes,
                                   struct err *err)
{
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    if (checkpoint_load(self->tasks.problem->checkpoint, member, &bytes, &r, &found, err) !=
            ERR_OK ||
        !found) {
        return err->code;
    }
    int n = self->tasks.problem->train.n;
    passes->epochs = bytes_get_int(&r, self->settings->epochs);
    rng_load(&passes->rng, &r);
    bytes_get_f64(&r, passes->log_z, (size_t)passes->epochs);
    passes->row = bytes_get_int(&r, n);
    if (passes->row > 0) {
        rng_load(&passes->begun, &r);
        bytes_get_f64(&r, &passes->sum, 1);
    }
    pbp_load(&passes->pbp, &r);
    if (checkpoint_check(&r, err) == ERR_OK && passes->row > 0) {
        /* The order of the epoch that was interrupted. */
        struct rng again = passes->begun;
        rng_permutation(&again, n, passes->order);
    }
    mem_free(bytes);
    return err->code;
}

/* One pass over all rows, or the rest of it; passes->sum is the sum of their log Z. */
static enum err_code run_pass(const struct solver_pbp *self, int member, struct passes *passes,
                              struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    const struct data *rows = &p->train;
    if (passes->row == 0) {
        passes->sum = 0.0;
        passes->begun = passes->rng;
        rng_permutation(&passes->rng, rows->n, passes->order);
    }
    while (passes->row < rows->n) {
        size_t row = (size_t)passes->order[passes->row++];
        double log_z = pbp_add_row(&passes->pbp, rows->x + row * (size_t)rows->d,
                                   rows->y + row * (size_t)rows->o);
        if (!isfinite(log_z)) {
            return err_set(err, ERR_NUMERIC, "log Z of a row is not finite in epoch %d",
                           passes->epochs + 1);
        }
        passes->sum += log_z;
        if (passes->row % LOOK_ROWS != 0) {
            continue;
        }
        if (cancel_is_requested(p->cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled in epoch %d", passes->epochs + 1);
        }
        if (passes->row < rows->n && checkpoint_due(p->checkpoint, member) &&
            save_passes(self, member, passes, err) != ERR_OK) {
            return err->code;
        }
    }
    passes->row = 0;
    return ERR_OK;
}

/* NaN without validation rows, and after a cancellation. */
static double validation_loss(const struct solver_problem *p, struct pbp *pbp)
{
    const struct data *rows = &p->validation;
    double sum = 0.0;
    for (size_t i = 0; i < (size_t)rows->n; i++) {
        if (i % LOOK_ROWS == 0 && cancel_is_requested(p->cancel)) {
            return NAN;
        }
        sum -= pbp_log_z(pbp, rows->x + i * (size_t)rows->d, rows->y + i * (size_t)rows->o);
    }
    return rows->n > 0 ? sum / (double)rows->n : NAN;
}

static enum err_code run_epoch(struct solver_pbp *self, int member, struct passes *passes,
                               struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    int of = self->settings->epochs;
    if (run_pass(self, member, passes, err) != ERR_OK) {
        return err->code;
    }
    double log_z = passes->sum / (double)p->train.n;
    pbp_refresh_prior(&passes->pbp);
    double validation = p->progress != NULL ? validation_loss(p, &passes->pbp) : NAN;
    if (cancel_is_requested(p->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled after the rows of epoch %d",
                       passes->epochs + 1);
    }
    passes->log_z[passes->epochs++] = log_z;
    struct progress progress = {
        .member = member,
        .n_members = self->tasks.n,
        .step = passes->epochs,
        .n_steps = of,
        .loss = -log_z,
        .validation_loss = validation,
        .fraction = (double)passes->epochs / (double)of,
    };
    solver_tasks_progress(&self->tasks, &progress);
    if ((passes->epochs == of || checkpoint_due(p->checkpoint, member)) &&
        save_passes(self, member, passes, err) != ERR_OK) {
        return err->code;
    }
    if (cancel_is_requested(p->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled after epoch %d", passes->epochs);
    }
    return ERR_OK;
}

/* Leaves a member's posterior in the result. */
static void keep_member(struct solver_pbp *self, int member, const struct pbp *pbp)
{
    struct gauss *g = &self->mixture->members[member];
    memcpy(g->mean, pbp->m, (size_t)pbp->n_params * sizeof *g->mean);
    for (int k = 0; k < pbp->n_params; k++) {
        g->std[k] = sqrt(pbp->v[k]);
    }
    for (int j = 0; j < pbp->n_outputs; j++) {
        self->noise[(size_t)member * (size_t)pbp->n_outputs + (size_t)j] =
            pbp_noise_variance(pbp, j);
    }
    self->lambda[member] = pbp->lambda[0] / pbp->lambda[1];
    self->skipped[member] = (double)pbp->skipped;
}

static enum err_code start_filter(const struct solver_pbp *self, int member, struct passes *passes,
                                  struct err *err)
{
    const struct solver_problem *p = self->tasks.problem;
    const struct pbp_problem filtered = {.net = p->net,
                                         .train = &p->train,
                                         .sigmas = p->beliefs.noise_sigmas,
                                         .init_factor = self->settings->init_factor};
    struct rng rng;
    rng_init(&rng, p->seed, RNG_INIT, (uint32_t)member);
    rng_init(&passes->rng, p->seed, RNG_BATCH, (uint32_t)member);
    if (pbp_init(&passes->pbp, &filtered, &rng, err) != ERR_OK) {
        return err->code;
    }
    if (p->start != NULL) {
        const struct report_item *lambda = report_find(p->start->report, REPORTED_LAMBDA);
        int from = member % p->start->gaussian->n_members;
        const struct gauss *g = &p->start->gaussian->members[from];
        pbp_go_on(&passes->pbp, g->mean, g->std, lambda->values[from % lambda->n], p->start->log_s);
    }
    return ERR_OK;
}

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct solver_pbp *self = ctx;
    const struct solver_problem *p = self->tasks.problem;
    struct passes passes = {
        .log_z = self->log_z + (size_t)member * (size_t)self->settings->epochs,
    };
    (void)worker;
    if (start_filter(self, member, &passes, err) != ERR_OK) {
        goto done;
    }
    passes.order = mem_alloc_array((size_t)p->train.n, sizeof *passes.order);
    if (passes.order == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the order of %d rows", p->train.n);
        goto done;
    }
    if (resume_passes(self, member, &passes, err) != ERR_OK) {
        goto done;
    }
    while (passes.epochs < self->settings->epochs) {
        if (run_epoch(self, member, &passes, err) != ERR_OK) {
            goto done;
        }
    }
    keep_member(self, member, &passes.pbp);
done:
    pbp_release(&passes.pbp);
    mem_free(passes.order);
    if (err->code != ERR_OK) {
        err_prefix(err, "member %d", member);
    }
    return err->code;
}

static enum err_code collect_results(const struct solver_pbp *self, struct solver_result *result,
                                     struct err *err)
{
    int members = self->tasks.n;
    size_t o = (size_t)self->tasks.problem->train.o;
    result->noise_sigma = mem_zalloc_array(o, sizeof *result->noise_sigma);
    if (result->noise_sigma == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    for (size_t j = 0; j < o; j++) {
        double sum = 0.0;
        for (size_t i = 0; i < (size_t)members; i++) {
            sum += self->noise[i * o + j];
        }
        result->noise_sigma[j] = sqrt(sum / (double)members);
    }
    if (self->tasks.problem->start != NULL &&
        report_warn(&result->report, err, "rows_again",
                    "pbp started from a model that had seen rows before, and counted all rows "
                    "again: variances shrink with every warm start; a cold start corrects them") !=
            ERR_OK) {
        return err->code;
    }
    /* Of log Z, only the first member's passes are reported. */
    if (report_add(&result->report, "pbp.log_z", self->settings->epochs, self->log_z, err) ==
            ERR_OK &&
        report_add(&result->report, REPORTED_LAMBDA, members, self->lambda, err) == ERR_OK) {
        err_kept(
            report_add(&result->report, "members.skipped_updates", members, self->skipped, err));
    }
    return err->code;
}

static enum err_code run_pbp(const struct solver_problem *problem,
                             const struct solver_settings *settings, struct solver_result *result,
                             struct err *err)
{
    size_t members = (size_t)settings->members;
    const struct resnet *net = problem->net;
    struct solver_pbp self = {.settings = settings, .mixture = &result->gaussian};
    if (problem->train.n < 1) {
        return err_set(err, ERR_INVALID, "no rows to train on");
    }
    const struct gauss_shape shape = {
        .n_params = net->n_params, .n = net->n_params, .with_std = true};
    if (solver_tasks_init(&self.tasks, problem, settings->members, err) != ERR_OK ||
        solver_gaussians_new(result, problem, settings, &shape, err) != ERR_OK) {
        goto done;
    }
    self.noise = mem_zalloc_array(members * (size_t)problem->train.o, sizeof *self.noise);
    self.log_z = mem_zalloc_array(members * (size_t)settings->epochs, sizeof *self.log_z);
    self.lambda = mem_zalloc_array(members, sizeof *self.lambda);
    self.skipped = mem_zalloc_array(members, sizeof *self.skipped);
    if (self.noise == NULL || self.log_z == NULL || self.lambda == NULL || self.skipped == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %d members", settings->members);
    } else if (ranks_run(problem->checkpoint, problem->n_threads, settings->members, run_member,
                         &self, err) == ERR_OK) {
        err_kept(collect_results(&self, result, err));
    }
done:
    mem_free(self.noise);
    mem_free(self.log_z);
    mem_free(self.lambda);
    mem_free(self.skipped);
    solver_tasks_release(&self.tasks);
    return err->code;
}

static enum err_code check_pbp_start(const struct solver_start *start, struct err *err)
{
    const struct report_item *lambda = report_find(start->report, REPORTED_LAMBDA);
    int k = start->net->n_params;
    bool whole = start->gaussian->n_members > 0 && lambda != NULL && lambda->n > 0;
    if (solver_start_needs(start, SOLVER_PBP, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < start->gaussian->n_members; i++) {
        const struct gauss *g = &start->gaussian->members[i];
        whole = whole && g->std != NULL && g->rank == 0 && g->first == 0 && g->n == k;
    }
    for (int i = 0; whole && i < lambda->n; i++) {
        whole = lambda->values[i] > 0.0 && isfinite(lambda->values[i]);
    }
    return whole ? ERR_OK
                 : err_set(err, ERR_UNSUPPORTED,
                           "pbp cannot start warm from a model that lacks the independent "
                           "Gaussians and the %s of an earlier run",
                           REPORTED_LAMBDA);
}

static void set_defaults(struct solver_settings *settings)
{
    settings->epochs = 40; /* Hernandez-Lobato and Adams 2015 */
}

const struct solver_ops solver_pbp_ops = {
    .poor_for_few = true,
    .run = run_pbp,
    .draws = DRAWS_OF_MEMBERS,
    .one_member = true,
    .set_defaults = set_defaults,
    .noises = NOISES_CONSTANT,
    .noise = NOISE_LEARNED,
    .needs_no_final = true,
    .check_start = check_pbp_start,
};
