/* SPDX-License-Identifier: Apache-2.0 */
/* What suggest.c, which chooses among candidates, shares with suggest_search.c, which moves them.
 */
#ifndef SUGGEST_PRIV_H
#define SUGGEST_PRIV_H

#include "explore/criterion.h"

struct suggest_task {
    const struct model *model;
    const struct region *region;
    const struct suggest_spec *spec;
    struct arena *arena;
    int n_refs;
    int n_pool;           /* candidates, references, pending points */
    double *x;            /* [n_pool x d] */
    struct spread spread; /* of the pool */
    struct spread_history history;
    /* What scores are made of: these two, or of expected_improvement of a model with noise the same
     * conditioned on the values of pending points themselves, whose noise is not an improvement. */
    struct spread *sight;
    struct spread_history *seen;
    struct spread without_noise;
    struct spread_history history_without_noise;
    struct outlook outlook; /* of sight */
    struct scoring_rule rule;
    double *weights;        /* [width] of a draw */
    const double *feasible; /* [n_candidates], and then as many standard deviations; NULL */
    double *scores;         /* [n_candidates] */
    double base;            /* subtracted from scores that are compared */
    bool *used;             /* [n_candidates] */
};

/* The shift of a point of the pool, for struct scored. */
const double *suggest_shift(const struct suggest_task *task, int point);

double suggest_value(const struct suggest_task *task, double score, double feasible, double cost);

/* The best candidate that is neither used nor out [n_candidates], which may be NULL; -1: none. */
int suggest_best(const struct suggest_task *task, const bool *out);

/*
 * Searches from the best candidates. When a better point is found, it takes the place of one of
 * them in the pool, which becomes *found, with its P(run succeeds).
 */
enum err_code suggest_improve(struct suggest_task *task, int *found, double *feasible,
                              struct err *err) MUST_CHECK;

#endif
