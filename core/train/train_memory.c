/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_memory.h"

#include "losses/objective.h"
#include "model/reduction_fit.h"

#include <math.h>

#define MEGABYTE     1e6
#define FIELD_COPIES 2.0
#define ROW_COPIES   6.0 /* rows in the user's units, scaled, in parts, in the order of a fit */
/* Vectors of K while a network is fitted: parameters, gradient, best, moments, sums, checkpoint. */
#define FIT_VECTORS 16.0
/* Vectors of K that remain of each fitted network: its parameters, its Gaussian. */
#define FITTED_VECTORS 4.0
#define LBFGS_PAIRS    2.0 /* vectors of K for each step that is remembered */
#define RUN_COPIES     4.0 /* inputs of all runs, scaled and not, of those that train and are kept */
#define STATES         3.0 /* of each block, for a tile of rows: forward, backward and the sums */
#define SLOPES         2.0 /* the same: derivatives of activations that are no functions of the value */

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* How many numbers a thread needs that fits a network or runs a chain. */
static double thread_values(const struct train_spec *spec, const struct resnet *net, double n_rows)
{
    const struct arch *a = &net->arch;
    double blocks = net->n_blocks;
    double width = a->width;
    double tile = smaller(OBJECTIVE_TILE, n_rows);
    double batch = spec->settings.batch_size > 0 ? spec->settings.batch_size : n_rows;
    double values = FIT_VECTORS * net->n_params + blocks * (width + 1.0) * width;
    double states = STATES + (activation_by_value(a->activation) ? 0.0 : SLOPES);
    values += tile * (states * blocks * width + 4.0 * (a->inputs + a->outputs));
    values += smaller(batch, n_rows) * (a->inputs + a->outputs);
    values += spec->settings.shards * (double)net->n_params;
    if (spec->settings.optim.kind == OPTIM_LBFGS) {
        values += LBFGS_PAIRS * spec->settings.optim.history * net->n_params;
    }
    return values;
}

/* How many posteriors are kept: cross-conformal calibration keeps one for each fold. */
static double count_folds(const struct train_spec *spec, double n_rows)
{
    switch (spec->calibration.method) {
    case CONFORMAL_CV_PLUS:
        return spec->calibration.folds;
    case CONFORMAL_JACKKNIFE_PLUS:
        return n_rows;
    case CONFORMAL_NONE:
    case CONFORMAL_SPLIT:
        break;
    }
    return 1.0;
}

/* What remains of draws: the solver's result or the rows of a head, the packs, the bytes. */
static double kept_values(const struct resnet *net, double draws)
{
    return draws * (net->n_params + (double)net->pack_size) + 2.0 * draws * net->n_params;
}

/*
 * P(run succeeds) is learnt once the solver is done: `work`, while it is fitted, does not add to
 * the solver's; `kept`, its networks, stay in the model. Regressions need less.
 */
static enum err_code feasible_values(const struct train_spec *spec, double n_rows, int n_threads,
                                     double *work, double *kept, struct err *err)
{
    struct train_spec own = *spec;
    struct resnet net;
    own.arch.outputs = 1;
    own.arch.layer_post = true;
    own.arch.final = FINAL_NONE;
    own.settings.batch_size = FEASIBLE_BATCH;
    own.settings.shards = 0;
    own.settings.optim = optim_defaults();
    if (resnet_init(&net, &own.arch, err) != ERR_OK) {
        return err->code;
    }
    double threads = smaller(n_threads, FEASIBLE_MEMBERS);
    *work =
        RUN_COPIES * n_rows * (own.arch.inputs + 1.0) + threads * thread_values(&own, &net, n_rows);
    *kept = kept_values(&net, FEASIBLE_MEMBERS);
    resnet_release(&net);
    return ERR_OK;
}

enum err_code train_memory(const struct train_spec *spec, const struct train_load *load,
                           int n_threads, struct train_size *out, struct err *err)
{
    struct resnet net;
    double n_rows = (double)load->n_rows;
    double feasible_work = 0.0;
    double feasible_kept = 0.0;
    if (load->failed &&
        feasible_values(spec, n_rows, n_threads, &feasible_work, &feasible_kept, err) != ERR_OK) {
        return err->code;
    }
    if (resnet_init(&net, &spec->arch, err) != ERR_OK) {
        return err->code;
    }
    double k = net.n_params;
    double networks = solver_n_networks(spec->solver, &spec->settings);
    double shards = spec->settings.shards > 0 ? spec->settings.shards : 1.0;
    double threads = smaller(n_threads, networks * shards);
    double draws = solver_n_draws(spec->solver, &spec->settings);
    double values = n_rows * (spec->arch.inputs + spec->arch.outputs) * ROW_COPIES;
    if (spec->reduction.on) { /* fields as they are and in parts, encoded, decoded and scored */
        values += n_rows * spec->reduction.p * FIELD_COPIES;
        values += reduction_fit_values(&spec->reduction, n_rows, spec->reduction.p);
    }
    *out = (struct train_size){.n_params = k, .n_draws = draws * count_folds(spec, n_rows)};
    double work = threads * thread_values(spec, &net, n_rows);
    work += solver_values(spec->solver, &spec->settings, &net, n_threads);
    /* Where outputs are missing, those of the rows that have one are held beside all of them. */
    work += (load->holes ? 2.0 : 1.0) * threads * n_rows * solver_row_values(spec->solver, &net);
    values += FITTED_VECTORS * networks * k;
    values += work > feasible_work ? work : feasible_work;
    values += draws * k + kept_values(&net, out->n_draws) + feasible_kept;
    out->n_bytes = values * sizeof(double);
    double outputs = spec->reduction.on ? spec->reduction.p : arch_n_outputs(&spec->arch);
    out->n_least = (n_rows * (spec->arch.inputs + outputs) + out->n_draws * k) * sizeof(double);
    resnet_release(&net);
    return ERR_OK;
}

enum err_code train_memory_check(const struct train_spec *spec, const struct train_load *load,
                                 int n_threads, int64_t max_bytes, struct err *err)
{
    struct train_size size;
    if (max_bytes == 0 || train_memory(spec, load, n_threads, &size, err) != ERR_OK) {
        return err->code;
    }
    if (size.n_bytes > (double)max_bytes) {
        return err_set(err, ERR_TOO_LARGE,
                       "the training would need about %.0f MB of memory and may have %.0f MB "
                       "(train_memory_mb): %.0f draws of %.0f parameters; fewer layers, members or "
                       "draws, or less width, need less",
                       size.n_bytes / MEGABYTE, (double)max_bytes / MEGABYTE, size.n_draws,
                       size.n_params);
    }
    return ERR_OK;
}

enum err_code train_memory_check_limit(const struct train_spec *spec, const struct train_load *load,
                                       int64_t limit_bytes, struct err *err)
{
    struct train_size size;
    if (limit_bytes == 0 || train_memory(spec, load, 1, &size, err) != ERR_OK) {
        return err->code;
    }
    if (size.n_least > (double)limit_bytes) {
        return err_set(err, ERR_TOO_LARGE,
                       "limits: memory_mb is %.0f, and %lld rows and %.0f draws of %.0f parameters "
                       "alone need %.0f MB",
                       (double)limit_bytes / MEGABYTE, (long long)load->n_rows, size.n_draws,
                       size.n_params, ceil(size.n_least / MEGABYTE));
    }
    return ERR_OK;
}
