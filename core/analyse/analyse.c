/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replicates are the tasks: any thread computes any of them, and its statistics go to a place of
 * their own. A replicate that has ended is saved when it is due, with all that ended before it in
 * the same thread's time, so that work that is resumed computes the others only.
 */
#include "analyse/analyse_priv.h"

#include "analyse/replicates.h"
#include "base/mem.h"
#include "base/par.h"

#include <math.h>
#include <string.h>

#define MAX_TABLES    16
#define BLOCK_NUMBERS 262144 /* values of a block: 2 MiB */

static const char *const kind_names[] = {
#define ANALYSIS(KIND, name, ops) name,
#include "analyse/analyse.def"
#undef ANALYSIS
};

static const struct analyse_ops *const all_ops[] = {
#define ANALYSIS(KIND, name, ops) &ops,
#include "analyse/analyse.def"
#undef ANALYSIS
};

static const char *const method_names[] = {"monte_carlo", "subset", "importance"};

NAMES_DEFINE(analyse_kind, enum analyse_kind, kind_names)
NAMES_DEFINE(analyse_method, enum analyse_method, method_names)

int analyse_default_points(enum analyse_kind kind)
{
    return all_ops[kind]->points;
}

/* ---- for the kinds ---- */

double *analysis_array(struct analysis *a, size_t n, bool *ok)
{
    double *array = arena_alloc_array(a->arena, n, sizeof *array);
    *ok = *ok && array != NULL;
    return array;
}

struct analyse_table *analysis_add_table(struct analysis *a, const char *name, int rank,
                                         const struct analyse_axis *axes, bool *ok)
{
    if (a->n_tables == a->room) {
        int room = a->room > 0 ? 2 * a->room : MAX_TABLES;
        struct analyse_table *more = arena_alloc_array(a->arena, (size_t)room, sizeof *more);
        if (more == NULL) {
            *ok = false;
            return NULL;
        }
        if (a->n_tables > 0) {
            memcpy(more, a->tables, (size_t)a->n_tables * sizeof *more);
        }
        a->tables = more;
        a->room = room;
    }
    struct analyse_table *table = &a->tables[a->n_tables++];
    *table = (struct analyse_table){.name = name, .rank = rank, .first = a->n_numbers, .count = 1};
    for (int i = 0; i < rank; i++) {
        table->axes[i] = axes[i];
        table->count *= (size_t)axes[i].n;
    }
    a->n_numbers += table->count;
    return table;
}

struct analyse_axis analysis_outputs(const struct analysis *a)
{
    return (struct analyse_axis){
        .name = "output", .n = a->field->o, .labels = a->spec->output_names};
}

struct analyse_axis analysis_inputs(const struct analysis *a)
{
    return (struct analyse_axis){.name = "input", .n = a->n_free, .labels = a->labels};
}

int analysis_find_free(const struct analysis *a, int input)
{
    for (int i = 0; i < a->n_free; i++) {
        if (a->inputs[i] == input) {
            return i;
        }
    }
    return -1;
}

void analysis_rows(const struct analysis *a, int n, const double *u, double *x)
{
    size_t d = (size_t)a->field->d;
    for (size_t i = 0; i < (size_t)n; i++) {
        for (size_t b = 0, at = 0; b < d; b++) {
            const struct law *law = &a->run->laws[b];
            x[i * d + b] =
                law_is_fixed(law) ? law->fixed : law_quantile(law, u[i * (size_t)a->n_free + at++]);
        }
    }
}

enum err_code analysis_values(const struct analysis *a, int n, const double *x,
                              struct arena *scratch, double *y, struct err *err)
{
    const struct field_rows rows = {.m = a->field->m, .n = n, .x = x};
    if (cancel_is_requested(a->run->terms.cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in an analysis");
    }
    return a->field->ops->values(a->field, &rows, scratch, y, err);
}

int analysis_block(const struct analysis *a, int max, int rows_of_point)
{
    double of_point = (double)a->field->m * a->field->o * rows_of_point;
    double n = floor(BLOCK_NUMBERS / of_point);
    return n < 1.0 ? 1 : n < max ? (int)n : max;
}

/* ---- checks ---- */

static enum err_code check_numbers(const struct analysis *a, struct err *err)
{
    const struct analyse_spec *spec = a->spec;
    if (spec->n < 1 || spec->n > ANALYSE_MAX_POINTS) {
        return err_set(err, ERR_INVALID, "points is %d, 1 to %d are possible", spec->n,
                       ANALYSE_MAX_POINTS);
    }
    if (spec->replicates < ANALYSE_MIN_REPLICATES || spec->replicates > ANALYSE_MAX_REPLICATES) {
        return err_set(err, ERR_INVALID, "replicates is %d, %d to %d are possible",
                       spec->replicates, ANALYSE_MIN_REPLICATES, ANALYSE_MAX_REPLICATES);
    }
    if (a->n_free == 0) {
        return err_set(err, ERR_INVALID, "every input is fixed, so there is nothing to analyse");
    }
    double runs = a->ops->rows(a) * a->replicates * a->field->m;
    return runs <= ANALYSE_MAX_RUNS
               ? ERR_OK
               : err_set(err, ERR_LIMIT,
                         "the analysis would evaluate the draws %.3g times, at most %.0g are "
                         "allowed; ask for fewer points, replicates or draws",
                         runs, ANALYSE_MAX_RUNS);
}

static enum err_code find_free(struct analysis *a, struct err *err)
{
    size_t d = (size_t)a->field->d;
    a->inputs = arena_alloc_array(a->arena, d, sizeof *a->inputs);
    a->labels = arena_alloc_array(a->arena, d, sizeof *a->labels);
    if (a->inputs == NULL || a->labels == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    for (size_t b = 0; b < d; b++) {
        if (!law_is_fixed(&a->run->laws[b])) {
            a->labels[a->n_free] = a->spec->input_names[b];
            a->inputs[a->n_free++] = (int)b;
        }
    }
    return ERR_OK;
}

/* Everything but the computation. */
static enum err_code begin(const struct analyse_run *run, struct arena *arena, struct analysis *a,
                           struct err *err)
{
    *a = (struct analysis){.run = run,
                           .spec = run->spec,
                           .field = run->field,
                           .ops = all_ops[run->spec->kind],
                           .replicates = run->spec->replicates,
                           .arena = arena};
    if (find_free(a, err) != ERR_OK || (a->n_free > 0 && a->ops->check(a, err) != ERR_OK)) {
        return err->code;
    }
    if (a->ops->is_exact != NULL && a->ops->is_exact(a)) {
        a->replicates = 1;
    }
    a->n_functions = a->field->m;
    if (check_numbers(a, err) != ERR_OK || a->ops->plan(a, err) != ERR_OK) {
        return err->code;
    }
    double kept = (double)a->n_statistics * a->n_functions * a->replicates;
    double numbers = (double)a->n_numbers * (a->replicates + 6);
    return kept + numbers <= (double)ANALYSE_MAX_VALUES
               ? ERR_OK
               : err_set(err, ERR_LIMIT,
                         "the analysis would keep %.3g numbers, at most %zu are allowed; ask for "
                         "fewer outputs, sets, replicates or draws",
                         kept + numbers, ANALYSE_MAX_VALUES);
}

enum err_code analyse_check(const struct analyse_run *run, struct err *err)
{
    struct analysis a;
    struct arena arena = ARENA_INIT;
    err_kept(begin(run, &arena, &a, err));
    arena_release(&arena);
    return err->code;
}

/* ---- the computation ---- */

struct work {
    const struct analysis *a;
    double *all;           /* [R x n_functions x n_statistics] */
    struct arena *scratch; /* [threads] */
    atomic_int n_done;
};

static size_t replicate_size(const struct analysis *a)
{
    return (size_t)a->n_functions * a->n_statistics;
}

static enum err_code check_statistics(const struct analysis *a, const double *out, struct err *err)
{
    for (size_t i = 0; i < replicate_size(a); i++) {
        if (!isfinite(out[i])) {
            return err_set(err, ERR_NUMERIC,
                           "the model's answer, or a square of it, is not finite somewhere in the "
                           "space");
        }
    }
    return ERR_OK;
}

static void report(struct work *work)
{
    const struct analyse_run *run = work->a->run;
    int done = atomic_fetch_add(&work->n_done, 1) + 1;
    replicate_report(run->terms.progress, run->terms.progress_ctx, done, work->a->replicates);
}

static enum err_code run_replicate(void *ctx, int worker, int task, struct err *err)
{
    struct work *work = ctx;
    const struct analysis *a = work->a;
    struct arena *scratch = &work->scratch[worker];
    double *out = work->all + (size_t)task * replicate_size(a);
    bool found = false;
    if (cancel_is_requested(a->run->terms.cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in an analysis");
    }
    const struct checkpoint *checkpoint = a->run->terms.checkpoint;
    if (replicate_load(checkpoint, task, replicate_size(a), out, &found, err) == ERR_OK && !found &&
        a->ops->replicate(a, task, scratch, out, err) == ERR_OK &&
        check_statistics(a, out, err) == ERR_OK) {
        err_kept(replicate_save(checkpoint, task, replicate_size(a), out, err));
    }
    arena_clear(scratch);
    if (err->code == ERR_OK) {
        report(work);
    }
    return err->code;
}

static enum err_code run_replicates(struct work *work, struct err *err)
{
    const struct analysis *a = work->a;
    int threads = a->run->terms.n_threads < a->replicates ? a->run->terms.n_threads : a->replicates;
    work->all = mem_alloc_array((size_t)a->replicates * replicate_size(a), sizeof *work->all);
    work->scratch = mem_zalloc_array((size_t)threads, sizeof *work->scratch);
    if (work->all == NULL || work->scratch == NULL) {
        err_set(err, ERR_NOMEM, "no memory for an analysis");
    } else {
        err_kept(par_run(threads, a->replicates, run_replicate, work, err));
    }
    for (int i = 0; work->scratch != NULL && i < threads; i++) {
        arena_release(&work->scratch[i]);
    }
    mem_free(work->scratch);
    return err->code;
}

static enum err_code make_result(struct analysis *a, struct analyse_result *out, struct err *err)
{
    bool ok = true;
    *out = (struct analyse_result){.n_tables = a->n_tables, .tables = a->tables, .n = a->n_numbers};
    out->estimate = analysis_array(a, out->n, &ok);
    out->sampling_error = analysis_array(a, out->n, &ok);
    out->surrogate_error = analysis_array(a, out->n, &ok);
    out->lower = analysis_array(a, out->n, &ok);
    out->upper = analysis_array(a, out->n, &ok);
    out->runs = a->ops->rows(a) * a->replicates * a->field->m;
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the result of an analysis");
}

enum err_code analyse_run(const struct analyse_run *run, struct arena *arena,
                          struct analyse_result *out, struct err *err)
{
    struct analysis a;
    struct work work = {.a = &a};
    if (begin(run, arena, &a, err) != ERR_OK || make_result(&a, out, err) != ERR_OK ||
        (a.ops->prepare != NULL && a.ops->prepare(&a, err) != ERR_OK)) {
        return err->code;
    }
    if (run_replicates(&work, err) == ERR_OK && replicates_join(&a, work.all, out, err) == ERR_OK &&
        a.ops->mend != NULL) {
        a.ops->mend(&a, out);
    }
    mem_free(work.all);
    return err->code;
}
