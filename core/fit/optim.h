/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First-order optimisers, which take a step for each minibatch, and the schedules of their learning
 * rate. L-BFGS and Levenberg-Marquardt are not among them: they run over all rows at once
 * (core/fit/fit_lbfgs.c, fit_levenberg.c).
 */
#ifndef OPTIM_H
#define OPTIM_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/names.h"

#include <stdbool.h>

enum optim_kind {
#define OPTIM(code, name) OPTIM_##code,
#include "fit/optim.def"
#undef OPTIM
};

enum optim_schedule {
    SCHEDULE_CONSTANT,
    SCHEDULE_COSINE,      /* half a cosine from the rate to final_factor times the rate */
    SCHEDULE_EXPONENTIAL, /* geometric between the same ends */
    SCHEDULE_STEP,        /* multiplied by step_factor after every step_epochs epochs */
    SCHEDULE_PLATEAU,     /* multiplied by step_factor when the loss no longer falls */
    SCHEDULE_LIST         /* given at some epochs, and by the line between these in between */
};

#define OPTIM_MAX_RATES 128

/* The learning rate at an epoch, from 0. */
struct optim_point {
    double epoch, rate;
};

struct optim_settings {
    enum optim_kind kind;
    double learning_rate; /* > 0; not used by lbfgs and levenberg_marquardt */
    double weight_decay;  /* adds weight_decay * w to the gradient, as PyTorch's Adam and SGD do */
    double momentum;      /* sgd */
    double beta1, beta2;  /* adam */
    double epsilon;       /* adam */
    enum optim_schedule schedule;
    double final_factor; /* cosine, exponential: the last rate / the first rate */
    double step_factor;  /* step */
    int step_epochs;     /* step */
    /* plateau, as PyTorch's ReduceLROnPlateau in mode min: the rate falls after more than
     * plateau_patience epochs in which the validation loss, or without validation rows the training
     * loss, was not below (1 - plateau_threshold) times the best, and then not for
     * plateau_cooldown epochs; never below min_factor times the first. */
    int plateau_patience;
    int plateau_cooldown;
    double plateau_threshold;
    double min_factor;
    int n_rates; /* list */
    struct optim_point rates[OPTIM_MAX_RATES];
    int history; /* lbfgs: pairs that are kept */
};

struct optim_settings optim_defaults(void);

/* ERR_INVALID naming the setting. */
enum err_code optim_validate(const struct optim_settings *settings, struct err *err) MUST_CHECK;

const char *optim_name(enum optim_kind kind);
struct names optim_known(void);
const char *optim_schedule_name(enum optim_schedule schedule);
struct names optim_schedule_known(void);

/* What a plateau's schedule remembers between epochs. */
struct optim_plateau {
    double best;
    double factor; /* of the first rate */
    int bad;       /* epochs without a better loss */
    int cooldown;  /* epochs for which these are not counted */
};

void optim_plateau_init(struct optim_plateau *plateau);

/* After an epoch with this loss. */
void optim_plateau_step(struct optim_plateau *plateau, const struct optim_settings *settings,
                        double loss);

/* The rate of epoch 0 .. n_epochs-1; of a plateau's schedule without its factor. */
double optim_rate(const struct optim_settings *settings, int epoch, int n_epochs);

struct optim {
    struct optim_settings settings;
    int n;     /* parameters */
    long t;    /* steps done */
    double *m; /* [n] first moment, or velocity */
    double *v; /* [n] second moment; NULL for sgd */
};

/* For sgd and adam. A zeroed struct may be released. */
enum err_code optim_init(struct optim *optim, const struct optim_settings *settings, int n,
                         struct err *err) MUST_CHECK;
void optim_release(struct optim *optim);

/* One step with the given rate, which changes params [n] and may change grad [n]. */
void optim_step(struct optim *optim, double rate, double *grad, double *params);

#endif
