/* SPDX-License-Identifier: Apache-2.0 */
/* Few rows of a smooth function in units of one's choice, and small models of them. */
#ifndef SMALL_ROWS_H
#define SMALL_ROWS_H

#include "run.h"

#include <math.h>
#include <string.h>

#include "train/train.h"

enum { D = 2, O = 2, N = 80 };

static double x[N * D];
static double y[N * O];

/* Inputs about `in`, outputs about `out`, which are powers of two for digits to be comparable. */
static inline struct data make_rows(double in, double out)
{
    struct rng rng;
    rng_init(&rng, 6, RNG_TEST, 0);
    for (int i = 0; i < N; i++) {
        double a = rng_uniform(&rng);
        double b = 1.0 + rng_uniform(&rng);
        x[i * D] = in * a;
        x[i * D + 1] = in * b;
        y[i * O] = out * (2.0 + sin(3.0 * a) + 0.02 * rng_normal(&rng));
        y[i * O + 1] = 1.0 + a * b;
    }
    return (struct data){.n = N, .d = D, .o = O, .x = x, .y = y};
}

static inline struct train_spec small_spec(enum solver_kind solver, enum scaler_kind scaling)
{
    struct train_spec spec = train_defaults(solver);
    spec.arch.width = 6;
    spec.arch.layers = 1;
    spec.settings.members = 3;
    spec.settings.draws = 6;
    spec.settings.epochs = 30;
    spec.settings.batch_size = 16;
    spec.settings.swag_epochs = 6;
    spec.settings.swag_every = 2;
    spec.settings.chains = 2;
    spec.settings.warmup = 20;
    spec.settings.max_depth = 4;
    spec.input_scaling = scaling == SCALER_LOG ? SCALER_RANGE : scaling;
    spec.output_scaling = scaling;
    spec.validation = 0.2;
    spec.seed = 3;
    return spec;
}

static inline enum err_code train(struct train_spec *spec, struct data data,
                                  const struct model *base, struct model **model, struct err *err)
{
    struct train_run run = {.spec = spec, .data = data, .n_threads = 1, .base = base};
    if (train_validate(spec, err) != ERR_OK || train_resolve(spec, data.d, data.o, err) != ERR_OK) {
        return err->code;
    }
    return train_run(&run, model, err);
}

static inline struct model *train_well(struct train_spec *spec, struct data data)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    ck_assert_msg(train(spec, data, NULL, &model, &err) == ERR_OK, "%s: %s",
                  solver_name(spec->solver), err_msg(&err));
    return model;
}

static inline const char *warning(const struct model *model, const char *code)
{
    for (int i = 0; i < model->report.n_warnings; i++) {
        if (strcmp(model->report.warnings[i].code, code) == 0) {
            return model->report.warnings[i].text;
        }
    }
    return NULL;
}

#endif
