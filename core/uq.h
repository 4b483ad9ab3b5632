/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Solvers for the uncertainty of the parameters: from scaled rows to posterior draws.
 *
 *   ensemble   deep ensemble: `members` networks, each from its own start on its own random
 *              floor(dfrac n) rows, minimising the mean squared error (QUiNN's NN_Ens)
 */
#ifndef UQ_H
#define UQ_H

#include "fit.h"

enum uq_kind {
#define UQ(code, name, ops) UQ_##code,
#include "uq.def"
#undef UQ
};

struct uq_settings {
    int members;        /* J */
    double dfrac;       /* share of the training rows a member sees, (0, 1] */
    double init_factor; /* of fit_init_params */
    struct fit_settings fit;
};

#define UQ_MAX_MEMBERS 4096

struct uq_settings uq_defaults(enum uq_kind kind);
enum err_code uq_validate(enum uq_kind kind, const struct uq_settings *settings,
                          struct err *err) MUST_CHECK;
const char *uq_name(enum uq_kind kind);
bool uq_find(const char *name, enum uq_kind *kind);

struct uq_problem {
    const struct resnet *net;
    struct data train;      /* scaled */
    struct data validation; /* scaled; n may be 0 */
    uint64_t seed;
    int n_threads;
    const struct cancel *cancel;
    progress_fn *progress; /* called from several threads, one at a time */
    void *progress_ctx;
};

/* What a solver reports of one member (or chain). */
struct uq_member {
    double best_loss;
    int best_epoch;
    int epochs;
};

struct uq_result {
    int m;                     /* draws */
    double *draws;             /* [m x K]; mem */
    struct uq_member *members; /* [n_members]; mem */
    int n_members;
};

/* A zeroed result may be released. */
void uq_result_release(struct uq_result *result);

/*
 * Runs a solver. The result depends on problem, settings and seed, not on n_threads. On failure the
 * result is released. ERR_CANCELLED, ERR_NUMERIC, ERR_INVALID, ERR_NOMEM.
 */
enum err_code uq_run(enum uq_kind kind, const struct uq_problem *problem,
                     const struct uq_settings *settings, struct uq_result *result,
                     struct err *err) MUST_CHECK;

#endif
