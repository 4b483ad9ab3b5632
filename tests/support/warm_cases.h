/* SPDX-License-Identifier: Apache-2.0 */
/* Small trainings that begin from a model. Each of the programs that need them has its own copy. */
#ifndef WARM_CASES_H
#define WARM_CASES_H

#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "math/gemm.h"
#include "model/codec.h"
#include "train/train.h"

enum {
#define SOLVER(code, name, ops) ONE_##code,
#include "solve/solver.def"
#undef SOLVER
    N_KINDS
};

enum { D = 2, O = 2, MAX = 120 };

/* Rows of a smooth function in units far from 1. */
struct rows {
    double x[MAX * D], y[MAX * O];
};

static inline void make_rows(struct rows *rows)
{
    struct rng rng;
    rng_init(&rng, 17, RNG_TEST, 0);
    for (int i = 0; i < MAX; i++) {
        double a = 2.0 * rng_uniform(&rng) - 1.0;
        double b = 2.0 * rng_uniform(&rng) - 1.0;
        rows->x[D * i] = 300.0 + 20.0 * a;
        rows->x[D * i + 1] = 0.01 * b;
        rows->y[O * i] = 50.0 * (sin(2.0 * a) + 0.5 * b) + rng_normal(&rng);
        rows->y[O * i + 1] = -7.0 + a * b + 0.05 * rng_normal(&rng);
    }
}

/* The losses of the first task, and a cancel after so many reports. */
struct watch {
    struct cancel cancel;
    int stop_at; /* 0: never */
    int calls;
    int n;
    double first, last;
};

static inline void on_progress(void *ctx, const struct progress *progress)
{
    struct watch *watch = ctx;
    if (progress->member == 0) {
        watch->first = watch->n == 0 ? progress->loss : watch->first;
        watch->last = progress->loss;
        watch->n++;
    }
    if (++watch->calls == watch->stop_at) {
        cancel_request(&watch->cancel);
    }
}

/* Settings of a moment; `small` ones are for runs that are repeated very often. */
static inline struct train_spec spec_of(enum solver_kind kind, bool small)
{
    struct train_spec spec = train_defaults(kind);
    struct solver_settings *s = &spec.settings;
    bool many = s->members > 1;
    spec.arch.width = small ? 3 : 5;
    spec.arch.layers = 1;
    spec.arch.basis = WPFN_LINEAR; /* the default of most solvers */
    spec.validation = small ? 0.2 : 0.0;
    spec.seed = 5;
    s->members = many || small ? 2 : 1;
    s->draws = small ? 5 : 60;
    s->epochs = small ? 3 : 250;
    s->batch_size = small ? 7 : 16;
    s->swag_epochs = small ? 3 : 40;
    s->swag_every = small ? 2 : 5;
    s->swag_rank = 4;
    s->chains = 2;
    s->warmup = small ? 6 : 200;
    s->max_depth = small ? 3 : 6;
    return spec;
}

static inline struct train_run run_of(struct train_spec *spec, const struct rows *rows, int n,
                                      const struct model *base)
{
    struct err err = ERR_INIT;
    spec->start = base != NULL ? TRAIN_WARM : TRAIN_COLD;
    ck_assert_msg(train_validate(spec, &err) == ERR_OK, "%s", err_msg(&err));
    ck_assert_msg(train_resolve(spec, D, O, &err) == ERR_OK, "%s", err_msg(&err));
    return (struct train_run){.spec = spec,
                              .data = {.n = n, .d = D, .o = O, .x = rows->x, .y = rows->y},
                              .base = base,
                              .base_spec = spec,
                              .n_threads = 1};
}

/* A model of the first n rows, from a base or cold. */
static inline struct model *train(struct train_spec spec, const struct rows *rows, int n,
                                  const struct model *base, struct watch *watch)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct train_run run = run_of(&spec, rows, n, base);
    run.progress = watch != NULL ? on_progress : NULL;
    run.progress_ctx = watch;
    ck_assert_msg(train_run(&run, &model, &err) == ERR_OK, "%s: %s", solver_name(spec.solver),
                  err_msg(&err));
    return model;
}

/* Are two models the same, bit for bit? */
static inline bool same_model(const struct model *a, const struct model *b)
{
    struct err err = ERR_INIT;
    unsigned char *bytes[2] = {NULL, NULL};
    size_t n[2];
    ck_assert_int_eq(codec_encode(a, &bytes[0], &n[0], &err), ERR_OK);
    ck_assert_int_eq(codec_encode(b, &bytes[1], &n[1], &err), ERR_OK);
    bool same = n[0] == n[1] && memcmp(bytes[0], bytes[1], n[0]) == 0;
    mem_free(bytes[0]);
    mem_free(bytes[1]);
    return same;
}

#endif
