/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each quantity (a parameter, or an output at a row) is one task of core/base/par. A task writes to
 * a place of its own, so the report does not depend on the number of threads.
 */
#include "solve/mcmc_report.h"

#include "base/mem.h"
#include "base/par.h"
#include "math/moments.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- diagnostics of many quantities ---- */

/* k quantities and their diagnostics: values [c n x k]; rhat, ess_bulk and ess_tail [k] each, NaN
 * where a quantity cannot be judged. */
struct watch {
    const struct cancel *cancel;
    int c, n;
    int k;
    const double *values;
    double *rhat;
    double *ess_bulk;
    double *ess_tail;
    double *memory;
};

static void watch_release(struct watch *watch)
{
    mem_free(watch->memory);
    watch->memory = NULL;
}

static enum err_code judge_quantity(void *ctx, int worker, int at, struct err *err)
{
    struct watch *watch = ctx;
    struct chain_summary summary;
    size_t m = (size_t)watch->c * (size_t)watch->n;
    (void)worker;
    if (cancel_is_requested(watch->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled during the diagnostics of the chains");
    }
    double *column = mem_alloc_array(m, sizeof *column);
    if (column == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the diagnostics of %zu draws", m);
    }
    for (size_t i = 0; i < m; i++) {
        column[i] = watch->values[i * (size_t)watch->k + (size_t)at];
    }
    if (chain_summarise(watch->c, watch->n, column, &summary, err) == ERR_OK) {
        watch->rhat[at] = summary.rhat;
        watch->ess_bulk[at] = summary.ess_bulk;
        watch->ess_tail[at] = summary.ess_tail;
    }
    mem_free(column);
    return err->code;
}

/* Computes the diagnostics of k quantities, values [c n x k]. */
static enum err_code watch_judge(struct watch *watch, const struct solver_problem *problem,
                                 const struct mcmc_draws *draws, int k, const double *values,
                                 struct err *err)
{
    *watch = (struct watch){
        .cancel = problem->cancel, .c = draws->c, .n = draws->n, .k = k, .values = values};
    watch->memory = mem_alloc_array(3 * (size_t)k, sizeof *watch->memory);
    if (watch->memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the diagnostics of %d quantities", k);
    }
    watch->rhat = watch->memory;
    watch->ess_bulk = watch->rhat + k;
    watch->ess_tail = watch->ess_bulk + k;
    return par_run(problem->n_threads, k, judge_quantity, watch, err);
}

struct quantile {
    const char *suffix;
    double level;
};

/* A diagnostic of all watched quantities, NaN where one cannot be judged. */
struct diagnostic {
    const char *name;
    const double *values;             /* [k] */
    const struct quantile *quantiles; /* [3] that are reported */
};

/* Reports "group.name_suffix" for each quantile of the values that are not NaN. */
static enum err_code add_quantiles(struct report *report, const char *group, int k,
                                   const struct diagnostic *diagnostic, struct err *err)
{
    const double *values = diagnostic->values;
    double *known = mem_alloc_array((size_t)k, sizeof *known);
    int n = 0;
    if (known == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the diagnostics of %d quantities", k);
    }
    for (int i = 0; i < k; i++) {
        if (!isnan(values[i])) {
            known[n++] = values[i];
        }
    }
    for (int i = 0; i < 3 && err->code == ERR_OK; i++) {
        char name[REPORT_NAME_CHARS];
        double value = NAN;
        const struct quantile *quantile = &diagnostic->quantiles[i];
        snprintf(name, sizeof name, "%s.%s_%s", group, diagnostic->name, quantile->suffix);
        if (n > 0) {
            moments_quantiles(n, known, 1, &quantile->level, &value);
        }
        err_kept(report_add_number(report, name, value, err));
    }
    mem_free(known);
    return err->code;
}

static enum err_code add_watch(struct report *report, const char *group, const struct watch *watch,
                               struct err *err)
{
    static const struct quantile high[] = {{"max", 1.0}, {"q95", 0.95}, {"median", 0.5}};
    static const struct quantile low[] = {{"min", 0.0}, {"q05", 0.05}, {"median", 0.5}};
    const struct diagnostic all[] = {{"rhat", watch->rhat, high},
                                     {"ess_bulk", watch->ess_bulk, low},
                                     {"ess_tail", watch->ess_tail, low}};
    for (int i = 0; i < 3 && err->code == ERR_OK; i++) {
        err_kept(add_quantiles(report, group, watch->k, &all[i], err));
    }
    return err->code;
}

/* Returns the largest R-hat, NaN when there is none; counts those that are too large and those that
 * are missing. */
static double find_worst(const struct watch *watch, int *n_large, int *n_missing)
{
    double max = NAN;
    *n_large = 0;
    *n_missing = 0;
    for (int i = 0; i < watch->k; i++) {
        max = fmax(max, watch->rhat[i]); /* fmax passes over NaN */
        *n_large += watch->rhat[i] > MCMC_MAX_RHAT;
        *n_missing += isnan(watch->rhat[i]);
    }
    return max;
}

static enum err_code warn_missing(struct report *report, const char *group,
                                  const struct watch *watch, struct err *err)
{
    int large;
    int missing;
    (void)find_worst(watch, &large, &missing);
    return missing == 0 ? ERR_OK
                        : report_warn(report, err, "no_verdict",
                                      "%d of %d %s never moved or are not finite: their "
                                      "convergence cannot be judged",
                                      missing, watch->k, group);
}

/* ---- parameters and predictions ---- */

static enum err_code report_parameters(const struct solver_problem *problem,
                                       const struct mcmc_draws *draws, struct report *report,
                                       struct err *err)
{
    struct watch watch;
    int large;
    int missing;
    if (watch_judge(&watch, problem, draws, draws->stride, draws->vectors, err) != ERR_OK ||
        add_watch(report, "parameters", &watch, err) != ERR_OK ||
        warn_missing(report, "parameters", &watch, err) != ERR_OK) {
        goto done;
    }
    double rhat = find_worst(&watch, &large, &missing);
    if (large > 0) {
        err_kept(
            report_warn(report, err, "rhat_parameters",
                        "R-hat of %d of %d parameters is above %g (the largest is %.3g): this is "
                        "normal for networks, whose units can be swapped or change sign; "
                        "judge by the R-hat of predictions",
                        large, watch.k, MCMC_MAX_RHAT, rhat));
    }
done:
    watch_release(&watch);
    return err->code;
}

/* Predictions of all draws at some training rows; each chain is a task. */
struct predictions {
    const struct solver_problem *problem;
    const struct mcmc_draws *draws;
    int rows;
    int o;          /* targets: the first outputs of the network */
    double *x;      /* [rows x d] */
    double *chosen; /* [rows] numbers of the rows in x */
    double *values; /* [c n x rows o] */
};

static void predictions_release(struct predictions *p)
{
    mem_free(p->x);
    mem_free(p->chosen);
    mem_free(p->values);
}

static enum err_code predictions_init(struct predictions *p, const struct solver_problem *problem,
                                      const struct mcmc_draws *draws, struct err *err)
{
    const struct data *train = &problem->train;
    size_t d = (size_t)train->d;
    int rows = MCMC_MAX_WATCHED / train->o;
    rows = rows > MCMC_MAX_ROWS ? MCMC_MAX_ROWS : (rows < 1 ? 1 : rows);
    rows = rows > train->n ? train->n : rows;
    size_t m = (size_t)draws->c * (size_t)draws->n;
    *p = (struct predictions){.problem = problem, .draws = draws, .rows = rows, .o = train->o};
    p->x = mem_alloc_array((size_t)rows * d, sizeof *p->x);
    p->chosen = mem_alloc_array((size_t)rows, sizeof *p->chosen);
    p->values = mem_alloc_array(m * (size_t)(rows * p->o), sizeof *p->values);
    if (p->x == NULL || p->chosen == NULL || p->values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the predictions of %zu draws", m);
    }
    for (int i = 0; i < rows; i++) {
        size_t row = (size_t)i * (size_t)train->n / (size_t)rows;
        memcpy(p->x + (size_t)i * d, train->x + row * d, d * sizeof *p->x);
        p->chosen[i] = (double)row;
    }
    return ERR_OK;
}

static enum err_code predict_chain(void *ctx, int worker, int chain, struct err *err)
{
    const struct predictions *p = ctx;
    const struct resnet *net = p->problem->net;
    size_t n_out = (size_t)net->n_out;
    size_t rows = (size_t)p->rows;
    size_t o = (size_t)p->o;
    (void)worker;
    double *pack = mem_alloc_array(
        net->pack_size + rows * n_out + resnet_apply_scratch(net, p->rows), sizeof *pack);
    if (pack == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the predictions of a chain");
    }
    double *y = pack + net->pack_size;
    const struct resnet_packed packed = {.net = net, .pack = pack, .scratch = y + rows * n_out};
    for (int k = 0; k < p->draws->n; k++) {
        size_t draw = (size_t)chain * (size_t)p->draws->n + (size_t)k;
        double *out = p->values + draw * rows * o;
        if (cancel_is_requested(p->problem->cancel)) {
            err_set(err, ERR_CANCELLED, "cancelled during the diagnostics of the chains");
            break;
        }
        resnet_pack(net, p->draws->vectors + draw * (size_t)p->draws->stride, pack);
        resnet_apply(&packed, p->rows, p->x, y);
        for (size_t i = 0; i < rows; i++) {
            memcpy(out + i * o, y + i * n_out, o * sizeof *out);
        }
    }
    mem_free(pack);
    return err->code;
}

static enum err_code report_predictions(const struct solver_problem *problem,
                                        const struct mcmc_draws *draws, struct report *report,
                                        struct err *err)
{
    struct predictions p;
    struct watch watch = {.memory = NULL};
    int large;
    int missing;
    if (predictions_init(&p, problem, draws, err) != ERR_OK ||
        par_run(problem->n_threads, draws->c, predict_chain, &p, err) != ERR_OK ||
        watch_judge(&watch, problem, draws, p.rows * p.o, p.values, err) != ERR_OK ||
        add_watch(report, "predictions", &watch, err) != ERR_OK ||
        report_add(report, "predictions.rows", p.rows, p.chosen, err) != ERR_OK ||
        report_add(report, "predictions.rhat", watch.k, watch.rhat, err) != ERR_OK ||
        report_add(report, "predictions.ess_bulk", watch.k, watch.ess_bulk, err) != ERR_OK ||
        report_add(report, "predictions.ess_tail", watch.k, watch.ess_tail, err) != ERR_OK ||
        warn_missing(report, "predictions", &watch, err) != ERR_OK) {
        goto done;
    }
    double rhat = find_worst(&watch, &large, &missing);
    if (large > 0) {
        err_kept(
            report_warn(report, err, "rhat_predictions",
                        "R-hat of %d of %d predictions at training rows is above %g (the "
                        "largest is %.3g): the chains disagree; more warmup and draws may help",
                        large, watch.k, MCMC_MAX_RHAT, rhat));
    }
done:
    watch_release(&watch);
    predictions_release(&p);
    return err->code;
}

/* ---- chains ---- */

/* What is reported of each chain. */
enum column { ACCEPT, STEP_SIZE, DIVERGENCES, LEAPFROGS, EBFMI, DEPTH_MEAN, DEPTH_MAX, N_COLUMNS };

static const char *const column_names[N_COLUMNS] = {
    "chains.accept", "chains.step_size",  "chains.divergences", "chains.leapfrogs",
    "chains.ebfmi",  "chains.depth_mean", "chains.depth_max"};

static void fill_columns(const struct mcmc_draws *draws, double *columns)
{
    for (int i = 0; i < draws->c; i++) {
        const struct mcmc_chain *chain = &draws->chains[i];
        double steps = (double)chain->steps;
        const double row[N_COLUMNS] = {
            [ACCEPT] = chain->accept / steps,
            [STEP_SIZE] = chain->step_size,
            [DIVERGENCES] = (double)chain->divergences,
            [LEAPFROGS] = chain->leapfrogs,
            [EBFMI] = chain_energy_ebfmi(&chain->energy),
            [DEPTH_MEAN] = chain->depth / steps,
            [DEPTH_MAX] = chain->depth_max,
        };
        for (int j = 0; j < N_COLUMNS; j++) {
            columns[j * draws->c + i] = row[j];
        }
    }
}

static enum err_code warn_chains(const struct mcmc_draws *draws, const double *ebfmi,
                                 struct report *report, struct err *err)
{
    long steps = 0;
    long divergences = 0;
    long at_max_depth = 0;
    int n_low = 0;
    double low = INFINITY;
    for (int i = 0; i < draws->c; i++) {
        steps += draws->chains[i].steps;
        divergences += draws->chains[i].divergences;
        at_max_depth += draws->chains[i].at_max_depth;
        n_low += draws->gradients && ebfmi[i] < MCMC_MIN_EBFMI;
        low = fmin(low, ebfmi[i]);
    }
    if (divergences > 0 &&
        report_warn(report, err, "divergences",
                    "%ld of %ld steps diverged: parts of the posterior may be missing; a higher "
                    "target_accept or a tighter prior may help",
                    divergences, steps) != ERR_OK) {
        return err->code;
    }
    if (n_low > 0 &&
        report_warn(report, err, "ebfmi",
                    "the energies of %d of %d chains mix badly (E-BFMI %.2g, should be at "
                    "least %g): tails of the posterior may be missing",
                    n_low, draws->c, low, MCMC_MIN_EBFMI) != ERR_OK) {
        return err->code;
    }
    if ((double)at_max_depth > MCMC_MAX_DEPTH * (double)steps) {
        return report_warn(report, err, "max_depth",
                           "%ld of %ld trajectories reached max_depth before they turned: a "
                           "larger max_depth gives less correlated draws",
                           at_max_depth, steps);
    }
    return ERR_OK;
}

static enum err_code report_chains(const struct mcmc_draws *draws, struct report *report,
                                   struct err *err)
{
    int listed = !draws->gradients ? STEP_SIZE : (!draws->trees ? DEPTH_MEAN : N_COLUMNS);
    double *columns = mem_alloc_array((size_t)N_COLUMNS * (size_t)draws->c, sizeof *columns);
    if (columns == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the report of %d chains", draws->c);
    }
    fill_columns(draws, columns);
    for (int j = 0; j < listed && err->code == ERR_OK; j++) {
        err_kept(report_add(report, column_names[j], draws->c, columns + j * draws->c, err));
    }
    int m = draws->c * draws->n;
    if (err->code == ERR_OK && draws->log_posterior != NULL &&
        report_add(report, "chains.log_posterior", m, draws->log_posterior, err) == ERR_OK) {
        err_kept(report_add(report, "chains.acceptance", m, draws->acceptance, err));
    }
    if (err->code == ERR_OK) {
        err_kept(warn_chains(draws, columns + EBFMI * draws->c, report, err));
    }
    mem_free(columns);
    return err->code;
}

enum err_code mcmc_report(const struct solver_problem *problem, const struct mcmc_draws *draws,
                          struct report *report, struct err *err)
{
    if (report_chains(draws, report, err) != ERR_OK) {
        return err->code;
    }
    if (draws->n < CHAIN_MIN_DRAWS) {
        return report_warn(report, err, "few_draws",
                           "%d draws per chain are too few to tell whether the chains converged; "
                           "at least %d are needed",
                           draws->n, CHAIN_MIN_DRAWS);
    }
    return report_parameters(problem, draws, report, err) == ERR_OK
               ? report_predictions(problem, draws, report, err)
               : err->code;
}
