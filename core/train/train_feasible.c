/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P(run succeeds) of a model that is trained with failed runs. Its rows are the inputs of the rows
 * that train, whether the runs succeeded or failed; the kept ones choose the epoch and score it.
 *
 *   from FEASIBLE_MIN runs of either end on   FEASIBLE_MEMBERS networks of the model's own width,
 *       depth and weight function with one output, the logit, each fitted to the cross-entropy with
 *       a normal prior, from a start and with orders of the rows of its own
 *   with fewer                                a logistic regression, w ~ N(0, 1) on the scaled
 *       inputs, of which FEASIBLE_DRAWS draws of Laplace's approximation are kept, in pairs on both
 *       sides of the mode, so that their mean logit is the mode's
 *
 * A regression is stored as what it is too, a network: one unit without activation, z = w x + b,
 * whose residual block and last layer pass it on. So the two are one in the model, and to
 * predictions.
 */
#include "base/mem.h"
#include "base/ranks.h"
#include "fit/cross_entropy.h"
#include "fit/logistic.h"
#include "predict/feasible.h"
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

#define EPOCHS        200
#define LEARNING_RATE 5e-3
#define PENALTY       1.0 /* C of the regression: the prior's variance is 1 */

/* Inputs of some rows, scaled, and how their runs ended. */
struct runs {
    int n, n_failed;
    double *x;             /* [n x d] user's units; mem, as are the next three */
    double *z;             /* [n x inputs of the network] */
    double *succeeded;     /* [n] 1 or 0 */
    unsigned char *failed; /* [n] */
};

static void runs_release(struct runs *runs)
{
    mem_free(runs->x);
    mem_free(runs->z);
    mem_free(runs->succeeded);
    mem_free(runs->failed);
    *runs = (struct runs){.n = 0};
}

static bool run_failed(const struct train_run *run, int row)
{
    const double *y = run->data.y + (size_t)row * (size_t)run->data.o;
    if (run->failed != NULL) {
        return run->failed[row] != 0;
    }
    for (int j = 0; j < run->data.o; j++) {
        if (!isnan(y[j])) {
            return false;
        }
    }
    return true;
}

/* The runs of one role. role: [data.n]. */
static enum err_code take_runs(const struct trainee *t, const unsigned char *role,
                               enum split_role which, struct runs *runs, struct err *err)
{
    const struct data *data = &t->run->data;
    size_t d = (size_t)data->d;
    size_t n = (size_t)data->n;
    runs->x = mem_alloc_array(n, d * sizeof *runs->x);
    runs->z = mem_alloc_array(n, (size_t)t->model->net.arch.inputs * sizeof *runs->z);
    runs->succeeded = mem_alloc_array(n, sizeof *runs->succeeded);
    runs->failed = mem_alloc_array(n, sizeof *runs->failed);
    if (runs->x == NULL || runs->z == NULL || runs->succeeded == NULL || runs->failed == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d runs", data->n);
    }
    for (int i = 0; i < data->n; i++) {
        if (role[i] != (unsigned char)which) {
            continue;
        }
        bool failed = run_failed(t->run, i);
        memcpy(runs->x + (size_t)runs->n * d, data->x + (size_t)i * d, d * sizeof *runs->x);
        runs->succeeded[runs->n] = failed ? 0.0 : 1.0;
        runs->failed[runs->n] = failed;
        runs->n_failed += failed;
        runs->n++;
    }
    const struct scaler_rows inputs = {.n = (size_t)runs->n, .k = data->d, .v = runs->x};
    return model_scale_inputs(t->model, &inputs, runs->z, err);
}

static struct data runs_scaled(const struct runs *runs, int d)
{
    return (struct data){.n = runs->n, .d = d, .o = 1, .x = runs->z, .y = runs->succeeded};
}

/* The scalers of what the network sees: a member of a category is 0 or 1. */
static void spread_scalers(const struct model *model, struct scaler *out)
{
    for (int j = 0; j < model->d; j++) {
        bool category = model->space != NULL && model->space->inputs[j].type == SPACE_CATEGORY;
        int n = category ? model->space->inputs[j].n_values : 1;
        for (int i = 0; i < n; i++) {
            *out++ = model->in[j];
        }
    }
}

/* A model of the network's inputs and one output, without its draws. */
static enum err_code new_logit(const struct trainee *t, const struct arch *arch, int m,
                               const char *how, struct model **out, struct err *err)
{
    struct model *logit = NULL;
    if (model_new(arch, m, &logit, err) != ERR_OK) {
        return err->code;
    }
    spread_scalers(t->model, logit->in);
    logit->seed = t->run->spec->seed;
    logit->solver = mem_strdup(how);
    if (logit->solver == NULL) {
        model_unref(logit);
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    *out = logit;
    return ERR_OK;
}

/* ---- few runs: a regression ---- */

/* One unit that passes w x + b on to the output. */
static struct arch regression_arch(int d)
{
    struct arch arch = arch_default(d, 1);
    arch.width = 1;
    arch.layers = 0;
    arch.basis = WPFN_CONSTANT;
    arch.activation = ACT_IDENTITY;
    return arch;
}

/* Draws params -+ F z, and the weights behind the unit. */
static void draw_pairs(const struct model *logit, uint64_t seed, const double *params,
                       const double *factor)
{
    size_t k = (size_t)logit->net.n_params;
    size_t n = (size_t)logit->d + 1;
    memset(logit->draws, 0, (size_t)logit->m * k * sizeof *logit->draws);
    for (int pair = 0; pair < logit->m / 2; pair++) {
        double *up = logit->draws + 2 * (size_t)pair * k;
        double *down = up + k;
        struct rng rng;
        rng_init(&rng, seed, RNG_FEASIBLE, (uint32_t)pair);
        for (size_t c = 0; c < n; c++) {
            double z = rng_normal(&rng);
            for (size_t i = 0; i < n; i++) {
                up[i] += factor[i * n + c] * z;
            }
        }
        for (size_t i = 0; i < n; i++) {
            double shift = up[i];
            up[i] = params[i] + shift;
            down[i] = params[i] - shift;
        }
        up[logit->net.off.weight_post] = down[logit->net.off.weight_post] = 1.0;
    }
}

static enum err_code fit_regression(const struct trainee *t, const struct runs *runs,
                                    struct model **out, struct err *err)
{
    int d = t->model->net.arch.inputs;
    size_t n = (size_t)d + 1;
    const struct arch arch = regression_arch(d);
    const struct data rows = runs_scaled(runs, d);
    double *params = mem_alloc_array(n, sizeof *params);
    double *factor = mem_alloc_array(n, n * sizeof *factor);
    if (params == NULL || factor == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a logistic regression on %d inputs", d);
    } else if (logistic_fit(&rows, PENALTY, t->run->cancel, params, factor, err) == ERR_OK &&
               new_logit(t, &arch, FEASIBLE_DRAWS, "logistic", out, err) == ERR_OK) {
        draw_pairs(*out, (uint64_t)t->run->spec->seed, params, factor);
    }
    mem_free(params);
    mem_free(factor);
    return err->code;
}

/* ---- many runs: networks ---- */

struct networks {
    const struct trainee *t;
    const struct model *logit;
    int first_task; /* of the checkpoint */
    double *prior;  /* [K] */
    struct data train, kept;
};

static enum err_code fit_member(void *ctx, int worker, int member, struct err *err)
{
    const struct networks *self = ctx;
    const struct train_run *run = self->t->run;
    const struct resnet *net = &self->logit->net;
    struct cross_entropy loss = {.inner = {.net = NULL}};
    struct fit_settings settings = {
        .epochs = EPOCHS, .batch_size = FEASIBLE_BATCH, .optim = optim_defaults()};
    struct fit_result result = {.train_loss = NULL};
    double *params = self->logit->draws + (size_t)member * (size_t)net->n_params;
    struct rng rng;
    (void)worker;
    settings.optim.learning_rate = LEARNING_RATE;
    if (cross_entropy_init(&loss, net, self->prior, self->train.n, run->cancel, err) == ERR_OK) {
        const struct fit_problem problem = {.loss = cross_entropy_as_loss(&loss),
                                            .train = self->train,
                                            .validation = self->kept,
                                            .cancel = run->cancel,
                                            .checkpoint = run->checkpoint,
                                            .task = self->first_task + member};
        rng_init(&rng, (uint64_t)run->spec->seed, RNG_FEASIBLE, (uint32_t)member);
        fit_init_params(net, 1.0, &rng, params);
        err_kept(fit_run(&problem, &settings, &rng, params, &result, err));
    }
    cross_entropy_release(&loss);
    return err->code;
}

static enum err_code fit_networks(const struct trainee *t, int first_task, const struct runs *train,
                                  const struct runs *kept, struct model **out, struct err *err)
{
    struct arch arch = t->run->spec->arch;
    struct networks self = {.t = t, .first_task = first_task};
    arch.outputs = 1;
    arch.layer_post = true;
    arch.final = FINAL_NONE;
    if (new_logit(t, &arch, FEASIBLE_MEMBERS, "ensemble", out, err) != ERR_OK) {
        return err->code;
    }
    self.logit = *out;
    self.train = runs_scaled(train, (*out)->d);
    self.kept = runs_scaled(kept, (*out)->d);
    if (train_prior_sigmas(&(struct train_prior){.sigma = 1.0, .fan_in = true}, &self.logit->net,
                           &self.prior, err) == ERR_OK &&
        ranks_run(t->run->checkpoint, t->run->n_threads, FEASIBLE_MEMBERS, fit_member, &self,
                  err) != ERR_OK) {
        err_prefix(err, "probability of success");
    }
    mem_free(self.prior);
    return err->code;
}

/* ---- the whole ---- */

/* Counts, and the scores of the kept runs. */
static enum err_code report_feasible(struct trainee *t, const struct runs *train,
                                     const struct runs *kept, struct err *err)
{
    struct report *report = &t->model->report;
    const struct data rows = {.n = kept->n, .d = t->model->d, .x = kept->x};
    struct feasible_scores scores = {.log_loss = (double)NAN, .auc = (double)NAN};
    if (kept->n > 0 && feasible_score_rows(t->model, &rows, kept->failed, t->run->cancel, &scores,
                                           err) != ERR_OK) {
        return err->code;
    }
    const struct {
        const char *name;
        double value;
    } items[] = {{"feasible.train_rows", train->n},      {"feasible.train_failed", train->n_failed},
                 {"feasible.kept_rows", kept->n},        {"feasible.kept_failed", kept->n_failed},
                 {"feasible.log_loss", scores.log_loss}, {"feasible.auc", scores.auc}};
    for (size_t i = 0; i < sizeof items / sizeof *items && err->code == ERR_OK; i++) {
        err_kept(report_add_number(report, items[i].name, items[i].value, err));
    }
    return err->code;
}

static enum err_code fit_runs(struct trainee *t, int first_task, const struct runs *train,
                              const struct runs *kept, struct err *err)
{
    struct model *logit = NULL;
    int succeeded = train->n - train->n_failed;
    int fewer = train->n_failed < succeeded ? train->n_failed : succeeded;
    if (fewer == 0) {
        return ERR_OK;
    }
    enum err_code code = fewer < FEASIBLE_MIN
                             ? fit_regression(t, train, &logit, err)
                             : fit_networks(t, first_task, train, kept, &logit, err);
    if (code != ERR_OK || model_publish(logit, err) != ERR_OK) {
        model_unref(logit);
        return err->code;
    }
    t->model->feasible = logit;
    return report_feasible(t, train, kept, err);
}

enum err_code train_feasible(struct trainee *t, int first_task, struct err *err)
{
    const struct train_run *run = t->run;
    struct runs train = {.n = 0};
    struct runs kept = {.n = 0};
    bool any = false;
    for (int i = 0; !any && i < run->data.n; i++) {
        any = run_failed(run, i);
    }
    if (!any) {
        return ERR_OK;
    }
    struct row_groups groups = {.n = 0};
    unsigned char *role = mem_alloc((size_t)run->data.n);
    if (role == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to split %d rows", run->data.n);
    }
    if (row_groups_find(&run->data, &groups, err) != ERR_OK) {
        mem_free(role);
        return err->code;
    }
    train_rows_assign(run->spec, &groups, &run->data, role);
    row_groups_release(&groups);
    if (take_runs(t, role, SPLIT_TRAIN, &train, err) == ERR_OK &&
        take_runs(t, role, SPLIT_KEPT, &kept, err) == ERR_OK) {
        err_kept(fit_runs(t, first_task, &train, &kept, err));
    }
    runs_release(&train);
    runs_release(&kept);
    mem_free(role);
    return err->code;
}
