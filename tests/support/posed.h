/* SPDX-License-Identifier: Apache-2.0 */
/* Small networks of every kind, with rows, parameters and any kind of objective. */
#ifndef POSED_H
#define POSED_H

#include "fit/curvature.h"

#define POSED_ROWS 37

struct posed_kind {
    const char *name;
    int d, o, r, layers;
    enum wpfn_basis basis;
    int order;
    enum activation activation;
    enum arch_final final;
    bool mlp, no_bias, no_pre, no_post, no_outer_bias;
};
extern const struct posed_kind posed_kinds[];
extern const int posed_n_kinds;

enum posed_objective {
    POSED_MSE,
    POSED_NLL,
    POSED_EACH,
    POSED_NLP,
    POSED_LEARNED,
    POSED_PREDICTED,
    POSED_N_OBJECTIVES
};
extern const char *const posed_objective_names[POSED_N_OBJECTIVES];

struct posed {
    struct resnet net;
    struct objective objective;
    struct curvature_problem problem;
    double *params, *x, *y, *prior_sigmas, *anchor;
    double sigmas[8];
};

/* With n rows; false, with nothing to release, when the network cannot have that objective. */
bool posed_init(struct posed *f, const struct posed_kind *kind, enum posed_objective objective,
                int n) MUST_CHECK;
void posed_release(struct posed *f);

/* The number of the objective's parameters, P. */
int posed_n_params(const struct posed *f);

#endif
