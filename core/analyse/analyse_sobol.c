/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sobol' indices of independent inputs by pick and freeze [1]: with points A and B and, for a set u
 * of inputs, the points U that are A but for the inputs in u, which are B's,
 *
 *   closed index of u   cov(f(B), f(U)) / V                         Janon et al. [2]
 *   total index of u    E (f(A) - f(U))^2 / (2 V)                   Jansen [3]
 *
 * In the closed index mean and variance come from both f(B) and f(U), which is asymptotically
 * efficient [2]; V in the total index comes from A and B. The first-order index is the closed one
 * of a single input, and that of second order is S_ij = closed_ij - S_i - S_j.
 *
 * Values are taken relative to the mean of some points, or squares of large outputs would cancel.
 *
 * With f_j = g + e_j the draws, g their mean, and Q a quadratic form of a function, as the
 * numerators of the indices are,
 *
 *   mean_j Q(f_j) = Q(g) + b,   b = mean_j Q(e_j),
 *
 * so each draw's own roughness raises the indices, above all those of inputs that hardly matter and
 * of interactions. Marrel et al. [4] compare both: the index of the mean and the mean index. If the
 * function is like one more draw, Q(g) is too low by b; if g errs about the function as draws do
 * about g, Q(g) is too high by b, and mean_j Q(f_j) by 2 b. The estimate is therefore of g, and the
 * surrogate error has its distance from the mean over draws besides their spread (replicates.h).
 *
 * [1] A. Saltelli et al., Variance based sensitivity analysis of model output, Computer Physics
 *     Communications 181, 2010.
 * [2] A. Janon, T. Klein, A. Lagnoux, M. Nodet, C. Prieur, Asymptotic normality and efficiency of
 *     two Sobol index estimators, ESAIM: Probability and Statistics 18, 2014.
 * [3] M. J. W. Jansen, Analysis of variance designs for model output, Computer Physics
 *     Communications 117, 1999.
 * [4] A. Marrel, B. Iooss, B. Laurent, O. Roustant, Calculations of Sobol indices for the Gaussian
 *     process metamodel, Reliability Engineering and System Safety 94(3), 2009.
 */
#include "analyse/analyse_priv.h"

#include "analyse/centre.h"

#include <math.h>
#include <string.h>

#define N_COMMON 4 /* statistics of an output: means of A, A^2, B, B^2 */
#define N_OF_SET 4 /* and of a set: B U, U, U^2, (A - U)^2 */

struct sobol {
    int n_sets;
    struct analyse_set *sets; /* single inputs, pairs, groups; places among the free inputs */
    int n_pairs;
    double *centre; /* [n_functions x o] */
};

static int count_pairs(const struct analysis *a)
{
    return a->spec->second_order ? a->n_free * (a->n_free - 1) / 2 : 0;
}

static double sobol_rows(const struct analysis *a)
{
    return (double)a->spec->n * (2.0 + a->n_free + count_pairs(a) + a->spec->n_groups);
}

static enum err_code sobol_check(const struct analysis *a, struct err *err)
{
    double pairs = a->spec->second_order ? 0.5 * a->n_free * (a->n_free - 1.0) : 0.0;
    for (int g = 0; g < a->spec->n_groups; g++) {
        const struct analyse_set *set = &a->spec->groups[g];
        for (int i = 0; i < set->n; i++) {
            if (analysis_find_free(a, set->inputs[i]) < 0) {
                return err_set(err, ERR_INVALID, "groups[%d]: input \"%.60s\" is fixed", g,
                               a->spec->input_names[set->inputs[i]]);
            }
        }
    }
    return a->n_free + pairs + a->spec->n_groups <= ANALYSE_MAX_SETS
               ? ERR_OK
               : err_set(err, ERR_LIMIT,
                         "there would be %.0f inputs, pairs and groups, at most %d "
                         "are allowed",
                         a->n_free + pairs + a->spec->n_groups, ANALYSE_MAX_SETS);
}

/* ---- sets and tables ---- */

/* A set of up to two places, or of all inputs of a group. */
static bool put_set(struct analysis *a, struct analyse_set *out, int n, const int *places)
{
    int *copy = arena_alloc_array(a->arena, (size_t)n, sizeof *copy);
    if (copy != NULL) {
        memcpy(copy, places, (size_t)n * sizeof *copy);
    }
    *out = (struct analyse_set){.n = n, .inputs = copy};
    return copy != NULL;
}

static bool put_group(struct analysis *a, struct analyse_set *out, const struct analyse_set *group)
{
    int *places = arena_alloc_array(a->arena, (size_t)group->n, sizeof *places);
    for (int i = 0; places != NULL && i < group->n; i++) {
        places[i] = analysis_find_free(a, group->inputs[i]);
    }
    *out = (struct analyse_set){.n = group->n, .inputs = places};
    return places != NULL;
}

static bool make_sets(struct analysis *a, struct sobol *own)
{
    bool ok = true;
    int at = 0;
    own->n_pairs = count_pairs(a);
    own->n_sets = a->n_free + own->n_pairs + a->spec->n_groups;
    own->sets = arena_alloc_array(a->arena, (size_t)own->n_sets, sizeof *own->sets);
    if (own->sets == NULL) {
        return false;
    }
    for (int i = 0; i < a->n_free; i++) {
        ok = put_set(a, &own->sets[at++], 1, &i) && ok;
    }
    for (int i = 0; own->n_pairs > 0 && i < a->n_free; i++) {
        for (int j = i + 1; j < a->n_free; j++) {
            const int pair[2] = {i, j};
            ok = put_set(a, &own->sets[at++], 2, pair) && ok;
        }
    }
    for (int g = 0; g < a->spec->n_groups; g++) {
        ok = put_group(a, &own->sets[at++], &a->spec->groups[g]) && ok;
    }
    return ok;
}

/* "a, b" */
static const char *set_label(struct analysis *a, const struct analyse_set *set)
{
    size_t size = 1;
    for (int i = 0; i < set->n; i++) {
        size += strlen(a->labels[set->inputs[i]]) + 2;
    }
    char *text = arena_alloc(a->arena, size);
    char *end = text;
    for (int i = 0; text != NULL && i < set->n; i++) {
        const char *name = a->labels[set->inputs[i]];
        size_t len = strlen(name);
        memcpy(end, i > 0 ? ", " : "", i > 0 ? 2 : 0);
        end += i > 0 ? 2 : 0;
        memcpy(end, name, len);
        end += len;
    }
    if (text != NULL) {
        *end = '\0';
    }
    return text;
}

/* Of the sets [0, n). */
static const char **set_labels(struct analysis *a, const struct analyse_set *sets, int n, bool *ok)
{
    const char **labels = arena_alloc_array(a->arena, (size_t)n, sizeof *labels);
    for (int s = 0; labels != NULL && s < n; s++) {
        labels[s] = set_label(a, &sets[s]);
        *ok = *ok && labels[s] != NULL;
    }
    *ok = *ok && labels != NULL;
    return labels;
}

static enum err_code sobol_plan(struct analysis *a, struct err *err)
{
    struct sobol *own = arena_zalloc_array(a->arena, 1, sizeof *own);
    bool ok = own != NULL && make_sets(a, own);
    if (!ok) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    a->own = own;
    const struct analyse_axis by_input[] = {analysis_outputs(a), analysis_inputs(a)};
    struct analyse_axis by_set[] = {analysis_outputs(a), {.name = "pair", .n = own->n_pairs}};
    analysis_add_table(a, "mean", 1, by_input, &ok);
    analysis_add_table(a, "variance", 1, by_input, &ok);
    analysis_add_table(a, "first", 2, by_input, &ok);
    analysis_add_table(a, "total", 2, by_input, &ok);
    if (own->n_pairs > 0) {
        by_set[1].labels = set_labels(a, own->sets + a->n_free, own->n_pairs, &ok);
        analysis_add_table(a, "second", 2, by_set, &ok);
    }
    if (a->spec->n_groups > 0) {
        const struct analyse_set *groups = own->sets + a->n_free + own->n_pairs;
        by_set[1] = (struct analyse_axis){.name = "group", .n = a->spec->n_groups};
        by_set[1].labels = set_labels(a, groups, a->spec->n_groups, &ok);
        analysis_add_table(a, "closed", 2, by_set, &ok);
        analysis_add_table(a, "closed_total", 2, by_set, &ok);
    }
    a->n_statistics = (size_t)a->field->o * (size_t)(N_COMMON + N_OF_SET * own->n_sets);
    a->n_functions = a->field->m > 1 ? a->field->m + 1 : 1;
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for an analysis");
}

static enum err_code sobol_prepare(struct analysis *a, struct err *err)
{
    struct sobol *own = a->own;
    size_t m = (size_t)a->field->m;
    size_t o = (size_t)a->field->o;
    bool ok = true;
    double *of_draws = NULL;
    if (centre_make(a, &of_draws, NULL, err) != ERR_OK) {
        return err->code;
    }
    own->centre = analysis_array(a, (size_t)a->n_functions * o, &ok);
    if (!ok) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    memset(own->centre, 0, (size_t)a->n_functions * o * sizeof *own->centre);
    memcpy(own->centre, of_draws, m * o * sizeof *own->centre);
    for (size_t i = 0; a->n_functions > a->field->m && i < m * o; i++) {
        own->centre[m * o + i % o] += of_draws[i] / (double)m;
    }
    return ERR_OK;
}

/* ---- a replicate ---- */

struct pass {
    const struct analysis *a;
    const struct sobol *own;
    int n;         /* points */
    size_t n_rows; /* n (2 + sets) */
    double *u;     /* [n x 2 n_free] A beside B */
    double *rows;  /* [n_rows x n_free] A, B, then U of each set */
    double *x;     /* [n_rows x d] */
    double *y;     /* [n_functions x n_rows x o] */
    double *out;   /* [n_functions x n_statistics] */
};

static void fill_rows(struct pass *pass)
{
    size_t k = (size_t)pass->a->n_free;
    size_t n = (size_t)pass->n;
    for (size_t i = 0; i < n; i++) {
        const double *from_a = pass->u + i * 2 * k;
        const double *from_b = from_a + k;
        memcpy(pass->rows + i * k, from_a, k * sizeof(double));
        memcpy(pass->rows + (n + i) * k, from_b, k * sizeof(double));
        for (size_t s = 0; s < (size_t)pass->own->n_sets; s++) {
            const struct analyse_set *set = &pass->own->sets[s];
            double *row = pass->rows + ((2 + s) * n + i) * k;
            memcpy(row, from_a, k * sizeof(double));
            for (int j = 0; j < set->n; j++) {
                row[set->inputs[j]] = from_b[set->inputs[j]];
            }
        }
    }
    analysis_rows(pass->a, (int)pass->n_rows, pass->rows, pass->x);
}

/* Adds one output of one draw. f: its values at A [n], at distance `stride`. */
static void add_output(const struct pass *pass, const double *f, double centre, double *sums)
{
    size_t o = (size_t)pass->a->field->o;
    size_t n = (size_t)pass->n;
    double weight = 1.0 / pass->a->spec->n;
    for (size_t i = 0; i < n; i++) {
        double fa = f[i * o] - centre;
        double fb = f[(n + i) * o] - centre;
        sums[0] += weight * fa;
        sums[1] += weight * fa * fa;
        sums[2] += weight * fb;
        sums[3] += weight * fb * fb;
    }
    for (size_t s = 0; s < (size_t)pass->own->n_sets; s++) {
        double *of_set = sums + N_COMMON + N_OF_SET * s;
        const double *at = f + (2 + s) * n * o;
        double part[N_OF_SET] = {0.0};
        for (size_t i = 0; i < n; i++) {
            double fu = at[i * o] - centre;
            double fb = f[(n + i) * o] - centre;
            double delta = f[i * o] - at[i * o];
            part[0] += fb * fu;
            part[1] += fu;
            part[2] += fu * fu;
            part[3] += delta * delta;
        }
        for (int k = 0; k < N_OF_SET; k++) {
            of_set[k] += weight * part[k];
        }
    }
}

/* The values of function number m <- the mean of the draws' before them. */
static void add_mean(const struct pass *pass)
{
    size_t m = (size_t)pass->a->field->m;
    size_t size = pass->n_rows * (size_t)pass->a->field->o;
    double *mean = pass->y + m * size;
    memset(mean, 0, size * sizeof *mean);
    for (size_t j = 0; j < m; j++) {
        const double *y = pass->y + j * size;
        for (size_t i = 0; i < size; i++) {
            mean[i] += y[i];
        }
    }
    for (size_t i = 0; i < size; i++) {
        mean[i] /= (double)m;
    }
}

static void add_points(const struct pass *pass)
{
    size_t o = (size_t)pass->a->field->o;
    size_t per_output = pass->a->n_statistics / o;
    if (pass->a->n_functions > pass->a->field->m) {
        add_mean(pass);
    }
    for (size_t j = 0; j < (size_t)pass->a->n_functions; j++) {
        for (size_t c = 0; c < o; c++) {
            add_output(pass, pass->y + j * pass->n_rows * o + c, pass->own->centre[j * o + c],
                       pass->out + j * pass->a->n_statistics + c * per_output);
        }
    }
}

static enum err_code sobol_replicate(const struct analysis *a, int replicate, struct arena *scratch,
                                     double *out, struct err *err)
{
    const struct sobol *own = a->own;
    size_t k = (size_t)a->n_free;
    int block = analysis_block(a, a->spec->n, 2 + own->n_sets);
    size_t rows = (size_t)block * (size_t)(2 + own->n_sets);
    struct points points = {.dims = 0};
    struct arena inner = ARENA_INIT;
    struct pass pass = {.a = a, .own = own, .out = out};
    pass.u = arena_alloc_array(scratch, (size_t)block * 2 * k, sizeof(double));
    pass.rows = arena_alloc_array(scratch, rows * k, sizeof(double));
    pass.x = arena_alloc_array(scratch, rows * (size_t)a->field->d, sizeof(double));
    pass.y =
        arena_alloc_array(scratch, rows * (size_t)(a->n_functions * a->field->o), sizeof(double));
    if (pass.u == NULL || pass.rows == NULL || pass.x == NULL || pass.y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    memset(out, 0, (size_t)a->n_functions * a->n_statistics * sizeof *out);
    err_kept(points_init(&points, a->spec->seed, replicate, 2 * a->n_free, err));
    for (int first = 0; first < a->spec->n && err->code == ERR_OK; first += block) {
        pass.n = a->spec->n - first < block ? a->spec->n - first : block;
        pass.n_rows = (size_t)pass.n * (size_t)(2 + own->n_sets);
        points_next(&points, pass.n, pass.u);
        fill_rows(&pass);
        if (analysis_values(a, (int)pass.n_rows, pass.x, &inner, pass.y, err) == ERR_OK) {
            add_points(&pass);
        }
        arena_clear(&inner);
    }
    points_release(&points);
    arena_release(&inner);
    return err->code;
}

/* ---- indices ---- */

static double share(double part, double whole)
{
    return whole > 0.0 ? part / whole : NAN;
}

static double closed_index(const double *common, const double *of_set)
{
    double mean = 0.5 * (common[2] + of_set[1]);
    double variance = 0.5 * (common[3] + of_set[2]) - mean * mean;
    return share(of_set[0] - mean * mean, variance);
}

/* s: the statistics of output c; centre: what its values are relative to. */
static void finish_output(const struct analysis *a, int c, double centre, const double *s,
                          double *numbers)
{
    const struct sobol *own = a->own;
    const struct analyse_table *t = a->tables;
    size_t k = (size_t)a->n_free;
    double mean = 0.5 * (s[0] + s[2]);
    double variance = fmax(0.5 * (s[1] + s[3]) - mean * mean, 0.0);
    double *first = numbers + t[2].first + (size_t)c * k;
    double *total = numbers + t[3].first + (size_t)c * k;
    numbers[t[0].first + (size_t)c] = centre + mean;
    numbers[t[1].first + (size_t)c] = variance;
    const double *of_set = s + N_COMMON;
    for (size_t i = 0; i < k; i++, of_set += N_OF_SET) {
        first[i] = closed_index(s, of_set);
        total[i] = share(0.5 * of_set[3], variance);
    }
    int next = 4;
    if (own->n_pairs > 0) {
        double *second = numbers + t[next++].first + (size_t)c * (size_t)own->n_pairs;
        for (int p = 0; p < own->n_pairs; p++, of_set += N_OF_SET) {
            const int *pair = own->sets[k + (size_t)p].inputs;
            second[p] = closed_index(s, of_set) - first[pair[0]] - first[pair[1]];
        }
    }
    for (int g = 0; g < a->spec->n_groups; g++, of_set += N_OF_SET) {
        size_t at = (size_t)c * (size_t)a->spec->n_groups + (size_t)g;
        numbers[t[next].first + at] = closed_index(s, of_set);
        numbers[t[next + 1].first + at] = share(0.5 * of_set[3], variance);
    }
}

static enum err_code sobol_finish(const struct analysis *a, int draw, const double *statistics,
                                  double *numbers, struct err *err)
{
    const struct sobol *own = a->own;
    size_t o = (size_t)a->field->o;
    size_t per_output = a->n_statistics / o;
    for (size_t c = 0; c < o; c++) {
        finish_output(a, (int)c, own->centre[(size_t)draw * o + c], statistics + c * per_output,
                      numbers);
    }
    return err->code;
}

const struct analyse_ops analyse_sobol_ops = {.points = 1024,
                                              .check = sobol_check,
                                              .plan = sobol_plan,
                                              .prepare = sobol_prepare,
                                              .replicate = sobol_replicate,
                                              .finish = sobol_finish,
                                              .rows = sobol_rows};
