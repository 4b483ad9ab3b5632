/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Analyses: numbers about how the outputs depend on inputs that are distributed as a space says.
 *
 * Every number is computed for each draw of the posterior by itself, from R independent
 * randomisations ("replicates") of the same design. It is answered as
 *
 *   estimate         mean over the draws
 *   sampling_error   standard error of that mean from the finite number of points: the jackknife
 *                    over the replicates [1]
 *   surrogate_error  standard deviation over the draws: what the surrogate does not know
 *   lower, upper     ends of a 95 % interval that joins both, with the quantile of Student's
 *                    distribution for R - 1 degrees of freedom
 *
 * Sobol' indices are nonlinear enough in the draws for their mean to be biased. For them the
 * estimate is the index of the mean of the draws, and the surrogate error is the root of the
 * variance over the draws and of the square of the distance from the mean over them
 * (analyse_sobol.c).
 *
 * All draws see the same points, so that their spread is hardly larger for the finite number of
 * these. The result depends on model, space and request alone, and not on the number of threads.
 *
 * [1] B. Efron, C. Stein, The jackknife estimate of variance, Annals of Statistics 9(3), 1981.
 */
#ifndef ANALYSE_H
#define ANALYSE_H

#include "analyse/field.h"
#include "analyse/law.h"
#include "analyse/terms.h"
#include "base/names.h"

enum analyse_kind {
#define ANALYSIS(KIND, name, ops) ANALYSE_##KIND,
#include "analyse/analyse.def"
#undef ANALYSIS
    ANALYSE_N_KINDS
};
const char *analyse_kind_name(enum analyse_kind kind);
struct names analyse_kind_known(void);

enum analyse_method { ANALYSE_MONTE_CARLO, ANALYSE_SUBSET, ANALYSE_IMPORTANCE };
const char *analyse_method_name(enum analyse_method method);
struct names analyse_method_known(void);

#define ANALYSE_MIN_REPLICATES 4
#define ANALYSE_MAX_REPLICATES 256
#define ANALYSE_MAX_POINTS     (1 << 20) /* of a replicate */
#define ANALYSE_MAX_GRID       1001
#define ANALYSE_MAX_BINS       1000
#define ANALYSE_MAX_LEVELS     64
#define ANALYSE_MAX_SETS       10000             /* groups, pairs, slices */
#define ANALYSE_MAX_VALUES     ((size_t)1 << 26) /* numbers that an analysis keeps */
#define ANALYSE_MAX_RUNS       1e12              /* rows times draws */

/* A set of inputs. */
struct analyse_set {
    int n;
    const int *inputs; /* [n] */
};

/* A run fails where this output is above, or else below, a value. */
struct analyse_limit {
    int output; /* of the field's */
    bool above;
    double value;
};

/* All arrays are borrowed. */
struct analyse_spec {
    enum analyse_kind kind;
    uint64_t seed;
    int replicates;
    int n; /* points of a replicate; trajectories for morris, permutations for shapley */

    bool second_order;                /* sobol */
    int n_groups;                     /* sobol */
    const struct analyse_set *groups; /* [n_groups] */

    int n_levels;         /* propagate */
    const double *levels; /* [n_levels] of quantiles, in (0, 1) */
    int bins;             /* propagate: of densities; 0: none */

    enum analyse_method method;         /* failure */
    int n_limits;                       /* failure: a run fails beyond any of them */
    const struct analyse_limit *limits; /* [n_limits] */

    int grid;                         /* slices: values of an input */
    bool at_point;                    /* slices: the other inputs are at `point`, not averaged */
    const double *point;              /* [d]; NULL: their medians */
    int n_slices;                     /* 0: one for each input */
    const struct analyse_set *slices; /* [n_slices] of one or two inputs each */

    const double *correlation; /* [d x d] shapley: of the Gaussian copula; NULL: independent */

    const char *const *input_names;  /* [d] for labels */
    const char *const *output_names; /* [o] of the field's */
};

/* The points that an analysis of a kind has when none are asked for. */
int analyse_default_points(enum analyse_kind kind);

#define ANALYSE_MAX_RANK 3

/* An axis of a table has labels or values. */
struct analyse_axis {
    const char *name;
    int n;
    const char *const *labels; /* [n] or NULL */
    const double *values;      /* [n] or NULL */
};

/* Numbers by up to three axes, [n_0 x n_1 x n_2]; NaN: not defined, as a share of no variance. */
struct analyse_table {
    const char *name;
    int rank;
    struct analyse_axis axes[ANALYSE_MAX_RANK];
    size_t first, count; /* of the result's numbers */
};

struct analyse_result {
    int n_tables;
    const struct analyse_table *tables;
    size_t n;                /* numbers of all tables */
    double *estimate;        /* [n] */
    double *sampling_error;  /* [n] */
    double *surrogate_error; /* [n] */
    double *lower, *upper;   /* [n] */
    double runs;             /* rows times draws that were evaluated */
};

struct analyse_run {
    const struct analyse_spec *spec;
    const struct field *field;
    const struct law *laws;     /* [d] */
    struct analyse_terms terms; /* tasks of the checkpoint: replicates */
};

/*
 * What can be found without computing. ERR_INVALID: a number outside its limits, an input or output
 * that there is not, a fixed input where a free one is needed, no free input. ERR_LIMIT: too much.
 */
enum err_code analyse_check(const struct analyse_run *run, struct err *err) MUST_CHECK;

/*
 * The result lives in the arena. Errors of analyse_check; ERR_CANCELLED, ERR_CORRUPT (a
 * checkpoint), ERR_NUMERIC (an output is not finite), ERR_UNSUPPORTED, ERR_NOMEM.
 */
enum err_code analyse_run(const struct analyse_run *run, struct arena *arena,
                          struct analyse_result *out, struct err *err) MUST_CHECK;

#endif
