/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which candidates there are for a spec and its rows. The list itself is auto_candidates.def; this
 * file leaves out what the rows or the spec do not allow.
 */
#include "train/auto_priv.h"

#include "base/mem.h"
#include "network/resnet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* An output whose largest value is less than so many times its smallest one is nearly linear in its
 * logarithm, and logarithms are not tried. A rule of thumb: it has not been measured. */
#define LOG_SPAN 3.0
/* Of evidence: parameters, and operations of an iteration, beyond which it takes too long to be
 * tried whatever the budget: MIN_ITERATIONS of two starts would take half a minute. */
#define EVIDENCE_MAX_PARAMS 4000
#define EVIDENCE_MAX_WORK   3e9
/* A fit by minibatches has enough steps with so many rows; with more rows it needs fewer epochs. */
/* Operations of all starts of a fit by the evidence, where that leaves MIN_ITERATIONS: seconds. */
#define FOLD_OPERATIONS 5e9
#define LAST_OPERATIONS 4e10
#define MIN_ITERATIONS  60
/* Of an ensemble where there are many rows, when it is compared and in the last training. */
#define FOLD_MEMBERS 4
#define LAST_MEMBERS 16
/* A score with which there is next to nothing left to be learned: about a fiftieth of the outputs'
 * standard deviation. Fits by minibatches have not come near it. */
#define EXACT_SCORE     (-2.5)
#define FULL_EPOCH_ROWS 5000
#define MIN_EPOCHS      20
#define MANY_ROWS_BATCH 256 /* rows of a minibatch then */
#define FIT_OPERATIONS  6.0 /* of a parameter for each row: forward and backward */

enum line_scaling { SCALING_OWN, SCALING_LOG, SCALING_BETTER };

struct line {
    enum solver_kind solver;
    int width, layers;
    enum wpfn_basis basis;
    enum line_scaling scaling;
    int min_rows, max_rows;
};

static const struct line lines[] = {
#define CANDIDATE(solver, width, layers, basis, scaling, min_rows, max_rows)                       \
    {SOLVER_##solver, width, layers, WPFN_##basis, SCALING_##scaling, min_rows, max_rows},
#include "train/auto_candidates.def"
#undef CANDIDATE
};
enum { N_LINES = sizeof lines / sizeof *lines };
_Static_assert(N_LINES <= AUTO_MAX_CANDIDATES, "room for all candidates");

/* ---- specs ---- */

/* Many rows need fewer epochs for as many steps. */
static void suit_many_rows(struct solver_settings *settings, int n)
{
    if (n > FULL_EPOCH_ROWS) {
        double epochs = (double)settings->epochs * FULL_EPOCH_ROWS / (double)n;
        settings->epochs = (int)fmax(ceil(epochs), MIN_EPOCHS);
        settings->batch_size = MANY_ROWS_BATCH;
    }
}

/* Does the solver have the settings that are given, and an optimiser if that is? Else *err says
 * what is missing. */
static bool has_settings(const struct auto_spec *from, enum solver_kind solver, struct err *err)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    for (int i = 0; i < n; i++) {
        if ((from->settings >> i & 1u) != 0 && !solver_setting_used(&list[i], solver)) {
            bool none = (list[i].solvers & (unsigned)AUTO_SOLVERS) == 0;
            err_set(err, ERR_INVALID,
                    none ? "settings: auto chooses between solvers that have no \"%s\"; the "
                           "solver that is meant has to be named"
                         : "settings: none of the solvers between which auto chooses has \"%s\" "
                           "and all the other settings that are given",
                    list[i].name);
            return false;
        }
    }
    /* The fits of evidence have no optimiser that could be chosen. */
    if ((from->fixed & AUTO_FIXED_OPTIMIZER) != 0 && solver == SOLVER_EVIDENCE) {
        err_set(err, ERR_INVALID,
                "optimizer: none of the solvers between which auto chooses uses one with the "
                "settings that are given");
        return false;
    }
    return true;
}

/* Takes over those that are given. */
static void take_settings(const struct auto_spec *from, struct solver_settings *settings)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    for (int i = 0; i < n; i++) {
        size_t size = list[i].type == SOLVER_SETTING_REAL   ? sizeof(double)
                      : list[i].type == SOLVER_SETTING_FLAG ? sizeof(bool)
                                                            : sizeof(int);
        if ((from->settings >> i & 1u) != 0) {
            memcpy((char *)settings + list[i].offset,
                   (const char *)&from->base.settings + list[i].offset, size);
        }
    }
    if ((from->fixed & AUTO_FIXED_OPTIMIZER) != 0) {
        settings->optim = from->base.settings.optim;
    }
}

/* The spec of a line, not resolved, for so many rows that train. */
static struct train_spec spec_of(const struct auto_spec *from, const struct line *line, int n_rows)
{
    const struct train_spec *base = &from->base;
    struct train_spec spec = train_defaults(line->solver);
    spec.arch = base->arch;
    if ((from->fixed & AUTO_FIXED_WIDTH) == 0) {
        spec.arch.width = line->width;
    }
    if ((from->fixed & AUTO_FIXED_LAYERS) == 0) {
        spec.arch.layers = line->layers;
    }
    if ((from->fixed & AUTO_FIXED_BASIS) == 0) {
        spec.arch.basis = line->basis;
    }
    if (line->solver != SOLVER_EVIDENCE) {
        suit_many_rows(&spec.settings, n_rows);
    }
    take_settings(from, &spec.settings);
    if (line->scaling == SCALING_LOG) {
        spec.output_scaling = SCALER_LOG;
    }
    if ((from->fixed & AUTO_FIXED_OUTPUT_SCALING) != 0) {
        spec.output_scaling = base->output_scaling;
    }
    if ((from->fixed & AUTO_FIXED_PRIOR) != 0) {
        spec.prior = base->prior;
    }
    if ((from->fixed & AUTO_FIXED_NOISE) != 0) {
        spec.noise = base->noise;
        spec.n_noise_sigmas = base->n_noise_sigmas;
        spec.noise_sigmas = base->noise_sigmas;
    }
    spec.calibration = base->calibration;
    spec.input_scaling = base->input_scaling;
    spec.validation = base->validation;
    spec.seed = base->seed;
    spec.precision = base->precision;
    return spec;
}

static enum err_code check_budget(const struct auto_spec *spec, struct err *err)
{
    if (spec->fits < 0 || !(spec->seconds >= 0.0 && isfinite(spec->seconds))) {
        return err_set(err, ERR_INVALID,
                       "auto: the budget is %d fits and %g seconds, numbers of at least 0 are "
                       "needed, and 0 is no limit",
                       spec->fits, spec->seconds);
    }
    return ERR_OK;
}

enum err_code auto_validate(const struct auto_spec *spec, struct err *err)
{
    struct err first = ERR_INIT;
    if (check_budget(spec, err) != ERR_OK) {
        return err->code;
    }
    if (spec->base.start == TRAIN_WARM) {
        return err_set(err, ERR_UNSUPPORTED,
                       "auto chooses the network, and a warm start has that of the model that it "
                       "begins from; a cold start or the solver of that model is needed");
    }
    for (int i = 0; i < N_LINES; i++) {
        struct err one = ERR_INIT;
        const struct train_spec trial = spec_of(spec, &lines[i], 0);
        if (has_settings(spec, lines[i].solver, &one) && train_validate(&trial, &one) == ERR_OK) {
            return ERR_OK;
        }
        first = first.code == ERR_OK ? one : first;
    }
    *err = first;
    return err->code;
}

/* ---- the list ---- */

/* Are all values of the outputs positive, and do those of some output span enough? */
static bool may_take_logs(const struct data *rows)
{
    bool spans = false;
    for (int j = 0; j < rows->o; j++) {
        double low = INFINITY;
        double high = -INFINITY;
        for (int i = 0; i < rows->n; i++) {
            double value = rows->y[(size_t)i * (size_t)rows->o + (size_t)j];
            low = fmin(low, value); /* passes over NaN */
            high = fmax(high, value);
        }
        if (!(low > 0.0)) {
            return false;
        }
        spans = spans || high / low >= LOG_SPAN;
    }
    return spans;
}

/* Operations of a fit to n rows, roughly. */
static double cost_of(const struct train_spec *spec, const struct resnet *net, int n)
{
    double k = net->n_params;
    double networks = solver_n_networks(spec->solver, &spec->settings);
    double epochs = spec->settings.epochs;
    return spec->solver != SOLVER_EVIDENCE
               ? networks * epochs * n * k * FIT_OPERATIONS
               : networks * epochs * train_evidence_work(k, (double)n * net->n_out);
}

/* Of evidence: is an iteration more than is tried? */
static bool is_too_much(const struct train_spec *spec, const struct resnet *net, int n)
{
    return spec->solver == SOLVER_EVIDENCE &&
           (net->n_params > EVIDENCE_MAX_PARAMS ||
            train_evidence_work(net->n_params, (double)n * net->n_out) > EVIDENCE_MAX_WORK);
}

/* Is a setting given? Then it holds in every fit. */
static bool gives(const struct auto_spec *from, const char *name)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return (from->settings >> i & 1u) != 0;
        }
    }
    return false;
}

/* Limits the operations of a fit to n rows. The settings that are given stay. */
static void limit_fit(const struct auto_spec *from, const struct train_evidence_limits *limits,
                      const struct resnet *net, int n, struct train_spec *spec)
{
    struct solver_settings settings = spec->settings;
    struct train_evidence_limits own = *limits;
    if (spec->solver != SOLVER_EVIDENCE || gives(from, "epochs")) {
        return;
    }
    own.min_starts = gives(from, "members") ? settings.members : own.min_starts;
    train_limit_evidence(&settings, net->n_params, (double)n * net->n_out, &own);
    spec->settings = settings;
}

/* Limits its fits, and says what they take. The last training has all rows. */
static void plan_fits(struct auto_work *work, const struct resnet *net, struct train_spec *spec,
                      struct auto_scores *scores, double *fold_work)
{
    static const struct train_evidence_limits of_fold = {FOLD_OPERATIONS, MIN_ITERATIONS, 2};
    static const struct train_evidence_limits of_last = {LAST_OPERATIONS, MIN_ITERATIONS, 2};
    int n = work->rows.n;
    int folds = work->table->n_folds;
    int n_fold = folds > 1 ? n - n / folds : n;
    struct train_spec fold = *spec;
    limit_fit(work->run->spec, &of_fold, net, n_fold, &fold);
    limit_fit(work->run->spec, &of_last, net, n, spec);
    if (n >= AUTO_MANY_ROWS && spec->solver != SOLVER_EVIDENCE &&
        !gives(work->run->spec, "members")) {
        spec->settings.members = LAST_MEMBERS;
        fold.settings.members = FOLD_MEMBERS;
    }
    scores->members = fold.settings.members;
    scores->epochs = fold.settings.epochs;
    scores->last_work = cost_of(spec, net, n);
    *fold_work = cost_of(&fold, net, n_fold);
}

/* What differs between candidates; a part that the spec gives is the same in all. */
static void set_name(const struct auto_spec *from, struct auto_candidate *c)
{
    const struct arch *a = &c->spec.arch;
    bool log =
        (from->fixed & AUTO_FIXED_OUTPUT_SCALING) == 0 && c->spec.output_scaling == SCALER_LOG;
    int len = snprintf(c->name, sizeof c->name, "%s", solver_name(c->spec.solver));
    if ((from->fixed & AUTO_FIXED_ARCH) != AUTO_FIXED_ARCH) {
        len += snprintf(c->name + len, sizeof c->name - (size_t)len, "_%dx%d_%s", a->width,
                        a->layers, wpfn_name(a->basis));
    }
    if (log) {
        snprintf(c->name + len, sizeof c->name - (size_t)len, "_log");
    }
}

/* Is there a candidate already that differs in nothing? A scaling that is still to be found is that
 * of one of them. */
static bool is_listed(const struct auto_table *table, const struct train_spec *spec, bool better)
{
    for (int i = 0; i < table->n; i++) {
        const struct train_spec *other = &table->candidates[i].spec;
        if (other->solver == spec->solver && arch_equal(&other->arch, &spec->arch) &&
            (better || other->output_scaling == spec->output_scaling)) {
            return true;
        }
    }
    return false;
}

/* Adds the candidate of a line unless the spec or the rows do not allow it; *why: the error then.
 * ERR_NOMEM. */
static enum err_code add_line(struct auto_work *work, const struct line *line, int width,
                              struct err *why, struct err *err)
{
    const struct auto_spec *from = work->run->spec;
    struct auto_table *table = work->table;
    struct train_spec spec = spec_of(from, line, work->rows.n);
    struct resnet net;
    if (!has_settings(from, line->solver, why) || train_validate(&spec, why) != ERR_OK ||
        train_resolve(&spec, width, work->rows.o, why) != ERR_OK ||
        resnet_init(&net, &spec.arch, why) != ERR_OK) {
        return why->code == ERR_NOMEM ? err_set(err, ERR_NOMEM, "%s", why->msg) : ERR_OK;
    }
    bool better = line->scaling == SCALING_BETTER;
    if (!is_too_much(&spec, &net, work->rows.n) && !is_listed(table, &spec, better)) {
        struct auto_candidate *c = &table->candidates[table->n];
        double cost;
        work->scores[table->n] = (struct auto_scores){.better = better};
        plan_fits(work, &net, &spec, &work->scores[table->n], &cost);
        *c = (struct auto_candidate){.spec = spec,
                                     .n_params = solver_n_networks(spec.solver, &spec.settings) *
                                                 (double)net.n_params,
                                     .work = cost,
                                     .score = (double)NAN,
                                     .error = (double)NAN,
                                     .gap = (double)NAN,
                                     .gap_error = (double)NAN,
                                     .seconds = work->run->clock != NULL ? 0.0 : (double)NAN};
        set_name(from, c);
        table->n++;
    }
    resnet_release(&net);
    return ERR_OK;
}

/* logs: may logarithms of the outputs be tried? */
static enum err_code list_lines(struct auto_work *work, int width, bool logs, struct err *err)
{
    int n = work->rows.n;
    struct err first = ERR_INIT;
    for (int i = 0; i < N_LINES; i++) {
        const struct line *line = &lines[i];
        struct err why = ERR_INIT;
        if (n < line->min_rows || (line->max_rows > 0 && n > line->max_rows) ||
            (line->scaling == SCALING_LOG && !logs)) {
            continue;
        }
        if (add_line(work, line, width, &why, err) != ERR_OK) {
            return err->code;
        }
        first = first.code == ERR_OK ? why : first;
    }
    if (work->table->n == 0) {
        if (first.code == ERR_OK) {
            return err_set(err, ERR_LIMIT, "auto: no solver is quick enough for these rows");
        }
        *err = first;
    }
    return err->code;
}

enum err_code auto_list_candidates(struct auto_work *work, int width, struct err *err)
{
    const struct auto_run *run = work->run;
    bool fixed = (run->spec->fixed & AUTO_FIXED_OUTPUT_SCALING) != 0;
    return list_lines(work, width, !fixed && may_take_logs(&run->run.data), err);
}

enum err_code auto_check_memory(const struct auto_spec *spec, const struct auto_rows *rows,
                                int64_t max_bytes, struct err *err)
{
    struct auto_table *table = mem_zalloc(sizeof *table);
    const struct auto_run run = {.spec = spec};
    bool fixed = (spec->fixed & AUTO_FIXED_VALIDATION) != 0;
    double kept = (fixed ? spec->base.validation : 0.0) + train_calibration_share(&spec->base);
    struct auto_work work = {
        .run = &run,
        .table = table,
        .rows = {.n = (int)ceil((double)rows->load.n_rows * fmax(1.0 - kept, 0.0)),
                 .o = rows->outputs}};
    struct train_size size = {.n_bytes = 0.0};
    double least = INFINITY;
    if (table == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates of auto");
    }
    err_kept(list_lines(&work, rows->width, false, err));
    for (int i = 0; i < table->n && err->code == ERR_OK; i++) {
        err_kept(
            train_memory(&table->candidates[i].spec, &rows->load, rows->n_threads, &size, err));
        least = fmin(least, size.n_bytes);
    }
    mem_free(table);
    return err->code == ERR_OK && max_bytes > 0 && least > (double)max_bytes
               ? auto_refuse_memory(least, max_bytes, err)
               : err->code;
}

enum scaler_kind auto_scaling_now(const struct auto_work *work, int candidate)
{
    struct train_spec spec = work->table->candidates[candidate].spec;
    enum scaler_kind own = spec.output_scaling;
    int best = auto_find_best(work);
    if (!work->scores[candidate].better || best < 0 ||
        work->table->candidates[best].spec.output_scaling != SCALER_LOG) {
        return own;
    }
    struct err err = ERR_INIT;
    spec.output_scaling = SCALER_LOG;
    return train_validate(&spec, &err) == ERR_OK ? SCALER_LOG : own;
}

void auto_settle_scaling(struct auto_work *work, int candidate)
{
    struct auto_candidate *c = &work->table->candidates[candidate];
    enum scaler_kind scaling = auto_scaling_now(work, candidate);
    if (scaling != c->spec.output_scaling) {
        c->spec.output_scaling = scaling;
        set_name(work->run->spec, c);
    }
}

bool auto_is_needless(const struct auto_work *work, int candidate)
{
    const struct auto_table *table = work->table;
    int best = auto_find_best(work);
    return table->candidates[candidate].spec.solver != SOLVER_EVIDENCE && best >= 0 &&
           table->candidates[best].score < EXACT_SCORE;
}

bool auto_has_work(const struct auto_work *work, int candidate)
{
    const struct auto_table *table = work->table;
    enum solver_kind solver = table->candidates[candidate].spec.solver;
    double used = 0.0;
    bool is_first = true;
    for (int i = 0; i < candidate; i++) {
        const struct auto_candidate *c = &table->candidates[i];
        int fits = c->outcome == AUTO_WAITING ? table->n_scored : c->n_folds;
        used += c->work * (fits + (c->outcome == AUTO_FAILED));
        is_first = is_first && c->spec.solver != solver;
    }
    return is_first || used + table->candidates[candidate].work * table->n_scored <= AUTO_WORK;
}
