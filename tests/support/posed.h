/* SPDX-License-Identifier: Apache-2.0 */
/* Small networks of every kind, each with rows, parameters and an objective of every kind. */
#ifndef POSED_H
#define POSED_H

#include "fit/curvature.h"

#define POSED_ROWS 37

struct posed_kind {
    const char *name;
    int d, o, r, layers;
    enum wpfn_basis basis;
    int order;
    enum arch_activation activation;
    enum arch_final final;
    bool mlp, no_bias, no_pre, no_post;
};
extern const struct posed_kind posed_kinds[];
extern const int posed_n_kinds;

enum request { WISH_MSE, WISH_NLL, WISH_EACH, WISH_NLP, WISH_LEARNED, WISH_PREDICTED, N_WISHES };
extern const char *const posed_wishes[N_WISHES]; /* names */

struct posed {
    struct resnet net;
    struct objective objective;
    struct curvature_problem problem;
    double *params, *x, *y, *prior_sigmas, *anchor;
    double sigmas[8];
};

/* n rows; false, with nothing to release, when the network cannot have that objective. */
bool posed_init(struct posed *f, const struct posed_kind *kind, enum request request,
                int n) MUST_CHECK;
void posed_release(struct posed *f);

/* P of the objective. */
int posed_n_params(const struct posed *f);

#endif
