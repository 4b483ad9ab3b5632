/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adam [1, algorithm 1], with the bias corrections applied to the step and to the root of v, as in
 * PyTorch: w -= rate / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps).
 * SGD with momentum: u = momentum u + g, w -= rate u.
 *
 * [1] D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
 */
#include "fit/optim.h"

#include "base/mem.h"
#include "base/names.h"
#include "math/kernels.h"

#include <math.h>

static const char *const optim_names[] = {
#define OPTIM(code, name) name,
#include "fit/optim.def"
#undef OPTIM
};
static const char *const schedule_names[] = {"constant", "cosine",  "exponential",
                                             "step",     "plateau", "list"};

#define HALF_PI 1.570796326794896619

struct optim_settings optim_defaults(void)
{
    return (struct optim_settings){
        .kind = OPTIM_ADAM,
        .learning_rate = 1e-2,
        .momentum = 0.0,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .epsilon = 1e-8,
        .schedule = SCHEDULE_COSINE,
        .final_factor = 0.0,
        .step_factor = 0.5,
        .step_epochs = 100,
        .plateau_patience = 10,
        .plateau_threshold = 1e-4,
        .history = 10,
    };
}

static enum err_code check_plateau(const struct optim_settings *s, struct err *err)
{
    if (s->plateau_patience < 0 || s->plateau_cooldown < 0) {
        return err_set(err, ERR_INVALID,
                       "plateau_patience is %d and plateau_cooldown is %d, at least 0 is needed",
                       s->plateau_patience, s->plateau_cooldown);
    }
    if (!(s->plateau_threshold >= 0.0 && s->plateau_threshold < 1.0) ||
        !(s->min_factor >= 0.0 && s->min_factor <= 1.0)) {
        return err_set(err, ERR_INVALID,
                       "plateau_threshold is %g and min_factor is %g, numbers in [0, 1) and [0, 1] "
                       "are needed",
                       s->plateau_threshold, s->min_factor);
    }
    return ERR_OK;
}

static enum err_code check_rates(const struct optim_settings *s, struct err *err)
{
    if (s->schedule == SCHEDULE_LIST && s->n_rates < 1) {
        return err_set(err, ERR_INVALID, "the schedule is a list, and has no rates");
    }
    for (int i = 0; i < s->n_rates; i++) {
        const struct optim_point *point = &s->rates[i];
        if (!(point->rate >= 0.0 && point->rate <= 1e3) || !(point->epoch >= 0.0) ||
            !(point->epoch <= 1e9) || (i > 0 && !(point->epoch > s->rates[i - 1].epoch))) {
            return err_set(err, ERR_INVALID,
                           "rates: [%g, %g] is number %d; ascending epochs from 0 and rates in [0, "
                           "1000] are needed",
                           point->epoch, point->rate, i);
        }
    }
    return ERR_OK;
}

enum err_code optim_validate(const struct optim_settings *s, struct err *err)
{
    if (!(s->learning_rate > 0.0 && s->learning_rate <= 1e3)) {
        return err_set(err, ERR_INVALID, "learning_rate is %g, a number in (0, 1000] is needed",
                       s->learning_rate);
    }
    if (!(s->weight_decay >= 0.0 && s->weight_decay <= 1e6)) {
        return err_set(err, ERR_INVALID, "weight_decay is %g, a number in [0, 1e6] is needed",
                       s->weight_decay);
    }
    if (!(s->momentum >= 0.0 && s->momentum < 1.0) || !(s->beta1 >= 0.0 && s->beta1 < 1.0) ||
        !(s->beta2 >= 0.0 && s->beta2 < 1.0)) {
        return err_set(err, ERR_INVALID,
                       "momentum is %g, beta1 %g and beta2 %g, numbers in [0, 1) are needed",
                       s->momentum, s->beta1, s->beta2);
    }
    if (!(s->epsilon > 0.0 && s->epsilon <= 1.0)) {
        return err_set(err, ERR_INVALID, "epsilon is %g, a number in (0, 1] is needed", s->epsilon);
    }
    if (!(s->final_factor >= 0.0 && s->final_factor <= 1.0) ||
        (s->schedule == SCHEDULE_EXPONENTIAL && !(s->final_factor > 0.0))) {
        return err_set(err, ERR_INVALID, "final_factor is %g, a number in [0, 1] is needed%s",
                       s->final_factor,
                       s->schedule == SCHEDULE_EXPONENTIAL ? ", above 0 for exponential" : "");
    }
    if (!(s->step_factor > 0.0 && s->step_factor <= 1.0) || s->step_epochs < 1) {
        return err_set(
            err, ERR_INVALID,
            "step_factor is %g and step_epochs is %d, a number in (0, 1] and at least 1 are "
            "needed",
            s->step_factor, s->step_epochs);
    }
    if (check_plateau(s, err) != ERR_OK || check_rates(s, err) != ERR_OK) {
        return err->code;
    }
    if (s->history < 1 || s->history > 100) {
        return err_set(err, ERR_INVALID, "history is %d, 1 to 100 is needed", s->history);
    }
    return ERR_OK;
}

NAMES_DEFINE(optim, enum optim_kind, optim_names)
NAMES_DEFINE(optim_schedule, enum optim_schedule, schedule_names)

/* ---- schedules ---- */

void optim_plateau_init(struct optim_plateau *plateau)
{
    *plateau = (struct optim_plateau){.best = INFINITY, .factor = 1.0};
}

void optim_plateau_step(struct optim_plateau *plateau, const struct optim_settings *s, double loss)
{
    /* Losses of likelihoods may be below 0, where PyTorch's product would ask for less than the
     * best: the share is one of its size. */
    double wanted = plateau->best - s->plateau_threshold * fabs(plateau->best);
    if (isinf(plateau->best) || loss < wanted) {
        plateau->best = loss;
        plateau->bad = 0;
    } else {
        plateau->bad++;
    }
    if (plateau->cooldown > 0) {
        plateau->cooldown--;
        plateau->bad = 0;
    }
    if (plateau->bad > s->plateau_patience) {
        plateau->factor = fmax(plateau->factor * s->step_factor, s->min_factor);
        plateau->cooldown = s->plateau_cooldown;
        plateau->bad = 0;
    }
}

static double rate_of_list(const struct optim_settings *s, double epoch)
{
    const struct optim_point *p = s->rates;
    int i = 0;
    while (i < s->n_rates && p[i].epoch <= epoch) {
        i++;
    }
    if (i == 0 || i == s->n_rates) {
        return p[i == 0 ? 0 : i - 1].rate;
    }
    double share = (epoch - p[i - 1].epoch) / (p[i].epoch - p[i - 1].epoch);
    return p[i - 1].rate + share * (p[i].rate - p[i - 1].rate);
}

double optim_rate(const struct optim_settings *s, int epoch, int n_epochs)
{
    double part = n_epochs > 0 ? (double)epoch / (double)n_epochs : 0.0;
    switch (s->schedule) {
    case SCHEDULE_CONSTANT:
    case SCHEDULE_PLATEAU:
        break;
    case SCHEDULE_LIST:
        return rate_of_list(s, (double)epoch);
    case SCHEDULE_COSINE: {
        double c = cos(HALF_PI * part);
        return s->learning_rate * (s->final_factor + (1.0 - s->final_factor) * c * c);
    }
    case SCHEDULE_EXPONENTIAL:
        return s->learning_rate * pow(s->final_factor, part);
    case SCHEDULE_STEP:
        /* NOLINTNEXTLINE(bugprone-integer-division): whole steps */
        return s->learning_rate * pow(s->step_factor, epoch / s->step_epochs);
    }
    return s->learning_rate;
}

enum err_code optim_init(struct optim *optim, const struct optim_settings *settings, int n,
                         struct err *err)
{
    *optim = (struct optim){.settings = *settings, .n = n};
    optim->m = mem_zalloc_array((size_t)n, sizeof *optim->m);
    if (optim->m == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the optimiser");
    }
    if (settings->kind == OPTIM_ADAM) {
        optim->v = mem_zalloc_array((size_t)n, sizeof *optim->v);
        if (optim->v == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the optimiser");
        }
    }
    return ERR_OK;
}

void optim_release(struct optim *optim)
{
    mem_free(optim->m);
    mem_free(optim->v);
    optim->m = NULL;
    optim->v = NULL;
}

static void adam_step(struct optim *optim, double rate, const double *grad, double *params)
{
    const struct optim_settings *s = &optim->settings;
    double t = (double)optim->t;
    struct kernels_adam step = {.beta1 = s->beta1,
                                .beta2 = s->beta2,
                                .epsilon = s->epsilon,
                                .size = rate / (1.0 - pow(s->beta1, t)),
                                .root = sqrt(1.0 - pow(s->beta2, t))};
    kernels_get()->adam(&step, (size_t)optim->n, grad, optim->m, optim->v, params);
}

static void sgd_step(struct optim *optim, double rate, const double *restrict grad,
                     double *restrict params)
{
    double momentum = optim->settings.momentum;
    for (int i = 0; i < optim->n; i++) {
        optim->m[i] = momentum * optim->m[i] + grad[i];
        params[i] -= rate * optim->m[i];
    }
}

void optim_step(struct optim *optim, double rate, double *grad, double *params)
{
    double decay = optim->settings.weight_decay;
    if (decay > 0.0) {
        for (int i = 0; i < optim->n; i++) {
            grad[i] += decay * params[i];
        }
    }
    optim->t++;
    if (optim->settings.kind == OPTIM_ADAM) {
        adam_step(optim, rate, grad, params);
    } else {
        sgd_step(optim, rate, grad, params);
    }
}
