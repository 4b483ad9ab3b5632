/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains are the tasks. Those of one draw of the surrogate, or all where the draws are joined in
 * the density, are a group: they have the same target, and R-hat compares them. A chain saves its
 * state between two steps.
 */
#include "analyse/calibrate.h"

#include "analyse/calibrate_bridge.h"
#include "analyse/calibrate_density.h"
#include "analyse/calibrate_ladder.h"
#include "base/mem.h"
#include "base/par.h"
#include "sample/chain.h"
#include "sample/sampler.h"

#include <math.h>
#include <string.h>

#define FIRST_STREAM  100000 /* of random numbers: none of an analysis */
#define START_SPREAD  0.5
#define MAX_STARTS    100
#define TARGET_ACCEPT 0.8
#define MAX_DEPTH     10

static const char *const error_names[] = {"none", "variance", "covariance", "draws"};
NAMES_DEFINE(calibrate_error, enum calibrate_error, error_names)

struct work {
    const struct calibrate_run *run;
    int n_groups;     /* of chains with the same target */
    int m;            /* draws of the surrogate of a group */
    int n_parameters; /* P */
    int k;
    double *q;        /* [groups x chains x draws x P] */
    double *logp;     /* [groups x chains x draws] */
    long *divergent;  /* [groups x chains] */
    double *evidence; /* [groups] logarithms */
    double *stones;   /* [groups x chains x temperatures] */
    struct calibrate_result *out;
    atomic_int n_done;
};

/* ---- a chain ---- */

struct chain {
    struct work *work;
    int number;
    struct calibrate_density density;
    struct calibrate_ladder ladder;
    struct rng rng;
    int step; /* done, warm-up included */
    double *q, *logp;
};

static struct sampler_settings settings_of(const struct calibrate_spec *spec)
{
    return (struct sampler_settings){.kind = SAMPLER_NUTS,
                                     .warmup = spec->warmup,
                                     .target_accept = TARGET_ACCEPT,
                                     .adapt_step = true,
                                     .adapt_mass = true,
                                     .max_depth = MAX_DEPTH};
}

static size_t kept(const struct chain *c)
{
    int n = c->step - c->work->run->spec->warmup;
    return n > 0 ? (size_t)n : 0;
}

static enum err_code save_chain(struct chain *c, struct err *err)
{
    struct bytes_writer writer = {.data = NULL};
    size_t n = kept(c);
    bytes_put_i64(&writer, c->step);
    bytes_put_i64(&writer, c->work->divergent[c->number]);
    bytes_put_f64(&writer, c->q, n * (size_t)c->work->n_parameters);
    bytes_put_f64(&writer, c->logp, n);
    calibrate_ladder_save(&c->ladder, &writer);
    rng_save(&c->rng, &writer);
    return checkpoint_save(c->work->run->terms.checkpoint, c->number, &writer, err);
}

static enum err_code load_chain(struct chain *c, bool *found, struct err *err)
{
    void *bytes = NULL;
    struct bytes_reader reader;
    const struct sampler_settings settings = settings_of(c->work->run->spec);
    if (checkpoint_load(c->work->run->terms.checkpoint, c->number, &bytes, &reader, found, err) !=
            ERR_OK ||
        !*found) {
        return err->code;
    }
    int64_t step = bytes_get_i64(&reader);
    int64_t end = (int64_t)c->work->run->spec->warmup + c->work->run->spec->draws;
    c->work->divergent[c->number] = (long)bytes_get_i64(&reader);
    reader.failed = reader.failed || step < 0 || step > end;
    if (!reader.failed) {
        c->step = (int)step;
        bytes_get_f64(&reader, c->q, kept(c) * (size_t)c->work->n_parameters);
        bytes_get_f64(&reader, c->logp, kept(c));
        err_kept(calibrate_ladder_load(&c->ladder, &settings, &reader, err));
        rng_load(&c->rng, &reader);
        err_kept(err->code == ERR_OK ? checkpoint_check(&reader, err) : err->code);
    } else {
        err_kept(checkpoint_check(&reader, err));
    }
    mem_free(bytes);
    return err->code;
}

/* Draws from the prior until one has a density. */
static enum err_code draw_start(struct chain *c, double *q, struct err *err)
{
    const struct calibrate_run *run = c->work->run;
    const struct target *target = &c->ladder.target;
    for (int i = 0; i < MAX_STARTS; i++) {
        for (int p = 0; p < c->work->n_parameters; p++) {
            int a = (p - c->work->k) % run->field->o;
            double centre = p < c->work->k ? 0.0 : log(run->spec->scale[a]);
            q[p] = centre + START_SPREAD * rng_normal(&c->rng);
        }
        if (isfinite(target->logp(target->ctx, q, NULL))) {
            return ERR_OK;
        }
        if (c->density.err.code != ERR_OK) {
            *err = c->density.err;
            return err->code;
        }
    }
    return err_set(err, ERR_NUMERIC, "no start of a chain has a density that is not 0");
}

static enum err_code begin_chain(struct chain *c, struct arena *arena, struct err *err)
{
    const struct calibrate_spec *spec = c->work->run->spec;
    const struct sampler_settings settings = settings_of(spec);
    double *q = arena_alloc_array(arena, (size_t)c->work->n_parameters, sizeof *q);
    if (q == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    rng_init(&c->rng, spec->seed, RNG_ANALYSE, FIRST_STREAM + (uint32_t)c->number);
    for (int place = 0; place < spec->temperatures && err->code == ERR_OK; place++) {
        if (draw_start(c, q, err) == ERR_OK) {
            err_kept(calibrate_ladder_begin(&c->ladder, place, &settings, q, &c->rng, err));
        }
    }
    return err->code;
}

static void report(const struct chain *c)
{
    const struct calibrate_run *run = c->work->run;
    int steps = run->spec->warmup + run->spec->draws;
    int n = c->work->n_groups * run->spec->chains;
    if (run->terms.progress != NULL) {
        const struct progress progress = {
            .member = c->number,
            .n_members = n,
            .step = c->step,
            .n_steps = steps,
            .loss = -c->ladder.samplers->logp,
            .validation_loss = NAN,
            .fraction = (atomic_load(&c->work->n_done) + (double)c->step / steps) / n};
        run->terms.progress(run->terms.progress_ctx, &progress);
    }
}

static enum err_code run_steps(struct chain *c, struct err *err)
{
    const struct calibrate_run *run = c->work->run;
    size_t p = (size_t)c->work->n_parameters;
    int end = run->spec->warmup + run->spec->draws;
    while (c->step < end && err->code == ERR_OK) {
        struct sampler_info info;
        bool counts = c->step >= run->spec->warmup;
        calibrate_ladder_step(&c->ladder, counts, &c->rng, &info);
        if (cancel_is_requested(run->terms.cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled in a calibration");
        }
        if (c->density.err.code != ERR_OK) {
            *err = c->density.err;
            return err->code;
        }
        if (counts) {
            size_t at = (size_t)(c->step - run->spec->warmup);
            memcpy(c->q + at * p, c->ladder.samplers->q, p * sizeof *c->q);
            c->logp[at] = c->ladder.samplers->logp;
            c->work->divergent[c->number] += info.divergent;
        }
        c->step++;
        if (c->step == end || checkpoint_due(run->terms.checkpoint, c->number)) {
            err_kept(save_chain(c, err));
        }
        report(c);
    }
    return err->code;
}

static enum err_code run_chain(void *ctx, int worker, int task, struct err *err)
{
    struct work *work = ctx;
    const struct calibrate_spec *spec = work->run->spec;
    size_t first = (size_t)task * (size_t)spec->draws;
    bool found = false;
    struct arena arena = ARENA_INIT;
    struct chain c = {.work = work,
                      .number = task,
                      .q = work->q + first * (size_t)work->n_parameters,
                      .logp = work->logp + first};
    (void)worker;
    if (calibrate_density_init(&c.density, work->run,
                               task / spec->chains * work->m % work->run->field->m, work->m, &arena,
                               err) == ERR_OK &&
        calibrate_ladder_init(&c.ladder, &c.density, spec->temperatures, &arena, err) == ERR_OK) {
        if (load_chain(&c, &found, err) == ERR_OK &&
            (found || begin_chain(&c, &arena, err) == ERR_OK)) {
            err_kept(run_steps(&c, err));
            memcpy(work->stones + (size_t)task * (size_t)spec->temperatures, c.ladder.stone,
                   (size_t)spec->temperatures * sizeof *work->stones);
        }
    }
    calibrate_ladder_release(&c.ladder);
    calibrate_density_release(&c.density);
    arena_release(&arena);
    atomic_fetch_add(&work->n_done, err->code == ERR_OK ? 1 : 0);
    return err->code;
}

/* ---- what the draws say ---- */

static enum err_code finish_group(void *ctx, int worker, int task, struct err *err)
{
    struct work *work = ctx;
    const struct calibrate_spec *spec = work->run->spec;
    size_t n = (size_t)spec->chains * (size_t)spec->draws;
    size_t p = (size_t)work->n_parameters;
    size_t cells = (size_t)spec->n_experiments * (size_t)work->run->field->o;
    struct arena arena = ARENA_INIT;
    struct calibrate_density density;
    const double *q = work->q + (size_t)task * n * p;
    (void)worker;
    if (calibrate_density_init(&density, work->run, task * work->m % work->run->field->m, work->m,
                               &arena, err) == ERR_OK) {
        const struct target target = calibrate_density_target(&density);
        const struct bridge bridge = {.target = &target,
                                      .n = (int)n,
                                      .q = q,
                                      .logp = work->logp + (size_t)task * n,
                                      .seed = spec->seed,
                                      .stream = 2 * FIRST_STREAM + (uint32_t)task};
        for (size_t i = 0; i < n && density.err.code == ERR_OK; i++) {
            size_t at = (size_t)task * n + i;
            calibrate_density_parameters(&density, q + i * p, work->out->draws + at * p);
            (void)target.logp(target.ctx, q + i * p, NULL);
            memcpy(work->out->predicted + at * cells, density.mean, cells * sizeof(double));
        }
        if (density.err.code != ERR_OK) {
            *err = density.err;
        } else if (cancel_is_requested(work->run->terms.cancel)) {
            err_set(err, ERR_CANCELLED, "cancelled in a calibration");
        } else if (spec->temperatures > 1) {
            int temperatures = spec->temperatures;
            const double *stones =
                work->stones + (size_t)task * (size_t)(spec->chains * temperatures);
            work->evidence[task] =
                calibrate_ladder_evidence(stones, spec->chains, temperatures, spec->draws);
        } else {
            err_kept(bridge_log_evidence(&bridge, &work->evidence[task], err));
        }
    }
    calibrate_density_release(&density);
    arena_release(&arena);
    return err->code;
}

static enum err_code summarise(struct work *work, double *column, struct err *err)
{
    const struct calibrate_spec *spec = work->run->spec;
    struct calibrate_result *out = work->out;
    size_t n = (size_t)spec->chains * (size_t)spec->draws;
    size_t p = (size_t)work->n_parameters;
    for (size_t i = 0; i < p; i++) {
        out->rhat[i] = 0.0;
        out->ess_bulk[i] = 0.0;
        out->ess_tail[i] = 0.0;
        for (size_t g = 0; g < (size_t)work->n_groups; g++) {
            struct chain_summary summary;
            for (size_t j = 0; j < n; j++) {
                column[j] = work->q[(g * n + j) * p + i];
            }
            if (chain_summarise(spec->chains, spec->draws, column, &summary, err) != ERR_OK) {
                return err->code;
            }
            out->rhat[i] = fmax(out->rhat[i], summary.rhat);
            out->ess_bulk[i] += summary.ess_bulk;
            out->ess_tail[i] += summary.ess_tail;
        }
    }
    return ERR_OK;
}

/* The mean evidence of the groups, and the share of draws outside the training range. */
static void finish(struct work *work, const int *inputs)
{
    struct calibrate_result *out = work->out;
    memcpy(out->inputs, inputs, (size_t)out->k * sizeof *inputs);
    const double *range = work->run->training_range;
    double max = -INFINITY;
    double sum = 0.0;
    int n_outside = 0;
    for (int g = 0; g < work->n_groups; g++) {
        max = fmax(max, work->evidence[g]);
    }
    /* At least 1 / n_groups, by the largest of them. */
    for (int g = 0; g < work->n_groups; g++) {
        sum += exp(work->evidence[g] - max) / work->n_groups;
    }
    out->log_evidence = sum > 0.0 ? max + log(sum) : NAN;
    for (int i = 0; range != NULL && i < out->n_draws; i++) {
        bool outside = false;
        for (int b = 0; b < out->k; b++) {
            double x = out->draws[(size_t)i * (size_t)out->n_parameters + (size_t)b];
            outside = outside || x < range[2 * inputs[b]] || x > range[2 * inputs[b] + 1];
        }
        n_outside += outside;
    }
    out->outside = range != NULL ? (double)n_outside / out->n_draws : NAN;
    for (int c = 0; c < work->n_groups * work->run->spec->chains; c++) {
        out->n_divergent += work->divergent[c];
    }
}

/* ---- the whole ---- */

static enum err_code check_numbers(const struct calibrate_run *run, struct err *err)
{
    const struct calibrate_spec *spec = run->spec;
    double n =
        (double)spec->draws * spec->chains * (spec->error == CALIBRATE_DRAWS ? run->field->m : 1);
    if (spec->temperatures < 1 || spec->temperatures > CALIBRATE_MAX_TEMPERATURES) {
        return err_set(err, ERR_INVALID, "temperatures is %d, 1 to %d are possible",
                       spec->temperatures, CALIBRATE_MAX_TEMPERATURES);
    }
    bool needs_scale = spec->discrepancy || (spec->sigma == NULL && spec->covariance == NULL);
    if (spec->chains < 2 || spec->chains > CALIBRATE_MAX_CHAINS || spec->warmup < 20 ||
        spec->draws < 20 || n > CALIBRATE_MAX_STEPS || spec->warmup > CALIBRATE_MAX_STEPS) {
        return err_set(
            err, ERR_INVALID,
            "chains 2 to %d, warmup and draws from 20 are possible, and %d draws together",
            CALIBRATE_MAX_CHAINS, CALIBRATE_MAX_STEPS);
    }
    double wide =
        (double)run->field->d + 2.0 * run->field->o + (double)spec->n_experiments * run->field->o;
    if (n * wide > (double)CALIBRATE_MAX_KEPT) {
        return err_set(err, ERR_LIMIT,
                       "the calibration would keep %.3g numbers, at most %zu are allowed; ask for "
                       "fewer samples, chains or draws",
                       n * wide, CALIBRATE_MAX_KEPT);
    }
    for (int a = 0; a < run->field->o; a++) {
        if ((spec->sigma != NULL && !(spec->sigma[a] > 0.0)) ||
            (needs_scale && (spec->scale == NULL || !(spec->scale[a] > 0.0)))) {
            return err_set(err, ERR_INVALID, "sigma and scale must be above 0");
        }
    }
    for (int e = 0; e < spec->n_experiments; e++) {
        int replicates = spec->experiments[e].n;
        if (replicates < 1 || (spec->covariance != NULL && replicates > 1)) {
            return err_set(err, ERR_INVALID,
                           "experiments[%d] has %d replicates; 1 or more are needed, and 1 with a "
                           "covariance",
                           e, replicates);
        }
    }
    return spec->n_experiments > 0 ? ERR_OK : err_set(err, ERR_INVALID, "there are no experiments");
}

static enum err_code allocate(struct work *work, struct arena *scratch, struct arena *arena,
                              struct err *err)
{
    const struct calibrate_spec *spec = work->run->spec;
    struct calibrate_result *out = work->out;
    size_t chains = (size_t)work->n_groups * (size_t)spec->chains;
    size_t n = chains * (size_t)spec->draws;
    size_t p = (size_t)work->n_parameters;
    size_t cells = (size_t)spec->n_experiments * (size_t)work->run->field->o;
    *out = (struct calibrate_result){
        .n_parameters = work->n_parameters, .k = work->k, .n_draws = (int)n};
    work->q = arena_alloc_array(scratch, n * p, sizeof *work->q);
    work->logp = arena_alloc_array(scratch, n, sizeof *work->logp);
    work->divergent = arena_zalloc_array(scratch, chains, sizeof *work->divergent);
    work->stones =
        arena_alloc_array(scratch, chains * (size_t)spec->temperatures, sizeof *work->stones);
    work->evidence = arena_alloc_array(scratch, (size_t)work->n_groups, sizeof *work->evidence);
    out->inputs = arena_alloc_array(arena, p, sizeof *out->inputs);
    out->draws = arena_alloc_array(arena, n * p, sizeof *out->draws);
    out->rhat = arena_alloc_array(arena, p, sizeof *out->rhat);
    out->ess_bulk = arena_alloc_array(arena, p, sizeof *out->ess_bulk);
    out->ess_tail = arena_alloc_array(arena, p, sizeof *out->ess_tail);
    out->predicted = arena_alloc_array(arena, n * cells, sizeof *out->predicted);
    return work->q != NULL && work->logp != NULL && work->divergent != NULL &&
                   work->evidence != NULL && work->stones != NULL && out->inputs != NULL &&
                   out->draws != NULL && out->rhat != NULL && out->ess_bulk != NULL &&
                   out->ess_tail != NULL && out->predicted != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for a calibration");
}

enum err_code calibrate_check(const struct calibrate_run *run, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct calibrate_density density;
    if (check_numbers(run, err) == ERR_OK) {
        err_kept(calibrate_density_init(&density, run, 0, 1, &arena, err));
        calibrate_density_release(&density);
    }
    arena_release(&arena);
    return err->code;
}

enum err_code calibrate_run(const struct calibrate_run *run, struct arena *arena,
                            struct calibrate_result *out, struct err *err)
{
    const struct calibrate_spec *spec = run->spec;
    bool apart = spec->error == CALIBRATE_DRAWS;
    struct arena scratch = ARENA_INIT;
    struct calibrate_density density;
    struct work work = {.run = run,
                        .n_groups = apart ? run->field->m : 1,
                        .m = apart ? 1 : run->field->m,
                        .out = out};
    if (check_numbers(run, err) != ERR_OK) {
        return err->code;
    }
    if (calibrate_density_init(&density, run, 0, work.m, &scratch, err) == ERR_OK) {
        work.n_parameters = density.n_parameters;
        work.k = density.k;
        double *column =
            arena_alloc_array(&scratch, (size_t)spec->chains * (size_t)spec->draws, sizeof *column);
        if (column == NULL) {
            err_set(err, ERR_NOMEM, "no memory for a calibration");
        } else if (allocate(&work, &scratch, arena, err) == ERR_OK &&
                   par_run(run->terms.n_threads, work.n_groups * spec->chains, run_chain, &work,
                           err) == ERR_OK &&
                   par_run(run->terms.n_threads, work.n_groups, finish_group, &work, err) ==
                       ERR_OK &&
                   summarise(&work, column, err) == ERR_OK) {
            finish(&work, density.inputs);
        }
    }
    calibrate_density_release(&density);
    arena_release(&scratch);
    return err->code;
}
